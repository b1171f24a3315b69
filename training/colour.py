"""Colour operations on batches (N, 3, S, S) of float RGB in 0..1, in place: as Pillow and torchvision, unrounded."""

from itertools import permutations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

LUMA = (0.299, 0.587, 0.114)
ORDERS = tuple(permutations(range(4)))
THRESHOLD = 127.5 / 255
PASSES = 3
CHUNK = 1 << 19
"""Elements worked on at a time: every operation is a pass over memory, so a piece should stay in a core's cache."""


def luma(x: Tensor) -> Tensor:
    """ITU-R 601 luma, (N, 1, S, S)."""
    return (x[:, 0:1] * LUMA[0]).add_(x[:, 1:2], alpha=LUMA[1]).add_(x[:, 2:3], alpha=LUMA[2])


def jitter(x: Tensor, order: npt.NDArray[np.int64], factors: npt.NDArray[np.float64]) -> None:
    """Brightness, contrast, saturation and hue, in one of 24 orders per picture; order -1 leaves a picture alone.

    ``order`` (N,), ``factors`` (N, 4): three factors around 1 and a hue shift in turns (-.5 to .5).
    """
    for kind in np.unique(order[order >= 0]).tolist():
        rows = np.flatnonzero(order == kind)
        for piece in np.array_split(rows, -(-len(rows) // _piece(x))):
            index = torch.from_numpy(piece).to(x.device)
            part = x[index]
            values = torch.from_numpy(factors[piece]).to(x).t()[..., None, None, None]
            for step in ORDERS[kind]:
                part = OPERATIONS[step](part, values[step])
            x[index] = part


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
    not_red, not_green = _positive(value - red), _positive(value - green)
    sector = torch.lerp(blue - red, red - green, not_green).mul_(scale).add_(not_green, alpha=2).add_(2)
    sector = torch.lerp((green - blue).mul_(scale), sector, not_red).add_(shift.view(-1, 1, 1), alpha=6)
    sector.sub_((sector * (1 / 6)).floor_(), alpha=6)
    # Smith 1978 in closed form: with h in 0..6, low + chroma * (|h - 3| - 1), (2 - |h - 2|), (2 - |h - 4|) cut to 0..1.
    for channel, (centre, sign, offset) in enumerate(((3, 1, -1), (2, -1, 2), (4, -1, 2))):
        share = (sector - centre).abs_().mul_(sign).add_(offset).clamp_(0, 1)
        torch.addcmul(low, share, chroma, out=x[:, channel])
    return x


def _positive(x: Tensor) -> Tensor:
    """1 where ``x`` is above 0, else 0, in place. On a CPU comparisons and ``where`` cost twenty times as much."""
    return x.mul_(1e30).clamp_(0, 1)


OPERATIONS = (brightness, contrast, saturation, hue)


def blur(x: Tensor, radius: npt.NDArray[np.float64]) -> None:
    """Pillow's Gaussian blur of standard deviation ``radius`` (N,) pixels, in place; 0 leaves a picture alone.

    Three box windows one after the other; each pass repeats the border.
    """
    rows = np.flatnonzero(radius > 0)
    for piece in np.array_split(rows, -(-len(rows) // _piece(x))) if len(rows) else []:
        index = torch.from_numpy(piece).to(x.device)
        weights = torch.from_numpy(box(radius[piece])).to(x).t()[..., None, None, None]
        part = x[index]
        for axis in (2, 3) * PASSES:
            part = _pass(part, weights, axis)
        x[index] = part


def _pass(x: Tensor, weights: Tensor, axis: int) -> Tensor:
    """One symmetric window along ``axis``; ``weights`` (taps, N, 1, 1, 1)."""
    size, taps = x.shape[axis], len(weights)
    edges = [x.narrow(axis, 0, 1)], [x.narrow(axis, size - 1, 1)]
    wide = torch.cat([*edges[0] * (taps // 2), x, *edges[1] * (taps // 2)], dim=axis)
    out = x * weights[taps // 2]
    for tap in range(taps // 2):
        out.addcmul_(wide.narrow(axis, tap, size) + wide.narrow(axis, taps - 1 - tap, size), weights[tap])
    return out


def solarise(x: Tensor, rows: npt.NDArray[np.int64]) -> None:
    """Invert what is at or above 128 of 255 in pictures ``rows``."""
    index = torch.from_numpy(rows).to(x.device)
    part = x[index]
    x[index] = torch.lerp(part, 1 - part, _positive(part - THRESHOLD))


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


def _piece(x: Tensor) -> int:
    return max(1, CHUNK // (3 * x.shape[-1] ** 2)) if x.device.type == "cpu" else len(x)
