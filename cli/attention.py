"""``attention``: what a bundle looks at, drawn over a local picture or the frames of a video."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import click
from PIL import Image, ImageSequence

from cli import local
from copysight.errors import InvalidArgument
from copysight.model import attention_maps as drawing
from copysight.model import bundle as bundles
from copysight.model.attention_source import AttentionSource, attention_source
from copysight.model.bundle import Bundle
from copysight.model.embedder import Embedder
from copysight.system.progress import watched

MILLISECONDS = 80
ANIMATED = (".webp", ".gif")
FILMS = (".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mpg")


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
@click.option("--head", default=None, type=click.IntRange(0), help="One head (of a ResNet: one prototype), large.")
@click.option(
    "--mass",
    default=0.6,
    show_default=True,
    type=click.FloatRange(0, 1, min_open=True),
    help="Share of each map that its mask holds.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def attention(picture: Path, out: Path, names: Sequence[str], head: int | None, mass: float, as_json: bool) -> None:
    """Draw what a bundle looks at over the part of PICTURE that it sees.

    Of a vision transformer the last block's [CLS] attention, a map for each head; of a ResNet with prototypes where the
    six that respond most (in a video: to its first frame) do so, each map from its least to its largest.
    PICTURE is a picture; or a video: a folder of frames in the order of their names, or an animated GIF or WebP.
    """
    _check(out)
    models = [bundles.load(name) for name in names]
    film = _film(picture, max(models, key=lambda bundle: bundle.at_least))
    frames = iter(film)
    first = next(frames)
    views = [View(model.name, attention_source(Embedder(model), first.pixels, head)) for model in models]
    every = watched(chain([first], frames), len(film), "frames")
    count = _save([_compare(frame, views, head is not None, mass) for frame in every], out)
    shown = views[0].attention_source
    report = {"out": str(out), "frames": count, "heads": len(shown.names), "grid": list(shown.grid)}
    report["maps"] = list(shown.names)
    if len(names) > 1:
        report["bundles"] = [view.name for view in views]
    click.echo(json.dumps(report) if as_json else f"{out}: {count} frame(s); {', '.join(shown.names)}")


@dataclass(frozen=True)
class View:
    """A bundle's name and how it looks at pictures."""

    name: str
    attention_source: AttentionSource


@dataclass(frozen=True)
class Frame:
    """What the model is given, and what is drawn upon."""

    pixels: Image.Image
    canvas: Image.Image


class Animation:
    """The frames of an animated GIF or WebP."""

    def __init__(self, source: Path, model: Bundle) -> None:
        local.read(source, model)  # within the limits, or a clear error
        self._source = source
        with Image.open(source) as animation:
            self._count = int(getattr(animation, "n_frames", 1))

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Frame]:
        with Image.open(self._source) as animation:
            for frame in ImageSequence.Iterator(animation):
                picture = frame.convert("RGB")
                yield Frame(picture, picture)


class Stills:
    """A picture, or the pictures of a folder in the order of their names."""

    def __init__(self, source: Path, model: Bundle) -> None:
        self._files, self._model = local.files([source]), model

    def __len__(self) -> int:
        return len(self._files)

    def __iter__(self) -> Iterator[Frame]:
        for file in self._files:
            yield Frame(local.read(file, self._model).pixels, local.whole(file))


def _film(source: Path, model: Bundle) -> Animation | Stills:
    kind = source.suffix.lower()
    if kind in FILMS:
        raise InvalidArgument(
            f"got {source}, and there is no decoder of {kind} among the dependencies; unpack it first, by "
            f"`ffmpeg -i {source.name} frames/%05d.jpg`, say, and give the folder of frames"
        )
    return Animation(source, model) if kind in ANIMATED else Stills(source, model)


def _compare(frame: Frame, views: Sequence[View], large: bool, mass: float) -> Image.Image:
    """The frame's drawing by each bundle, under the bundle's name if there are several."""
    drawn = [_draw(frame, view.attention_source, large, mass) for view in views]
    return drawn[0] if len(drawn) == 1 else drawing.stack(drawn, [view.name for view in views])


def _draw(frame: Frame, source: AttentionSource, large: bool, mass: float) -> Image.Image:
    maps, canvas = source.of(frame.pixels), source.part(frame.canvas)
    return drawing.heat(canvas, maps[0]) if large else drawing.sheet(canvas, maps, mass, names=source.names)


def _check(out: Path) -> None:
    if out.suffix.lower() not in Image.registered_extensions():
        raise InvalidArgument(f"got the name {out}; a picture is a .png or .jpg, a video a .webp or .gif")
    out.parent.mkdir(parents=True, exist_ok=True)


def _save(drawn: Sequence[Image.Image], out: Path) -> int:
    if len(drawn) > 1:
        if out.suffix.lower() not in ANIMATED:
            raise InvalidArgument(f"got {len(drawn)} frames and the name {out}; a video needs .webp or .gif")
        if len(sizes := {picture.size for picture in drawn}) > 1:
            raise InvalidArgument(f"got frames of {len(sizes)} shapes; the frames of one video have one")
        drawn[0].save(out, save_all=True, append_images=drawn[1:], duration=MILLISECONDS, loop=0)
    else:
        drawn[0].save(out)
    return len(drawn)
