"""Colour augmentations on batches (N, 3, H, W) of float RGB in 0..1, in place, equal to Pillow's and torchvision's.

Values are not rounded to 8 bits. Used on a GPU; on a CPU ``compiled`` does the same for one crop at a time.
"""

from collections.abc import Iterator
from itertools import permutations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Ints = npt.NDArray[np.int64]
LUMA = (0.299, 0.587, 0.114)
ORDERS = tuple(permutations(range(4)))
"""The 24 orders of the four colour operations."""
SOLARISE_THRESHOLD = 127.5 / 255
PASSES = 3
"""Box filters in a row that approximate a Gaussian blur."""


def luma(x: Tensor) -> Tensor:
    """ITU-R 601 luma, (N, 1, H, W)."""
    return (x[:, 0:1] * LUMA[0]).add_(x[:, 1:2], alpha=LUMA[1]).add_(x[:, 2:3], alpha=LUMA[2])


def jitter(x: Tensor, order: Ints, factors: npt.NDArray[np.float64]) -> None:
    """Change brightness, contrast, saturation and hue, in one of 24 orders for each picture; -1 means no change.

    ``order`` (N,): index into ``ORDERS``. ``factors`` (N, 4): three factors around 1, and a hue shift in turns
    (-0.5 to 0.5).
    """
    for kind in np.unique(order[order >= 0]).tolist():
        for rows, part in _rows_in_place(x, np.flatnonzero(order == kind)):
            values = torch.from_numpy(factors[rows]).to(x).t()[..., None, None, None]
            for step in ORDERS[kind]:
                OPERATIONS[step](part, values[step])


def grey(x: Tensor, rows: Ints) -> None:
    """Convert the pictures ``rows`` to grey."""
    for _, part in _rows_in_place(x, rows):
        part.copy_(luma(part).expand(-1, 3, -1, -1))


def brightness(x: Tensor, factor: Tensor) -> Tensor:
    """Blend with black; ``factor`` (N, 1, 1, 1)."""
    return x.mul_(factor).clamp_(0, 1)


def contrast(x: Tensor, factor: Tensor) -> Tensor:
    """Blend with the mean luma of the picture."""
    mean = luma(x.mean(dim=(2, 3), keepdim=True))
    return x.mul_(factor).add_(mean * (1 - factor)).clamp_(0, 1)


def saturation(x: Tensor, factor: Tensor) -> Tensor:
    """Blend with the grey picture."""
    grey = luma(x).mul_(1 - factor)
    return x.mul_(factor).add_(grey).clamp_(0, 1)


def hue(x: Tensor, shift: Tensor) -> Tensor:
    """Rotate the hue by ``shift`` turns in HSV; saturation and value stay."""
    red, green, blue = x.unbind(1)
    value = torch.maximum(torch.maximum(red, green), blue)
    low = torch.minimum(torch.minimum(red, green), blue)
    chroma = value - low
    scale = chroma.clamp(min=1e-8).reciprocal_()
    not_red, not_green = (value - red).sign_(), (value - green).sign_()
    sector = torch.lerp(blue - red, red - green, not_green).mul_(scale).add_(not_green, alpha=2).add_(2)
    sector = torch.lerp((green - blue).mul_(scale), sector, not_red).add_(shift.view(-1, 1, 1), alpha=6)
    sector.sub_((sector * (1 / 6)).floor_(), alpha=6)
    # Smith 1978 in closed form: with h in 0..6, red is low + chroma * (|h - 3| - 1), and green and blue are
    # value - chroma * (|h - 2| - 1) and value - chroma * (|h - 4| - 1), the brackets clamped to 0..1.
    for channel, (start, sign, centre) in enumerate(((low, 1, 3), (value, -1, 2), (value, -1, 4))):
        share = (sector - centre).abs_().sub_(1).clamp_(0, 1)
        torch.addcmul(start, share, chroma, value=sign, out=x[:, channel])
    return x


OPERATIONS = (brightness, contrast, saturation, hue)


def blur(x: Tensor, radius: npt.NDArray[np.float64]) -> None:
    """Pillow's Gaussian blur with standard deviation ``radius`` (N,) in pixels, in place; 0 means no blur.

    It is three box filters in a row, each with repeated borders. Together they are one matrix for each side.
    """
    for rows, part in _rows_in_place(x, np.flatnonzero(radius > 0)):
        windows = torch.from_numpy(box_windows(radius[rows])).to(x)
        down, across = (
            torch.linalg.matrix_power(_one_pass_matrices(windows, side), PASSES)[:, None] for side in x.shape[-2:]
        )
        part.copy_(down @ part @ across.transpose(-1, -2))


def _one_pass_matrices(windows: Tensor, size: int) -> Tensor:
    """One box filter as matrices: windows (N, taps) to (N, size, size)."""
    taps = windows.shape[1]
    pixels, steps = (torch.arange(count, device=windows.device) for count in (size, taps))
    source = (pixels[:, None] + steps - taps // 2).clamp_(0, size - 1)
    shape = (len(windows), size, taps)
    single = windows.new_zeros(len(windows), size, size)
    return single.scatter_add_(2, source.expand(shape), windows[:, None].expand(shape))


def solarise(x: Tensor, rows: Ints) -> None:
    """Invert values of 128/255 and above in the pictures ``rows``."""
    for _, part in _rows_in_place(x, rows):
        part.copy_(torch.where(part >= SOLARISE_THRESHOLD, 1 - part, part))


def box_windows(radius: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Box windows (N, taps) with an odd number of taps; three filters in a row have standard deviation ``radius`` (N,).

    A box of half-width l + a gives weight a to its two outermost pixels (Gwosdek et al. 2011, section 2).
    """
    variance = radius**2 / PASSES
    whole = np.floor((np.sqrt(12 * variance + 1) - 1) / 2)
    part = (2 * whole + 1) * (whole * (whole + 1) - 3 * variance) / (6 * (variance - (whole + 1) ** 2))
    reach = int(whole.max()) + 1
    distance = np.abs(np.arange(-reach, reach + 1))
    weights = np.where(distance <= whole[:, None], 1.0, 0.0)
    weights += np.where(distance == whole[:, None] + 1, part[:, None], 0.0)
    normalised: npt.NDArray[np.float64] = weights / weights.sum(axis=1, keepdims=True)
    return normalised


def _rows_in_place(x: Tensor, rows: Ints) -> Iterator[tuple[Ints, Tensor]]:
    """Yield ``rows`` and a copy of those pictures of ``x``; the copy is written back afterwards."""
    if not len(rows):
        return
    index = torch.from_numpy(rows).to(x.device)
    part = x[index]
    yield rows, part
    x[index] = part
