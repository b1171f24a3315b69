"""``evaluate all``: run all evaluations on one bundle and write one self-contained HTML report."""

import html
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass
from pathlib import Path

import click
import numpy as np
from PIL import Image

from copysight.model import attention_maps as drawing
from copysight.model import bundle as bundles
from copysight.model.attention_source import attention_source
from copysight.model.bundle import Bundle
from copysight.model.embedder import Embedder
from evaluation.copies import copydays_folder
from evaluation.features import extract
from evaluation.features.cache import cached
from evaluation.features.extract import Extractor
from evaluation.labels import clusters, contact_sheet, knn, labelled, linear
from evaluation.labels.labelled import LabelledSet
from evaluation.provenance import provenance
from evaluation.report import SOURCE, print_accounts, to_json, with_accounts
from evaluation.retrieval import retrieval
from evaluation.sources import current, read, reading_sources
from evaluation.video import davis as sequences
from evaluation.video import follow
from evaluation.video.follow import Animations
from evaluation.video.frame_features import FrameFeatures, frame_features
from evaluation.video.propagation import Propagation

EXISTING = click.Path(exists=True, path_type=Path)
SHOWN = 6
KS = (5, 10, 20)
SEED = 0
"""Seed of linear classifiers and of k-means."""


@dataclass(frozen=True)
class Section:
    """A section of the report: a heading, a table (``rows`` below ``header``) and named sheets of pictures.

    Pictures are ``side`` pixels high.
    """

    title: str
    header: Sequence[str] = ()
    rows: Sequence[Sequence[object]] = ()
    sheets: Sequence[tuple[str, Sequence[Image.Image]]] = ()
    side: int = contact_sheet.SIDE


@click.command(name="all")
@click.argument("source", metavar="SOURCE...", nargs=-1, required=True)
@click.option(
    "--labelled",
    "sets",
    multiple=True,
    type=EXISTING,
    help="Labelled set: folder or tar file of <split>/<class>/<picture>. May be repeated.",
)
@click.option("--davis", type=EXISTING, help="Folder or tar file of videos in the DAVIS layout.")
@click.option("--copydays", type=EXISTING, help="Folder or tar file in the Copydays layout.")
@click.option(
    "--epochs", default=100, show_default=True, type=click.IntRange(1), help="Epochs of the linear classifier."
)
@click.option(
    "--views",
    default=4,
    show_default=True,
    type=click.IntRange(1),
    help="Augmented views of each picture for the linear classifier.",
)
@click.option(
    "--tiles",
    type=click.IntRange(1),
    help="With --davis: tiles along the shortest side of a frame. By default 2 for a bundle of a fixed input size, and "
    "whole frames for others.",
)
@click.option(
    "--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="HTML file to write the report to."
)
@reading_sources
@click.option("--json", "as_json", is_flag=True, help="Print the tables as JSON.")
def evaluate_all(
    source: Sequence[str],
    sets: Sequence[Path],
    davis: Path | None,
    copydays: Path | None,
    epochs: int,
    views: int,
    tiles: int | None,
    out: Path,
    as_json: bool,
) -> None:
    """Run all evaluations that the given data allow on the bundle SOURCE, and write one HTML report.

    With several bundles the tables of the report have a row for each. A labelled set is used for k-NN, the linear
    classifier, retrieval, clusters and attention maps. Attention maps come from the attention heads of a vision
    transformer, or from the prototypes of a ResNet.
    """
    if not (sets or davis or copydays):
        raise click.UsageError("no data given; use at least one of --labelled, --davis, --copydays")
    # Load all bundles and data first, so that a missing file is reported before the long work begins.
    named = {name: bundles.load(name) for name in source}
    data = _Data([labelled.load(path) for path in sets], davis, copydays_folder.load(copydays) if copydays else None)
    frames = {name: frame_features(name, tiles) for name in named} if davis else {}
    if davis is not None:
        sequences.load(davis)
    out.parent.mkdir(parents=True, exist_ok=True)
    found = {name: _sections(name, data, frames.get(name), epochs, views) for name in named}
    sections = merged(found)
    out.write_text(report(list(named.values()), sections))
    answers = [
        {
            "source": bundle.name,
            "out": str(out),
            "tables": [
                {"title": one.title, "header": one.header, "rows": one.rows} for one in found[name] if one.header
            ],
            "provenance": provenance(name, SEED),
        }
        for name, bundle in (named.items() if as_json else ())
    ]
    if as_json:
        click.echo(to_json(with_accounts(answers[0] if len(answers) == 1 else {"sources": answers})))
        return
    click.echo(f"{out}: {len(sections)} sections on {', '.join(bundle.name for bundle in named.values())}")
    print_accounts()


@dataclass(frozen=True)
class _Data:
    """The data of a report: labelled sets, videos, Copydays."""

    sets: Sequence[LabelledSet]
    davis: Path | None
    copydays: copydays_folder.Folder | None


def _sections(source: str, data: _Data, of_frames: FrameFeatures | None, epochs: int, views: int) -> list[Section]:
    """All sections on one source."""
    extractor, embedder = extract.load_extractor(source), Embedder(bundles.load(source))
    sections = [part for found in data.sets for part in _labelled_sections(found, source, extractor, epochs, views)]
    if data.sets and (embedder.bundle.attention is not None or embedder.bundle.activations is not None):
        sections.append(attention(data.sets[0], embedder))
    if data.davis is not None and of_frames is not None:
        sections.append(_video(data.davis, of_frames))
    if data.copydays is not None:
        figures = copydays_folder.measure(data.copydays, extractor, (), None)
        blocks = [[name, value] for name, value in [*figures.blocks.items(), ("all pooled", figures.overall)]]
        sections.append(Section("Copydays", ("block", "mAP"), blocks))
    return sections


def merged(found: Mapping[str, Sequence[Section]]) -> list[Section]:
    """One list of sections: those of the only source, or of several sources with their names before rows and sheets."""
    if len(found) == 1:
        return list(next(iter(found.values())))
    titles = dict.fromkeys(section.title for sections in found.values() for section in sections)
    parts = {
        title: [(name, one) for name, sections in found.items() for one in sections if one.title == title]
        for title in titles
    }
    return [
        Section(
            title,
            (SOURCE, *same[0][1].header) if same[0][1].header else (),
            [[name, *row] for name, one in same for row in one.rows],
            [(f"{name}: {heading}", pictures) for name, one in same for heading, pictures in one.sheets],
            same[0][1].side,
        )
        for title, same in parts.items()
    ]


def report(described: Sequence[Bundle], sections: Sequence[Section]) -> str:
    """Return the report on some bundles as an HTML page without external resources."""
    about = [
        f"{one.name}: {one.method}, {one.backbone}, {one.dimension} dimensions, id {one.id[:16]}" for one in described
    ]
    body = "".join(f"<p>{html.escape(line)}</p>" for line in about) + "".join(_section(part) for part in sections)
    return contact_sheet.document(f"{', '.join(one.name for one in described)}: report", body)


def attention(data: LabelledSet, embedder: Embedder) -> Section:
    """Return attention maps of a few pictures, evenly spaced over the validation split."""
    readable = [entry for entry in data.val.entries if entry not in current().failures]
    sheets = []
    for place in np.linspace(0, len(readable) - 1, SHOWN).astype(int):
        picture = read(readable[place])
        source = attention_source(embedder, picture)
        sheet = drawing.sheet(source.crop(picture), source.maps(picture), names=source.names)
        sheets.append((readable[place].key, [sheet]))
    kind = "each head" if embedder.bundle.attention is not None else "the strongest prototypes"
    return Section(f"Attention maps of {kind}", sheets=sheets, side=sheet.height)


def _video(data: Path, of_frames: FrameFeatures) -> Section:
    with tempfile.TemporaryDirectory() as folder:
        found = follow.measure(data, of_frames, Propagation(), Animations(Path(folder), "webp"))
        stills = [(name, _stills(Path(folder) / f"{name}.webp")) for name in found.sequences]
    rows = [[name, *astuple(quality)] for name, quality in found.table_rows()]
    return Section("Video: object segmentation from the first mask", follow.HEADER, rows, stills)


def _stills(path: Path) -> list[Image.Image]:
    """Return a few frames of an animation, evenly spaced."""
    with Image.open(path) as opened:
        places = np.linspace(0, getattr(opened, "n_frames", 1) - 1, SHOWN).astype(int)
        stills = []
        for place in sorted(set(places.tolist())):
            opened.seek(place)
            stills.append(opened.convert("RGB"))
    return stills


def _labelled_sections(
    data: LabelledSet, source: str, extractor: Extractor, epochs: int, views: int
) -> Iterator[Section]:
    ks = [k for k in KS if k <= len(data.train.entries)] or [1]
    cached_extractor = cached(extractor)
    votes = [list(asdict(one).values())[1:] for one in knn.measure(data, cached_extractor, ks, knn.TEMPERATURE)]
    train, val, classes = len(data.train.entries), len(data.val.entries), len(data.classes)
    yield Section(f"{data.name}: {classes} classes, {train} training pictures, {val} validation pictures")
    yield Section(f"{data.name}: k-NN", ("k", "top-1", "top-5"), votes)
    fitted = linear.measure(data, extractor, views, epochs, SEED)
    yield Section(f"{data.name}: linear", ("top-1", "top-5", "lr"), [[fitted.top1, fitted.top5, fitted.rate]])
    ranked = retrieval.by_class(data, cached_extractor)["class"]
    header = ("mAP", *(f"mP@{k}" for k in retrieval.KAPPAS))
    yield Section(f"{data.name}: retrieval by class", header, [[ranked.map, *ranked.mean_precision]])
    clustered = clusters.cluster(data, cached_extractor, clusters.prototypes_of(source), None, SEED)
    rows = [["-" if value is None else value for value in list(asdict(one).values())[1:]] for one in clustered.results]
    yield Section(f"{data.name}: clusters", clusters.HEADER[1:], rows, clustered.sheets())


def _section(section: Section) -> str:
    sheets = contact_sheet.sheets(section.sheets, section.side) if section.sheets else ""
    return f"<h2>{html.escape(section.title)}</h2>{contact_sheet.table(section.header, section.rows)}{sheets}"
