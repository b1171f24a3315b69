"""Resize pictures of different sizes to different sizes together, antialiased as in Pillow."""

from collections.abc import Sequence

import torch
from torch import Tensor

from training.views.resample import FILTERS


def stacked(pictures: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Pictures (height, width, 3) uint8 to padded pixels (N, 3, H, W) in 0..1, and their sizes (N, 2)."""
    sizes = [picture.shape[:2] for picture in pictures]
    height, width = (max(size[axis] for size in sizes) for axis in (0, 1))
    out = torch.zeros(len(pictures), height, width, 3, dtype=torch.uint8, device=pictures[0].device)
    for row, picture in zip(out, pictures, strict=True):
        row[: picture.shape[0], : picture.shape[1]] = picture
    return out.permute(0, 3, 1, 2).float().div_(255), torch.tensor(sizes, device=out.device)


def resize(pixels: Tensor, sizes: Tensor, targets: Tensor, shape: tuple[int, int], interpolation: str) -> Tensor:
    """Pictures (N, 3, H, W) of ``sizes`` (N, 2: height, width) to ``targets`` (N, 2), padded to ``shape`` with zeros.

    Each side is one matrix product, the columns first, and values are clamped to 0..1 after each, as in Pillow.
    """
    rows = weights(sizes[:, 0], targets[:, 0], shape[0], pixels.shape[2], interpolation)
    columns = weights(sizes[:, 1], targets[:, 1], shape[1], pixels.shape[3], interpolation)
    narrow = (pixels @ columns[:, None].transpose(-1, -2)).clamp_(0, 1)
    return (rows[:, None] @ narrow).clamp_(0, 1)


def weights(length: Tensor, target: Tensor, size: int, pixels: int, interpolation: str) -> Tensor:
    """Weight of every input pixel in every output pixel along one side: lengths (N,) to (N, size, pixels).

    Outputs beyond a row's ``target`` (N,) are 0.
    """
    scale = (length / target)[:, None, None]
    place = torch.arange(size, device=length.device)[:, None]
    pixel = torch.arange(pixels, device=length.device)
    weight = FILTERS[interpolation]((pixel + 0.5 - (place + 0.5) * scale) / scale.clamp(min=1))
    weight = weight * ((pixel < length[:, None, None]) & (place < target[:, None, None]))
    return weight / weight.sum(dim=-1, keepdim=True).clamp(min=1e-6)
