"""The command ``attention``: draw a model's attention maps over a local picture or the frames of a video."""

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
from copysight.model.attention_source import AttentionSource, attention_source, object_source
from copysight.model.bundle import Bundle
from copysight.model.embedder import Embedder
from copysight.system.numbers import Real
from copysight.system.progress import with_progress

FRAME_MILLISECONDS = 80
ANIMATIONS = (".webp", ".gif")
VIDEOS = (".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mpg")


@click.command()
@click.argument("picture", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="File to write: .png or .jpg for a picture, .webp or .gif for a video.",
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
    type=click.Choice(["heads", "objects"]),
    default="heads",
    show_default=True,
    help="Draw the attention heads (or prototypes), or the object that TokenCut finds by the patches of any size.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def attention(
    picture: Path, out: Path, names: Sequence[str], head: int | None, mass: float, method: str, as_json: bool
) -> None:
    """Draw a model's attention over PICTURE.

    For a vision transformer, each map is the [CLS] attention of one head of the last block. For a ResNet with
    prototypes, each map is the response of one prototype, scaled from its smallest to its largest value; the six
    prototypes with the strongest response are drawn (in a video, to its first frame). Only the part of the picture that
    the model receives is drawn.

    With `--method objects`, the one map is the object of the whole picture, and its mask is the whole object.

    PICTURE is a picture or a video. A video is a folder of frames, in the order of their names, or an animated GIF or
    WebP.
    """
    if method == "objects" and head is not None:
        raise click.UsageError("--head is for attention heads and prototypes; leave it out with --method objects")
    _check_name(out)
    models = [bundles.load(name) for name in names]
    source = _open(picture, max(models, key=lambda bundle: bundle.at_least))
    frames = iter(source)
    first = next(frames)
    maps = [BundleAttention(model.name, _source(Embedder(model), first.pixels, head, method)) for model in models]
    mass = mass if method == "heads" else 1.0
    every = with_progress(chain([first], frames), len(source), "frames")
    count = _save([_draw_all(frame, maps, head is not None, mass) for frame in every], out)
    shown = maps[0].source
    report = {"out": str(out), "frames": count, "heads": len(shown.names), "grid": list(shown.grid)}
    report["maps"] = list(shown.names)
    if len(names) > 1:
        report["bundles"] = [one.name for one in maps]
    click.echo(json.dumps(report) if as_json else f"{out}: {count} frame(s); {', '.join(shown.names)}")


def _source(embedder: Embedder, first: Image.Image, head: int | None, method: str) -> AttentionSource:
    return object_source(embedder, first) if method == "objects" else attention_source(embedder, first, head)


@dataclass(frozen=True)
class BundleAttention:
    """A bundle's name and the source of its attention maps."""

    name: str
    source: AttentionSource


@dataclass(frozen=True)
class Frame:
    """``pixels`` are the model's input; the maps are drawn over ``canvas``."""

    pixels: Image.Image
    canvas: Image.Image


class Animation:
    """The frames of an animated GIF or WebP."""

    def __init__(self, source: Path, model: Bundle) -> None:
        local.read(source, model)  # raises a clear error if the file exceeds a limit
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
            yield Frame(local.read(file, self._model).pixels, local.full_size(file))


def _open(source: Path, model: Bundle) -> Animation | Stills:
    suffix = source.suffix.lower()
    if suffix in VIDEOS:
        raise InvalidArgument(
            f"got {source}, and Copysight cannot decode {suffix} files; extract the frames first, for example with "
            f"`ffmpeg -i {source.name} frames/%05d.jpg`, and give the folder of frames"
        )
    return Animation(source, model) if suffix in ANIMATIONS else Stills(source, model)


def _draw_all(frame: Frame, maps: Sequence[BundleAttention], large: bool, mass: float) -> Image.Image:
    """Draw the frame once for each bundle. Several drawings are stacked, each under its bundle's name."""
    drawn = [_draw(frame, one.source, large, mass) for one in maps]
    return drawn[0] if len(drawn) == 1 else drawing.stack(drawn, [one.name for one in maps])


def _draw(frame: Frame, source: AttentionSource, large: bool, mass: float) -> Image.Image:
    maps, canvas = source.maps(frame.pixels), source.crop(frame.canvas)
    return drawing.heatmap(canvas, maps[0]) if large else drawing.sheet(canvas, maps, mass, names=source.names)


def _check_name(out: Path) -> None:
    if out.suffix.lower() not in Image.registered_extensions():
        raise InvalidArgument(
            f"got the file name {out}; needed is .png or .jpg for a picture, .webp or .gif for a video"
        )
    out.parent.mkdir(parents=True, exist_ok=True)


def _save(drawn: Sequence[Image.Image], out: Path) -> int:
    if len(drawn) > 1:
        if out.suffix.lower() not in ANIMATIONS:
            raise InvalidArgument(f"got {len(drawn)} frames and the file name {out}; a video needs .webp or .gif")
        if len(sizes := {picture.size for picture in drawn}) > 1:
            raise InvalidArgument(f"got frames of {len(sizes)} shapes; all frames of a video must have the same shape")
        drawn[0].save(out, save_all=True, append_images=drawn[1:], duration=FRAME_MILLISECONDS, loop=0)
    else:
        drawn[0].save(out)
    return len(drawn)
