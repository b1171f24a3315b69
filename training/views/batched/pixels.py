"""Edits that change pixels in place, on padded batches (N, 3, H, W) of RGB in 0..1.

``sizes`` (N, 2): height and width of each picture in its padded array. What lies beyond is never read.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from training.views import colour
from training.views.batched import resizing
from training.views.batched.planned import GREY, TINTED, Colour, Matrix, Stripes

TINT = ((0, 0, 0), (120, 95, 70), (255, 235, 200))
MIDDLE = 127 / 255
"""Colours of a tinted picture at black, at level 127 and at white, as ``degrade.grey`` has them."""


def coloured(pixels: Tensor, matrices: Sequence[Matrix]) -> Tensor:
    """Change colours by matrices (3, 4) of levels."""
    matrix = torch.from_numpy(np.stack(matrices)).to(pixels)
    out = torch.einsum("nij,njhw->nihw", matrix[:, :, :3], pixels)
    return (out + matrix[:, :, 3, None, None] / 255).clamp_(0, 1)


def grey(pixels: Tensor, kinds: Sequence[int]) -> Tensor:
    """Remove the colour, or tint."""
    plain = colour.luma(pixels).expand(-1, 3, -1, -1)
    low, middle, high = (pixels.new_tensor(one).view(1, 3, 1, 1) / 255 for one in TINT)
    dark = low + plain / MIDDLE * (middle - low)
    light = middle + (plain - MIDDLE) / (1 - MIDDLE) * (high - middle)
    kind = torch.tensor(kinds, device=pixels.device).view(-1, 1, 1, 1)
    tinted = torch.where(plain < MIDDLE, dark, light)
    return torch.where(kind == TINTED, tinted, torch.where(kind == GREY, plain, pixels))


def striped(pixels: Tensor, stripes: Sequence[Stripes]) -> Tensor:
    """Draw bars."""
    height, width = pixels.shape[2:]
    rows, columns = np.zeros((len(stripes), height), bool), np.zeros((len(stripes), width), bool)
    for number, one in enumerate(stripes):
        for start in one.starts:
            (columns if one.upright else rows)[number, start : start + one.thick] = True
    down, across = (torch.from_numpy(one).to(pixels.device) for one in (rows, columns))
    covered = (down[:, :, None] | across[:, None, :])[:, None]
    return torch.where(covered, fills([one.fill for one in stripes], pixels), pixels)


def fills(colours: Sequence[Colour], like: Tensor) -> Tensor:
    """Colours in levels as (N, 3, 1, 1) in 0..1."""
    return like.new_tensor(colours).view(-1, 3, 1, 1) / 255


def blurred(pixels: Tensor, sizes: Tensor, radius: npt.NDArray[np.float64]) -> Tensor:
    """Pillow's Gaussian blur: three box filters in a row, with repeated borders; ``radius`` (N,) in pixels."""
    windows = torch.from_numpy(colour.box_windows(radius)).to(pixels)
    down, across = (_one_pass(windows, sizes[:, axis], side)[:, None] for axis, side in enumerate(pixels.shape[2:]))
    for _ in range(colour.PASSES):
        pixels = pixels @ across.transpose(-1, -2)
    for _ in range(colour.PASSES):
        pixels = down @ pixels
    return pixels


def _one_pass(windows: Tensor, length: Tensor, size: int) -> Tensor:
    """One box filter as matrices (N, size, size), for windows (N, taps) and sides of ``length`` (N,)."""
    taps = windows.shape[1]
    place, step = (torch.arange(count, device=windows.device) for count in (size, taps))
    source = (place[:, None] + step - taps // 2).clamp(min=0).expand(len(windows), size, taps)
    source = torch.minimum(source, (length - 1)[:, None, None])
    single = windows.new_zeros(len(windows), size, size)
    return single.scatter_add_(2, source, windows[:, None].expand(len(windows), size, taps).contiguous())


def pixelated(pixels: Tensor, sizes: Tensor, squares: Tensor) -> Tensor:
    """Replace pixels by ``squares`` (N, 2: down, across) squares of their mean colour."""
    shape = tuple(int(side) for side in squares.amax(dim=0))
    small = resizing.resize(pixels, sizes, squares, (shape[0], shape[1]), "box").permute(0, 2, 3, 1)
    scale = (squares.double() / sizes).cpu().numpy()
    down, across = (
        torch.from_numpy(_nearest(scale[:, axis], side).clip(max=shape[axis] - 1)).to(pixels.device)
        for axis, side in enumerate(pixels.shape[2:])
    )
    rows = torch.arange(len(pixels), device=pixels.device)[:, None, None]
    return small[rows, down[:, :, None], across[:, None, :]].permute(0, 3, 1, 2)


def _nearest(scale: npt.NDArray[np.float64], size: int) -> npt.NDArray[np.int64]:
    """Square of each pixel of a side, (N, size). Pillow adds up the steps, which decides where a border is a tie."""
    steps = np.repeat(scale[:, None], size, axis=1)
    steps[:, 0] /= 2
    return np.cumsum(steps, axis=1).astype(np.int64)


def noisy(picture: Tensor, deviation: float, seed: int) -> Tensor:
    """Add Gaussian noise with a standard deviation in levels to one picture (3, height, width)."""
    generator = torch.Generator(picture.device).manual_seed(seed)
    grain = torch.randn(picture.shape, generator=generator, device=picture.device)
    return (picture + grain * (deviation / 255)).clamp_(0, 1)
