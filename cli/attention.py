"""``attention``: what a vision transformer looks at, drawn over a local picture or the frames of a video."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
from PIL import Image, ImageSequence

from cli import local
from copysight import attention as drawing
from copysight import bundle as bundles
from copysight.bundle import Bundle
from copysight.embedder import Embedder
from copysight.errors import InvalidArgument
from copysight.preprocess import seen

MILLISECONDS = 80
ANIMATED = (".webp", ".gif")


@click.command()
@click.argument("picture", type=click.Path(exists=True, path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="A .png or .jpg; a video: .webp or .gif.")
@click.option(
    "--bundle",
    "names",
    multiple=True,
    default=("default",),
    show_default=True,
    help="A bundle's directory, or `default`; several are drawn one below the other.",
)
@click.option("--head", default=None, type=click.IntRange(0), help="One head over the whole picture. Default: all.")
@click.option(
    "--mass",
    default=0.6,
    show_default=True,
    type=click.FloatRange(0, 1, min_open=True),
    help="Share of each head's attention that the masks hold.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def attention(picture: Path, out: Path, names: Sequence[str], head: int | None, mass: float, as_json: bool) -> None:
    """Draw the last block's [CLS] attention over the part of PICTURE that it sees.

    PICTURE is a picture; or a video: a folder of frames in the order of their names, or an animated GIF or WebP.
    """
    embedders = [Embedder(_model(name, head)) for name in names]
    needed = max((embedder.bundle for embedder in embedders), key=lambda bundle: bundle.at_least)
    drawn = (_compare(frame, embedders, head, mass) for frame in _frames(picture, needed))
    frames = _save(drawn, out)
    shown = [embedder.bundle.attention for embedder in embedders if embedder.bundle.attention is not None]
    report = {"out": str(out), "frames": frames, "heads": shown[0].heads, "grid": list(shown[0].grid)}
    if len(names) > 1:
        report["bundles"] = [embedder.bundle.name for embedder in embedders]
    click.echo(json.dumps(report) if as_json else f"{out}: {frames} frame(s), {shown[0].heads} heads")


def _model(name: str, head: int | None) -> Bundle:
    model = bundles.load(name)
    if model.attention is None:
        raise model.missing("attention")
    if head is not None and head >= model.attention.heads:
        raise InvalidArgument(f"got head {head}, the bundle has {model.attention.heads}, counted from 0")
    return model


@dataclass(frozen=True)
class Frame:
    """What the model is given, and what is drawn upon."""

    pixels: Image.Image
    canvas: Image.Image


def _frames(source: Path, model: Bundle) -> Iterator[Frame]:
    if source.suffix.lower() in ANIMATED:
        local.read(source, model)  # within the limits, or a clear error
        with Image.open(source) as animation:
            for frame in ImageSequence.Iterator(animation):
                picture = frame.convert("RGB")
                yield Frame(picture, picture)
        return
    for file in local.files([source]):
        yield Frame(local.read(file, model).pixels, local.whole(file))


def _compare(frame: Frame, embedders: Sequence[Embedder], head: int | None, mass: float) -> Image.Image:
    """The frame's drawing by each bundle, under the bundle's name if there are several."""
    drawn = [_draw(frame, embedder, head, mass) for embedder in embedders]
    return drawn[0] if len(drawn) == 1 else drawing.stack(drawn, [embedder.bundle.name for embedder in embedders])


def _draw(frame: Frame, embedder: Embedder, head: int | None, mass: float) -> Image.Image:
    maps = embedder.attend([frame.pixels])[0]
    preprocess = embedder.bundle.graphs[embedder.bundle.graph_of("attention")].preprocess
    left, top, right, bottom = (round(value) for value in seen(*frame.canvas.size, preprocess))
    canvas = frame.canvas.crop((left, top, right, bottom))
    return drawing.sheet(canvas, maps, mass) if head is None else drawing.heat(canvas, maps[head])


def _save(drawn: Iterator[Image.Image], out: Path) -> int:
    frames = list(drawn)
    if len(frames) > 1:
        if out.suffix.lower() not in ANIMATED:
            raise InvalidArgument(f"got {len(frames)} frames and the name {out}; a video needs .webp or .gif")
        frames[0].save(out, save_all=True, append_images=frames[1:], duration=MILLISECONDS, loop=0)
    else:
        frames[0].save(out)
    return len(frames)
