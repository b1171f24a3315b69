"""The command ``attention``: draw the object or the attention maps over a local picture or the frames of a video."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path

import click
from PIL import Image

from cli import frames as sources
from cli.frames import ANIMATIONS, Frame
from copysight.errors import InvalidArgument
from copysight.model import attention_maps as drawing
from copysight.model import bundle as bundles
from copysight.model.attention_source import AttentionSource, attention_source, object_source
from copysight.model.embedder import Embedder
from copysight.pictures import video
from copysight.system.numbers import Real
from copysight.system.progress import with_progress

OBJECTS = "objects"
METHODS = (OBJECTS, "heads")
FILMS = (*ANIMATIONS, video.WRITTEN)


@click.command()
@click.argument("picture", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="File to write: .png or .jpg for a picture, .mp4, .webp or .gif for a video.",
)
@click.option(
    "--bundle",
    "names",
    multiple=True,
    default=("default",),
    show_default=True,
    help="Directory of a bundle, or `default`. Repeat it to draw several bundles, one below the other.",
)
@click.option(
    "--head",
    default=None,
    type=click.IntRange(0),
    help="Draw only this head, large. For a ResNet, draw only this prototype.",
)
@click.option(
    "--mass",
    default=0.6,
    show_default=True,
    type=Real(0, 1, min_open=True),
    help="Share of the attention that the outlined mask contains.",
)
@click.option(
    "--method",
    type=click.Choice(METHODS),
    default=None,
    help="Draw the object that the patches of any size show, or the attention heads (or prototypes). By default the "
    "object, of a bundle without such patches the heads; with --head the heads.",
)
@click.option(
    "--step",
    default=1,
    show_default=True,
    type=click.IntRange(1),
    help="Draw each so many-th frame of a video.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def attention(
    picture: Path,
    out: Path,
    names: Sequence[str],
    head: int | None,
    mass: float,
    method: str | None,
    step: int,
    as_json: bool,
) -> None:
    """Draw the object of PICTURE, or what the attention heads of a model attend to.

    The map of the object covers the whole picture. It shows what is tied to the centre by its features and does not
    resemble the border; its mask is the whole object. `copysight evaluate attention` compares the maps of a bundle.

    With `--method heads`, for a vision transformer, each map is the [CLS] attention of one head of the last block. For
    a ResNet with prototypes, each map is the response of one prototype, scaled from its smallest to its largest value;
    the six prototypes with the strongest response are drawn (in a video, to its first frame). Only the part of the
    picture that the model receives is drawn.

    PICTURE is a picture or a video. A video is a folder of frames, in the order of their names, an animated GIF or
    WebP, or, with the extra `video`, a file like an MP4; its sound is left out.
    """
    if method == OBJECTS and head is not None:
        raise click.UsageError("--head is for attention heads and prototypes; leave it out with --method objects")
    _check_name(out)
    models = [bundles.load(name) for name in names]
    source = sources.opened(picture, max(models, key=lambda bundle: bundle.at_least), step)
    _check_kind(out, len(source))
    frames = iter(source)
    first = next(frames)
    maps = [_source(Embedder(model), first.pixels, head, method, mass) for model in models]
    every = with_progress(chain([first], frames), len(source), "frames")
    count = _save((_draw_all(frame, maps, head is not None) for frame in every), out, source.rate)
    shown = maps[0].source
    report = {"out": str(out), "frames": count, "heads": len(shown.names), "grid": list(shown.grid)}
    report["maps"] = list(shown.names)
    if len(names) > 1:
        report["bundles"] = [one.name for one in maps]
    click.echo(json.dumps(report) if as_json else f"{out}: {count} frame(s); {', '.join(shown.names)}")


@dataclass(frozen=True)
class BundleAttention:
    """A bundle's name, the source of its maps, and the share of each map that its mask holds."""

    name: str
    source: AttentionSource
    mass: float


def _source(
    embedder: Embedder, first: Image.Image, head: int | None, method: str | None, mass: float
) -> BundleAttention:
    bundle = embedder.bundle
    if method == OBJECTS or (method is None and head is None and bundle.any_size):
        return BundleAttention(bundle.name, object_source(embedder, first), 1.0)
    return BundleAttention(bundle.name, attention_source(embedder, first, head), mass)


def _draw_all(frame: Frame, maps: Sequence[BundleAttention], large: bool) -> Image.Image:
    """Draw the frame once for each bundle. Several drawings are stacked, each under its bundle's name."""
    drawn = [_draw(frame, one.source, large, one.mass) for one in maps]
    return drawn[0] if len(drawn) == 1 else drawing.stack(drawn, [one.name for one in maps])


def _draw(frame: Frame, source: AttentionSource, large: bool, mass: float) -> Image.Image:
    maps, canvas = source.maps(frame.pixels), source.crop(frame.canvas)
    return drawing.heatmap(canvas, maps[0]) if large else drawing.sheet(canvas, maps, mass, names=source.names)


def _check_name(out: Path) -> None:
    if out.suffix.lower() == video.WRITTEN:
        video.check_installed()
    elif out.suffix.lower() not in Image.registered_extensions():
        raise InvalidArgument(
            f"got the file name {out}; needed is .png or .jpg for a picture, .mp4, .webp or .gif for a video"
        )
    out.parent.mkdir(parents=True, exist_ok=True)


def _check_kind(out: Path, count: int) -> None:
    if count > 1 and out.suffix.lower() not in FILMS:
        raise InvalidArgument(f"got {count} frames and the file name {out}; a video needs .webp or .gif, or .mp4")


def _save(drawn: Iterable[Image.Image], out: Path, rate: Fraction) -> int:
    """Write the drawings and return their number. Only those of an MP4 are not held in memory."""
    if out.suffix.lower() == video.WRITTEN:
        return video.write(out, drawn, rate)
    pictures = list(drawn)
    if len(pictures) == 1:
        pictures[0].save(out)
        return 1
    _check_kind(out, len(pictures))
    if len(sizes := {picture.size for picture in pictures}) > 1:
        raise InvalidArgument(f"got frames of {len(sizes)} shapes; all frames of a video must have the same shape")
    pictures[0].save(out, save_all=True, append_images=pictures[1:], duration=round(1000 / rate), loop=0)
    return len(pictures)
