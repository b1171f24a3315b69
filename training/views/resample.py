"""Crop and resize pictures of different sizes, antialiased as in Pillow, on CPU or GPU."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from copysight.pictures.preprocess import Size, sides

Ints = npt.NDArray[np.int64]
Pixels = npt.NDArray[np.uint8]


def crop(picture: Tensor, box: Sequence[int], size: Size, interpolation: str) -> Pixels:
    """On a CPU: crop ``picture`` (height, width, 3) uint8 to ``box`` and resize it to ``size``: (H, W, 3) uint8.

    ``box``: top, left, height, width in pixels. ``interpolation``: ``bicubic`` or ``bilinear``. The filter uses only
    pixels of the crop, as if Pillow first crops and then resizes. The result is rounded to 8 bits, as in Pillow.
    """
    top, left, height, width = box
    cropped = picture.permute(2, 0, 1)[None, :, top : top + height, left : left + width]
    resized = F.interpolate(cropped, sides(size), mode=interpolation, antialias=True)[0]
    return np.ascontiguousarray(resized.permute(1, 2, 0).numpy())


def crop_resize(
    pictures: Sequence[Tensor],
    boxes: Ints,
    size: Size,
    interpolation: str,
    device: torch.device,
    flip: npt.NDArray[np.bool_] | None = None,
) -> Tensor:
    """On any device: crop and resize B pictures (height, width, 3) uint8 to (V * B, 3, *size) float32, view-major.

    ``boxes`` (V, B, 4): top, left, height, width in pixels. ``flip`` (V, B): which crops are mirrored. Resizing is one
    matrix product per side, so a batch needs two products. Values are clamped to 0..1 and not rounded. The filter uses
    only pixels of the crop.
    """
    padded = _padded(pictures).to(device).permute(0, 3, 1, 2).float().div_(255)
    places = torch.from_numpy(boxes).to(device, torch.float32)
    down, across = sides(size)
    rows = _weights(places[..., 0], places[..., 2], down, padded.shape[2], interpolation)
    columns = _weights(places[..., 1], places[..., 3], across, padded.shape[3], interpolation)
    if flip is not None:
        columns = torch.where(torch.from_numpy(flip).to(device)[..., None, None], columns.flip(-2), columns)
    # Pillow resizes along rows first, and clamps the overshoot of the bicubic filter after each pass.
    narrow = (padded[None] @ columns[:, :, None].transpose(-1, -2)).clamp_(0, 1)
    return (rows[:, :, None] @ narrow).clamp_(0, 1).flatten(0, 1)


def _padded(pictures: Sequence[Tensor]) -> Tensor:
    height, width = (max(picture.shape[axis] for picture in pictures) for axis in (0, 1))
    out = torch.zeros(len(pictures), height, width, 3, dtype=torch.uint8, device=pictures[0].device)
    for row, picture in zip(out, pictures, strict=True):
        row[: picture.shape[0], : picture.shape[1]] = picture
    return out


def _weights(start: Tensor, length: Tensor, size: int, pixels: int, interpolation: str) -> Tensor:
    """Weight of every input pixel in every output pixel along one side: (V, B) to (V, B, size, pixels)."""
    scale = (length / size)[..., None, None]
    middle = start[..., None, None] + (torch.arange(size, device=start.device)[:, None] + 0.5) * scale
    pixel = torch.arange(pixels, device=start.device)
    weight = FILTERS[interpolation]((pixel + 0.5 - middle) / scale.clamp(min=1))
    inside = (pixel >= start[..., None, None]) & (pixel < (start + length)[..., None, None])
    weight = weight * inside
    return weight / weight.sum(dim=-1, keepdim=True)


def _triangle(x: Tensor) -> Tensor:
    return (1 - x.abs()).clamp(min=0)


def _cubic(x: Tensor) -> Tensor:
    """Cubic kernel of Keys 1981 with a = -0.5, as in Pillow; torch uses -0.75 without antialias."""
    x = x.abs()
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return torch.where(x < 1, near, torch.where(x < 2, far, torch.zeros_like(x)))


def _box(x: Tensor) -> Tensor:
    return ((x > -0.5) & (x <= 0.5)).float()


FILTERS = {"bicubic": _cubic, "bilinear": _triangle, "box": _box}
"""Kernels of Pillow's antialiased resizing: distance in pixels of the coarser side to a weight."""
