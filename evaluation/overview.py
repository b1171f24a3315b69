"""``evaluate all``: run all evaluations on one bundle and write one self-contained HTML report."""

import html
import tempfile
from collections.abc import Iterator, Sequence
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
from evaluation.report import print_accounts, to_json, with_accounts
from evaluation.retrieval import retrieval
from evaluation.sources import current, read, reading_sources
from evaluation.video import davis as sequences
from evaluation.video import follow
from evaluation.video.follow import Animations
from evaluation.video.propagation import Propagation

EXISTING = click.Path(exists=True, path_type=Path)
SHOWN = 6
KS = (5, 10, 20)


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
@click.argument("source")
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
    default=2,
    show_default=True,
    type=click.IntRange(1),
    help="With --davis: tiles along the shortest side of a frame.",
)
@click.option(
    "--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="HTML file to write the report to."
)
@reading_sources
@click.option("--json", "as_json", is_flag=True, help="Print the tables as JSON.")
def evaluate_all(
    source: str,
    sets: Sequence[Path],
    davis: Path | None,
    copydays: Path | None,
    epochs: int,
    views: int,
    tiles: int,
    out: Path,
    as_json: bool,
) -> None:
    """Run all evaluations that the given data allow on the bundle SOURCE, and write one HTML report.

    A labelled set is used for k-NN, the linear classifier, retrieval, clusters and attention maps. Attention maps
    come from the attention heads of a vision transformer, or from the prototypes of a ResNet.
    """
    if not (sets or davis or copydays):
        raise click.UsageError("no data given; use at least one of --labelled, --davis, --copydays")
    bundle = bundles.load(source)
    extractor, embedder = extract.load_extractor(source), Embedder(bundle)
    # Load all data first, so that a missing file is reported before the long work begins.
    found = [labelled.load(path) for path in sets]
    frame_features = follow.tiled_features(source, tiles) if davis is not None and sequences.load(davis) else None
    copies = copydays_folder.load(copydays) if copydays is not None else None
    out.parent.mkdir(parents=True, exist_ok=True)
    sections = [part for data in found for part in _labelled_sections(data, source, extractor, epochs, views)]
    if found and (bundle.attention is not None or bundle.activations is not None):
        sections.append(attention(found[0], embedder))
    if davis is not None and frame_features is not None:
        sections.append(_video(davis, frame_features))
    if copies is not None:
        figures = copydays_folder.measure(copies, extractor, (), None)
        blocks = [[name, value] for name, value in [*figures.blocks.items(), ("all pooled", figures.overall)]]
        sections.append(Section("Copydays", ("block", "mAP"), blocks))
    out.write_text(report(bundle, sections))
    tables = [{"title": one.title, "header": one.header, "rows": one.rows} for one in sections if one.header]
    answer = {"source": bundle.name, "out": str(out), "tables": tables}
    click.echo(to_json(with_accounts(answer)) if as_json else f"{out}: {len(sections)} sections on {bundle.name}")
    if not as_json:
        print_accounts()


def report(bundle: Bundle, sections: Sequence[Section]) -> str:
    """Return the report as an HTML page without external resources."""
    about = f"{bundle.method}, {bundle.backbone}, {bundle.dimension} dimensions, id {bundle.id[:16]}"
    body = "".join(_section(section) for section in sections)
    return contact_sheet.document(f"{bundle.name}: report", f"<p>{html.escape(about)}</p>{body}")


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


def _video(data: Path, frame_features: follow.FrameFeatures) -> Section:
    with tempfile.TemporaryDirectory() as folder:
        found = follow.measure(data, frame_features, Propagation(), Animations(Path(folder), "webp"))
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
    fitted = linear.measure(data, extractor, views, epochs, 0)
    yield Section(f"{data.name}: linear", ("top-1", "top-5", "lr"), [[fitted.top1, fitted.top5, fitted.rate]])
    ranked = retrieval.by_class(data, cached_extractor)["class"]
    header = ("mAP", *(f"mP@{k}" for k in retrieval.KAPPAS))
    yield Section(f"{data.name}: retrieval by class", header, [[ranked.map, *ranked.mean_precision]])
    clustered = clusters.cluster(data, cached_extractor, clusters.prototypes_of(source), None, 0)
    rows = [["-" if value is None else value for value in list(asdict(one).values())[1:]] for one in clustered.results]
    yield Section(f"{data.name}: clusters", clusters.HEADER[1:], rows, clustered.sheets())


def _section(section: Section) -> str:
    sheets = contact_sheet.sheets(section.sheets, section.side) if section.sheets else ""
    return f"<h2>{html.escape(section.title)}</h2>{contact_sheet.table(section.header, section.rows)}{sheets}"
