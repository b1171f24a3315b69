"""The frames that the command ``attention`` draws over: a picture, a folder of pictures, an animation, a video file."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import Protocol

from PIL import Image, ImageSequence

from cli import local
from copysight.model.bundle import Bundle
from copysight.pictures import video
from copysight.pictures.scan import limits_of_environment
from copysight.pictures.video import RATE, Video

ANIMATIONS = (".webp", ".gif")


@dataclass(frozen=True)
class Frame:
    """``pixels`` are the model's input; the maps are drawn over ``canvas``."""

    pixels: Image.Image
    canvas: Image.Image


class Frames(Protocol):
    """Frames in order, ``rate`` of them a second. The length is 0 if it is not known."""

    @property
    def rate(self) -> Fraction:
        """Frames a second."""
        ...

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Frame]: ...


def opened(source: Path, model: Bundle, step: int) -> Frames:
    """Every ``step``-th frame of a source. A single picture is one frame.

    Raises ``InvalidArgument`` for a video file without PyAV, a ``PictureError`` for a file that cannot be read.
    """
    suffix = source.suffix.lower()
    if source.is_file() and suffix in video.READ:
        return Film(video.opened(source, limits_of_environment(os.environ).max_pixels, step))
    return Animation(source, model, step) if suffix in ANIMATIONS else Stills(source, model, step)


class Film:
    """The frames of a video file."""

    def __init__(self, film: Video) -> None:
        self._film = film

    @property
    def rate(self) -> Fraction:
        """Frames a second, of those that are read."""
        return self._film.rate / self._film.step

    def __len__(self) -> int:
        return len(self._film)

    def __iter__(self) -> Iterator[Frame]:
        for picture in self._film:
            yield Frame(picture, picture)


class Animation:
    """The frames of an animated GIF or WebP."""

    rate = RATE

    def __init__(self, source: Path, model: Bundle, step: int) -> None:
        local.read(source, model)  # raises a clear error if the file exceeds a limit
        self._source, self._step = source, step
        with Image.open(source) as animation:
            self._count = int(getattr(animation, "n_frames", 1))

    def __len__(self) -> int:
        return ceil(self._count / self._step)

    def __iter__(self) -> Iterator[Frame]:
        with Image.open(self._source) as animation:
            for number, frame in enumerate(ImageSequence.Iterator(animation)):
                if number % self._step == 0:
                    picture = frame.convert("RGB")
                    yield Frame(picture, picture)


class Stills:
    """A picture, or the pictures of a folder in the order of their names."""

    rate = RATE

    def __init__(self, source: Path, model: Bundle, step: int) -> None:
        self._files, self._model = local.files([source])[::step], model

    def __len__(self) -> int:
        return len(self._files)

    def __iter__(self) -> Iterator[Frame]:
        for file in self._files:
            yield Frame(local.read(file, self._model).pixels, local.full_size(file))
