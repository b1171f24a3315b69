"""Colour operations on batches (N, 3, S, S) of float RGB in 0..1, in place: as Pillow and torchvision, unrounded."""

from itertools import permutations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

LUMA = (0.299, 0.587, 0.114)
ORDERS = tuple(permutations(range(4)))
THRESHOLD = 128 / 255
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
    chroma = value - torch.minimum(torch.minimum(red, green), blue)
    scale = 1 / chroma.clamp(min=1e-8)
    sector = torch.where(
        value == red,
        (green - blue).mul_(scale),
        torch.where(value == green, (blue - red).mul_(scale).add_(2), (red - green).mul_(scale).add_(4)),
    )
    sector.add_(shift.view(-1, 1, 1), alpha=6)
    for channel, offset in enumerate((5, 3, 1)):
        # Smith 1978 in closed form: value - chroma * clamp(min(k, 4 - k), 0, 1), k = (offset + 6 h) mod 6.
        k = (sector + offset).remainder_(6)
        torch.sub(value, torch.minimum(k, 4 - k).clamp_(0, 1).mul_(chroma), out=x[:, channel])
    return x


OPERATIONS = (brightness, contrast, saturation, hue)


def blur(x: Tensor, radius: npt.NDArray[np.float64]) -> None:
    """Pillow's Gaussian blur of standard deviation ``radius`` (N,) pixels, in place; 0 leaves a picture alone."""
    rows = np.flatnonzero(radius > 0)
    for piece in np.array_split(rows, -(-len(rows) // _piece(x))) if len(rows) else []:
        index = torch.from_numpy(piece).to(x.device)
        matrix = blur_matrix(torch.from_numpy(box(radius[piece])).to(x), x.shape[-1])[:, None]
        x[index] = matrix @ x[index] @ matrix.transpose(-1, -2)


def solarise(x: Tensor, rows: npt.NDArray[np.int64]) -> None:
    """Invert what is at or above 128 of 255 in pictures ``rows``."""
    index = torch.from_numpy(rows).to(x.device)
    part = x[index]
    x[index] = torch.where(part >= THRESHOLD, 1 - part, part)


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


def blur_matrix(boxes: Tensor, size: int) -> Tensor:
    """Box windows (n, taps) to (n, size, size): row i holds the weights of the pixels that make pixel i.

    It is the third power of one pass, which repeats the border. Away from the border all rows are alike, so the power
    is taken of a small matrix only. A product beats a convolution here, because every picture has its own radius.
    """
    reach = PASSES * (boxes.shape[1] // 2)
    small = min(size, 4 * reach + 1)
    one = _pass(boxes, small)
    power = one @ one @ one
    if small == size:
        return power
    middle = power[:, 2 * reach, reach : 3 * reach + 1]
    matrix = torch.zeros(len(boxes), size, size, device=boxes.device, dtype=boxes.dtype)
    for shift in range(2 * reach + 1):
        matrix.diagonal(shift - reach, 1, 2)[:] = middle[:, shift, None]
    matrix[:, :reach, : 2 * reach] = power[:, :reach, : 2 * reach]
    matrix[:, -reach:, -2 * reach :] = power[:, -reach:, -2 * reach :]
    return matrix


def _pass(boxes: Tensor, size: int) -> Tensor:
    count, taps = boxes.shape
    offset = torch.arange(taps, device=boxes.device) - taps // 2
    column = (torch.arange(size, device=boxes.device)[:, None] + offset).clamp(0, size - 1)
    matrix = torch.zeros(count, size, size, device=boxes.device, dtype=boxes.dtype)
    return matrix.scatter_add_(2, column.expand(count, -1, -1), boxes[:, None].expand(-1, size, -1))


def _piece(x: Tensor) -> int:
    return max(1, CHUNK // (3 * x.shape[-1] ** 2)) if x.device.type == "cpu" else len(x)
