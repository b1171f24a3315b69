"""Turn pictures into the network's input, as the bundle's preprocessing data describes."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

Float = npt.NDArray[np.float32]
Size = int | tuple[int, int]
"""Side of a square in pixels, or height and width."""
RESAMPLING = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}


@dataclass(frozen=True)
class Preprocess:
    """How a picture becomes a (3, height, width) tensor of ``size``; stored in the bundle.

    ``shortest``: resize the shortest side to ``resize_to`` pixels, then take the central ``size`` x ``size`` square.
    For a rectangle: resize the picture so that it just covers ``resize_to``, then take the central rectangle.
    ``squash``: resize the whole picture to ``resize_to`` x ``resize_to``; the aspect ratio changes. Nothing is cut away
    if that is ``size``; else the central part of that size is taken.
    ``mean`` and ``std`` are for channel values in 0..1, in RGB order.
    """

    size: Size
    resize: Literal["shortest", "squash"]
    resize_to: Size
    interpolation: Literal["bicubic", "bilinear"]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    @property
    def at_least(self) -> int:
        """Minimum shortest side, in pixels, of a scaled decode, so that the picture is not enlarged afterwards."""
        return max(*sides(self.size), *sides(self.resize_to))

    @property
    def height(self) -> int:
        """Height of the tensor in pixels."""
        return sides(self.size)[0]

    @property
    def width(self) -> int:
        """Width of the tensor in pixels."""
        return sides(self.size)[1]

    def to_json(self) -> dict[str, Any]:
        """Return plain data for ``bundle.json``."""
        return {**asdict(self), "mean": list(self.mean), "std": list(self.std), "colour_order": "RGB"}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Preprocess":
        """Read data from ``to_json``. Raises ``KeyError``, ``TypeError`` or ``ValueError`` on other data."""
        if data["colour_order"] != "RGB" or data["resize"] not in {"shortest", "squash"}:
            raise ValueError(f"unknown colour order or resize rule in {dict(data)}")
        if data["interpolation"] not in RESAMPLING:
            raise ValueError(f"unknown interpolation {data['interpolation']!r}")
        return cls(
            size=_size(data["size"]),
            resize=data["resize"],
            resize_to=_size(data["resize_to"]),
            interpolation=data["interpolation"],
            mean=_three(data["mean"]),
            std=_three(data["std"]),
        )


def to_batch(pictures: Sequence[Image.Image], preprocess: Preprocess) -> Float:
    """Convert RGB pictures of any sizes to (B, 3, height, width) float32, normalised by mean and standard deviation."""
    batch = np.empty((len(pictures), 3, preprocess.height, preprocess.width), np.float32)
    for row, picture in zip(batch, pictures, strict=True):
        _fill(row, picture, preprocess)
    return batch


def to_tensor(picture: Image.Image, preprocess: Preprocess) -> Float:
    """Convert one RGB picture to (3, height, width) float32."""
    tensor: Float = to_batch([picture], preprocess)[0]
    return tensor


def _fill(out: Float, picture: Image.Image, preprocess: Preprocess) -> None:
    # One resize from the crop box: half the work of resize-then-crop, and the intermediate size is not rounded.
    part = picture.resize(
        (preprocess.width, preprocess.height),
        RESAMPLING[preprocess.interpolation],
        box=crop_box(picture.width, picture.height, preprocess),
        reducing_gap=2.0,
    )
    mean = np.asarray(preprocess.mean, np.float32)[:, None, None]
    std = np.asarray(preprocess.std, np.float32)[:, None, None]
    planes = np.asarray(part).transpose(2, 0, 1)
    np.multiply(planes, np.float32(1 / 255) / std, out=out)  # fused: 0.06 ms; the naive form takes 0.38 ms
    out -= mean / std


def crop_box(width: int, height: int, preprocess: Preprocess) -> tuple[float, float, float, float]:
    """The part of a picture that the network processes: (left, top, right, bottom) in pixels. Maps cover this part."""
    (high, wide), (rows, columns) = sides(preprocess.size), sides(preprocess.resize_to)
    if preprocess.resize == "squash":
        across, down = width * wide / columns, height * high / rows
    else:
        # The largest part of the shape of ``resize_to`` that fits into the picture; a square of the shortest side.
        covered = min(width, height * columns / rows), min(height, width * rows / columns)
        across, down = covered[0] * wide / columns, covered[1] * high / rows
    left, top = (width - across) / 2, (height - down) / 2
    return (left, top, left + across, top + down)


def sides(size: Size) -> tuple[int, int]:
    """Height and width of a size."""
    return (size, size) if isinstance(size, int) else size


def in_words(size: Size) -> str:
    """A size for a message: 224, or 224 x 160 (height and width)."""
    return str(size) if isinstance(size, int) else f"{size[0]} x {size[1]}"


def scaled(size: Size, factor: float) -> Size:
    """A size times ``factor``, rounded."""
    if isinstance(size, int):
        return round(size * factor)
    return round(size[0] * factor), round(size[1] * factor)


def _size(value: object) -> Size:
    """A size from JSON: a number, or a list of height and width."""
    if isinstance(value, list | tuple):
        height, width = (int(side) for side in value)
        return height, width
    return int(value)  # type: ignore[call-overload, no-any-return]


def _three(values: Sequence[float]) -> tuple[float, float, float]:
    red, green, blue = (float(value) for value in values)
    return (red, green, blue)
