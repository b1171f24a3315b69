"""``evaluate all``: every yardstick that the data allow, for one bundle, as one self-contained HTML report."""

import html
from collections.abc import Iterator, Sequence
from dataclasses import asdict, astuple, dataclass
from pathlib import Path

import click
import numpy as np
from PIL import Image

from copysight import attention as drawing
from copysight import bundle as bundles
from copysight.bundle import Bundle
from copysight.embedder import Embedder
from copysight.images import decode
from copysight.preprocess import seen
from evaluation import clusters, contact, copydays_folder, extract, knn, labelled, linear, retrieval, video
from evaluation.extract import Extractor
from evaluation.labelled import Labelled
from evaluation.propagation import Propagation

EXISTING = click.Path(exists=True, path_type=Path)
LOOKED_AT = 6
KS = (5, 10, 20)


@dataclass(frozen=True)
class Section:
    """A heading, a table (``rows`` below ``header``), and pictures under names."""

    title: str
    header: Sequence[str] = ()
    rows: Sequence[Sequence[object]] = ()
    sheets: Sequence[tuple[str, Sequence[Image.Image]]] = ()


@click.command(name="all")
@click.argument("source")
@click.option("--labelled", "sets", multiple=True, type=EXISTING, help="<split>/<class>/<picture>; may be repeated.")
@click.option("--davis", type=EXISTING, help="Sequences in DAVIS's layout.")
@click.option("--copydays", type=EXISTING, help="Pictures in Copydays's layout.")
@click.option(
    "--epochs", default=100, show_default=True, type=click.IntRange(1), help="Passes of the linear classifier."
)
@click.option("--views", default=4, show_default=True, type=click.IntRange(1), help="Its views of each picture.")
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="The report, an .html.")
def everything(
    source: str, sets: Sequence[Path], davis: Path | None, copydays: Path | None, epochs: int, views: int, out: Path
) -> None:
    """Measure the bundle SOURCE by all that the given data allow, and write one report.

    Labelled sets give k-NN, linear, retrieval, clusters and, of a bundle with attention, what its heads look at.
    """
    if not (sets or davis or copydays):
        raise click.UsageError("name data: --labelled, --davis, --copydays")
    bundle = bundles.load(source)
    how, embedder = extract.extractor(source), Embedder(bundle)
    sections = [part for path in sets for part in _labelled(labelled.load(path), path, source, how, epochs, views)]
    if sets and bundle.attention is not None:
        sections.append(attention(labelled.load(sets[0]), embedder))
    if davis is not None:
        followed = video.measure(davis, video.tiled(source, 2), Propagation())
        rows = [[name, *astuple(quality)] for name, quality in followed.lines()]
        sections.append(Section("Video: objects followed from their first mask", video.HEADER, rows))
    if copydays is not None:
        figures = copydays_folder.measure(copydays_folder.load(copydays), how, (), None)
        blocks = [[name, value] for name, value in [*figures.blocks.items(), ("all pooled", figures.overall)]]
        sections.append(Section("Copydays", ("block", "mAP"), blocks))
    out.write_text(report(bundle, sections))
    click.echo(f"{out}: {len(sections)} sections on {bundle.name}")


def report(bundle: Bundle, sections: Sequence[Section]) -> str:
    """The page; it fetches nothing."""
    about = f"{bundle.method}, {bundle.backbone}, {bundle.dimension} dimensions, id {bundle.id[:16]}"
    body = "".join(_section(section) for section in sections)
    return contact.document(f"{bundle.name}: report", f"<p>{html.escape(about)}</p>{body}")


def attention(data: Labelled, embedder: Embedder) -> Section:
    """Sheets of all heads on a few pictures, evenly spaced over the classes."""
    places = np.linspace(0, len(data.val.entries) - 1, LOOKED_AT).astype(int)
    preprocess = embedder.bundle.graphs[embedder.bundle.graph_of("attention")].preprocess
    sheets = []
    for place in places:
        picture = decode(data.val.entries[place].read()).pixels
        left, top, right, bottom = (round(value) for value in seen(*picture.size, preprocess))
        sheet = drawing.sheet(picture.crop((left, top, right, bottom)), embedder.attend([picture])[0])
        sheets.append((data.val.entries[place].key, [sheet]))
    return Section("Attention: what each head looks at", sheets=sheets)


def _labelled(data: Labelled, path: Path, source: str, how: Extractor, epochs: int, views: int) -> Iterator[Section]:
    ks = [k for k in KS if k <= len(data.train.entries)] or [1]
    votes = [list(asdict(one).values())[1:] for one in knn.measure(data, how, ks, knn.TEMPERATURE)]
    yield Section(f"{data.name}: k-NN", ("k", "top-1", "top-5"), votes)
    fitted = linear.measure(data, how, views, epochs, 0)
    yield Section(f"{data.name}: linear", ("top-1", "top-5", "lr"), [[fitted.top1, fitted.top5, fitted.rate]])
    ranked = retrieval.by_class(path, how)["class"]
    header = ("mAP", *(f"mP@{k}" for k in retrieval.KAPPAS))
    yield Section(f"{data.name}: retrieval by class", header, [[ranked.map, *ranked.mean_precision]])
    grouped = clusters.group(data, how, clusters.prototypes_of(source), None, 0)
    rows = [["-" if value is None else value for value in list(asdict(one).values())[1:]] for one in grouped.results]
    yield Section(f"{data.name}: clusters", clusters.HEADER[1:], rows, grouped.sheets())


def _section(section: Section) -> str:
    sheets = contact.sheets(section.sheets) if section.sheets else ""
    return f"<h2>{html.escape(section.title)}</h2>{contact.table(section.header, section.rows)}{sheets}"
