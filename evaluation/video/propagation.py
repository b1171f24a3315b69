"""Masks carried through a video by the likeness of patches (Jabri et al. 2020), with the parameters of DINO's DAVIS."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

BLOCK = 512
"""Target patches that are compared with all context at a time: bounds the memory of an affinity."""


@dataclass(frozen=True)
class Propagation:
    """Number of context frames besides the first, patches that vote for one, reach in patches, temperature."""

    frames: int = 7
    topk: int = 5
    radius: int = 12
    temperature: float = 0.1


@dataclass(frozen=True)
class Labelled:
    """A frame: patch ``features`` (P, D) in any scale, soft ``masks`` (C, rows, columns)."""

    features: Tensor
    masks: Tensor


def one_hot(mask: Tensor) -> Tensor:
    """Labels (rows, columns) to (C, rows, columns) float32 with C = largest label + 1.

    Of a mask that has been made small: an object that is lost there has no channel.
    """
    return F.one_hot(mask.long(), int(mask.max()) + 1).permute(2, 0, 1).float()


def neighbourhood(rows: int, columns: int, radius: int) -> Tensor:
    """(P, P) boolean: whether two patches of the grid are at most ``radius`` apart in both directions."""
    # One byte a pair: distances of all pairs would take a gigabyte at 480 lines in patches of 8.
    y, x = ((torch.arange(side)[:, None] - torch.arange(side)).abs() <= radius for side in (rows, columns))
    return (y[:, None, :, None] & x[None, :, None, :]).reshape(rows * columns, rows * columns)


def propagate(first: Labelled, frames: Iterable[Tensor], how: Propagation) -> Iterator[Tensor]:
    """Soft masks (C, rows, columns) of each of ``frames``, features (P, D), that follow the ``first``."""
    rows, columns = first.masks.shape[1:]
    near = neighbourhood(rows, columns, how.radius) if how.radius > 0 else None
    past: deque[Labelled] = deque(maxlen=how.frames)
    for features in frames:
        masks = carry(features, [first, *past], near, how)
        past.append(Labelled(features, masks))
        yield masks


def carry(features: Tensor, context: list[Labelled], near: Tensor | None, how: Propagation) -> Tensor:
    """Masks (C, rows, columns) of a frame with ``features`` (P, D) from those of its ``context``.

    Each patch takes the mean of its ``topk`` most alike context patches within reach, weighted by
    exp(cosine / temperature); equal ones at the cut all count.
    """
    sources = F.normalize(torch.cat([frame.features for frame in context]), dim=-1).t()
    labels = torch.cat([frame.masks.flatten(1) for frame in context], dim=1)
    parts = []
    for start in range(0, len(features), BLOCK):
        cosines = F.normalize(features[start : start + BLOCK], dim=-1) @ sources
        if near is not None:
            cosines.view(len(cosines), len(context), -1).masked_fill_(~near[start : start + BLOCK, None], -torch.inf)
        parts.append(_vote(cosines, labels, how))
    return torch.cat(parts, dim=1).reshape(len(labels), *context[0].masks.shape[1:])


def norm_mask(masks: Tensor) -> Tensor:
    """Each channel of (C, height, width) with a positive value to the range 0..1 by its least and largest.

    A constant positive channel becomes NaN, as in the released code (0 / 0); one without a positive value stays.
    """
    flat = masks.flatten(1)
    least, largest = flat.amin(dim=1)[:, None, None], flat.amax(dim=1)[:, None, None]
    return torch.where(largest > 0, (masks - least) / (largest - least), masks)


def labels(masks: Tensor, patch: int) -> Tensor:
    """Soft masks (C, rows, columns) to labels (rows * patch, columns * patch), uint8."""
    large = F.interpolate(masks[None], scale_factor=patch, mode="bilinear", align_corners=False)[0]
    return norm_mask(large).argmax(dim=0).to(torch.uint8)


def _vote(cosines: Tensor, labels: Tensor, how: Propagation) -> Tensor:
    """Cosines (T, S) of targets and sources, -inf out of reach, and source labels (C, S) to target labels (C, T)."""
    cut = cosines.topk(min(how.topk, cosines.shape[1]), dim=1).values[:, -1:]
    # Only the few that are kept are exponentiated and summed: a fifth of the time of the dense form.
    target, source = (cosines >= cut.clamp(min=-1.1)).nonzero(as_tuple=True)
    weights = (cosines[target, source] / how.temperature).exp()
    total = weights.new_zeros(len(cosines)).index_add_(0, target, weights)
    summed = labels.new_zeros(len(labels), len(cosines)).index_add_(1, target, labels[:, source] * weights)
    return summed / total
