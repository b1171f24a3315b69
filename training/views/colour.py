"""Colour operations on batches (N, 3, S, S) of float RGB in 0..1, in place: as Pillow and torchvision, unrounded.

For a GPU; on a CPU ``finishing`` does the same to one crop after the other.
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
THRESHOLD = 127.5 / 255
PASSES = 3


def luma(x: Tensor) -> Tensor:
    """ITU-R 601 luma, (N, 1, S, S)."""
    return (x[:, 0:1] * LUMA[0]).add_(x[:, 1:2], alpha=LUMA[1]).add_(x[:, 2:3], alpha=LUMA[2])


def jitter(x: Tensor, order: Ints, factors: npt.NDArray[np.float64]) -> None:
    """Brightness, contrast, saturation and hue, in one of 24 orders per picture; order -1 leaves a picture alone.

    ``order`` (N,), ``factors`` (N, 4): three factors around 1 and a hue shift in turns (-.5 to .5).
    """
    for kind in np.unique(order[order >= 0]).tolist():
        for rows, part in _chosen(x, np.flatnonzero(order == kind)):
            values = torch.from_numpy(factors[rows]).to(x).t()[..., None, None, None]
            for step in ORDERS[kind]:
                OPERATIONS[step](part, values[step])


def grey(x: Tensor, rows: Ints) -> None:
    """Pictures ``rows`` lose their colours."""
    for _, part in _chosen(x, rows):
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
    """Turn the hue by ``shift`` turns in HSV, keeping saturation and value."""
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
    # value - chroma * (|h - 2| - 1) and value - chroma * (|h - 4| - 1), the brackets cut to 0..1.
    for channel, (start, sign, centre) in enumerate(((low, 1, 3), (value, -1, 2), (value, -1, 4))):
        share = (sector - centre).abs_().sub_(1).clamp_(0, 1)
        torch.addcmul(start, share, chroma, value=sign, out=x[:, channel])
    return x


OPERATIONS = (brightness, contrast, saturation, hue)


def blur(x: Tensor, radius: npt.NDArray[np.float64]) -> None:
    """Pillow's Gaussian blur of standard deviation ``radius`` (N,) pixels, in place; 0 leaves a picture alone.

    Three box windows one after the other; each pass repeats the border. Together they are one matrix a side.
    """
    for rows, part in _chosen(x, np.flatnonzero(radius > 0)):
        single = _single(torch.from_numpy(box(radius[rows])).to(x), x.shape[-1])
        matrix = torch.linalg.matrix_power(single, PASSES)[:, None]
        part.copy_(matrix @ part @ matrix.transpose(-1, -2))


def _single(windows: Tensor, size: int) -> Tensor:
    """One pass as matrices (n, size, size)."""
    taps = windows.shape[1]
    pixels, steps = (torch.arange(count, device=windows.device) for count in (size, taps))
    source = (pixels[:, None] + steps - taps // 2).clamp_(0, size - 1)
    shape = (len(windows), size, taps)
    single = windows.new_zeros(len(windows), size, size)
    return single.scatter_add_(2, source.expand(shape), windows[:, None].expand(shape))


def solarise(x: Tensor, rows: Ints) -> None:
    """Invert what is at or above 128 of 255 in pictures ``rows``."""
    for _, part in _chosen(x, rows):
        part.copy_(torch.where(part >= THRESHOLD, 1 - part, part))


def box(radius: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Box windows (n, taps), odd taps: three of them, one after the other, have standard deviation ``radius`` (n,).

    A box of half-width l + a gives weight a to both its outermost pixels (Gwosdek et al. 2011, section 2).
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


def _chosen(x: Tensor, rows: Ints) -> Iterator[tuple[Ints, Tensor]]:
    """Pictures ``rows`` of ``x``: which they are, and their pixels in a copy that is written back."""
    if not len(rows):
        return
    index = torch.from_numpy(rows).to(x.device)
    part = x[index]
    yield rows, part
    x[index] = part
