"""Crop and resize a batch of pictures of different sizes, antialiased as in Pillow, on the device that trains."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

Ints = npt.NDArray[np.int64]


def crop_resize(
    pictures: Sequence[Tensor],
    boxes: Ints,
    size: int,
    interpolation: str,
    device: torch.device,
    flip: npt.NDArray[np.bool_] | None = None,
) -> Tensor:
    """B pictures (height, width, 3) uint8, boxes (V, B, 4) to (V * B, 3, size, size) float32 in 0..1, view-major.

    The filter (``bicubic`` or ``bilinear``) sees the crop only, as when Pillow crops first and resizes then. ``flip``
    (V, B): which crops are mirrored.
    """
    if flip is None:
        flip = np.zeros(boxes.shape[:2], np.bool_)
    if device.type == "cpu":
        return by_kernel(pictures, boxes, size, interpolation, flip)
    return by_matrices(pictures, boxes, size, interpolation, device, flip)


def by_kernel(
    pictures: Sequence[Tensor], boxes: Ints, size: int, interpolation: str, flip: npt.NDArray[np.bool_]
) -> Tensor:
    """On a CPU: torch's vectorised uint8 kernel, crop by crop; it rounds to 8 bits as Pillow does."""
    views, count = boxes.shape[:2]
    out = torch.empty(views * count, 3, size, size)
    planes = [picture.permute(2, 0, 1)[None] for picture in pictures]
    places = zip(boxes.reshape(-1, 4).tolist(), flip.reshape(-1).tolist(), strict=True)
    for row, ((top, left, height, width), mirrored) in enumerate(places):
        crop = planes[row % count][..., top : top + height, left : left + width]
        small = F.interpolate(crop, (size, size), mode=interpolation, antialias=True)[0]
        torch.mul(small.flip(-1) if mirrored else small, 1 / 255, out=out[row])
    return out


def by_matrices(
    pictures: Sequence[Tensor],
    boxes: Ints,
    size: int,
    interpolation: str,
    device: torch.device,
    flip: npt.NDArray[np.bool_],
) -> Tensor:
    """On a GPU: a crop is one matrix product a side, so that a batch is two products; not rounded, cut to 0..1."""
    padded = _padded(pictures).to(device).permute(0, 3, 1, 2).float().div_(255)
    places = torch.from_numpy(boxes).to(device, torch.float32)
    rows = _weights(places[..., 0], places[..., 2], size, padded.shape[2], interpolation)
    columns = _weights(places[..., 1], places[..., 3], size, padded.shape[3], interpolation)
    mirrored = torch.from_numpy(flip).to(device)[..., None, None]
    columns = torch.where(mirrored, columns.flip(-2), columns)
    # Pillow works along rows first, and cuts what the bicubic filter overshoots after either pass.
    narrow = (padded[None] @ columns[:, :, None].transpose(-1, -2)).clamp_(0, 1)
    return (rows[:, :, None] @ narrow).clamp_(0, 1).flatten(0, 1)


def _padded(pictures: Sequence[Tensor]) -> Tensor:
    height, width = (max(picture.shape[axis] for picture in pictures) for axis in (0, 1))
    out = torch.zeros(len(pictures), height, width, 3, dtype=torch.uint8)
    for row, picture in zip(out, pictures, strict=True):
        row[: picture.shape[0], : picture.shape[1]] = picture
    return out


def _weights(start: Tensor, length: Tensor, size: int, pixels: int, interpolation: str) -> Tensor:
    """Share of every input pixel in every output pixel along one side: starts (V, B) to (V, B, size, pixels)."""
    scale = (length / size)[..., None, None]
    middle = start[..., None, None] + (torch.arange(size, device=start.device)[:, None] + 0.5) * scale
    pixel = torch.arange(pixels, device=start.device)
    weight = _FILTERS[interpolation]((pixel + 0.5 - middle) / scale.clamp(min=1))
    inside = (pixel >= start[..., None, None]) & (pixel < (start + length)[..., None, None])
    weight = weight * inside
    return weight / weight.sum(dim=-1, keepdim=True)


def _triangle(x: Tensor) -> Tensor:
    return (1 - x.abs()).clamp(min=0)


def _cubic(x: Tensor) -> Tensor:
    """Keys 1981 with a = -.5, as in Pillow; without antialias torch has -.75."""
    x = x.abs()
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return torch.where(x < 1, near, torch.where(x < 2, far, torch.zeros_like(x)))


_FILTERS = {"bicubic": _cubic, "bilinear": _triangle}
