"""Propagate masks through a video by patch similarity (Jabri et al. 2020; parameters of DINO's DAVIS evaluation)."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

BLOCK = 512
"""Target patches that are compared with all context patches at a time. Bounds the memory of the affinity matrix."""


@dataclass(frozen=True)
class Propagation:
    """Parameters: context frames besides the first, context patches per patch, radius in patches, temperature."""

    frames: int = 7
    topk: int = 5
    radius: int = 12
    temperature: float = 0.1


@dataclass(frozen=True)
class LabelledFrame:
    """A frame with patch ``features`` (P, D) of any length and soft ``masks`` (C, rows, columns)."""

    features: Tensor
    masks: Tensor


def one_hot(mask: Tensor) -> Tensor:
    """Map labels (rows, columns) to (C, rows, columns) float32 with C = largest label + 1.

    If the mask was reduced in size, the objects with the largest labels may be lost and then have no channel.
    """
    return F.one_hot(mask.long(), int(mask.max()) + 1).permute(2, 0, 1).float()


def neighbourhood(rows: int, columns: int, radius: int) -> Tensor:
    """Return a boolean (P, P): whether two patches of the grid are at most ``radius`` apart in both directions."""
    # One byte per pair. The distances of all pairs would take 1 GB for frames of height 480 and patches of 8.
    y, x = ((torch.arange(side)[:, None] - torch.arange(side)).abs() <= radius for side in (rows, columns))
    return (y[:, None, :, None] & x[None, :, None, :]).reshape(rows * columns, rows * columns)


def propagate(first: LabelledFrame, frames: Iterable[Tensor], config: Propagation) -> Iterator[Tensor]:
    """Yield the soft masks (C, rows, columns) of each of ``frames`` (features (P, D)) after the ``first``."""
    rows, columns = first.masks.shape[1:]
    near = neighbourhood(rows, columns, config.radius) if config.radius > 0 else None
    past: deque[LabelledFrame] = deque(maxlen=config.frames)
    for features in frames:
        masks = propagate_frame(features, [first, *past], near, config)
        past.append(LabelledFrame(features, masks))
        yield masks


def propagate_frame(features: Tensor, context: list[LabelledFrame], near: Tensor | None, config: Propagation) -> Tensor:
    """Return the masks (C, rows, columns) of a frame with ``features`` (P, D) from the masks of its ``context``.

    Each patch gets the mean of its ``topk`` most similar context patches within the radius, weighted by
    exp(cosine / temperature). All patches tied with the last one count.
    """
    sources = F.normalize(torch.cat([frame.features for frame in context]), dim=-1).t()
    labels = torch.cat([frame.masks.flatten(1) for frame in context], dim=1)
    parts = []
    for start in range(0, len(features), BLOCK):
        cosines = F.normalize(features[start : start + BLOCK], dim=-1) @ sources
        if near is not None:
            cosines.view(len(cosines), len(context), -1).masked_fill_(~near[start : start + BLOCK, None], -torch.inf)
        parts.append(_vote(cosines, labels, config))
    return torch.cat(parts, dim=1).reshape(len(labels), *context[0].masks.shape[1:])


def norm_mask(masks: Tensor) -> Tensor:
    """Scale each channel of (C, height, width) to the range 0..1 by its minimum and maximum.

    A constant positive channel becomes NaN, as in the released code (0 / 0). A channel without positive values stays.
    """
    flat = masks.flatten(1)
    least, largest = flat.amin(dim=1)[:, None, None], flat.amax(dim=1)[:, None, None]
    return torch.where(largest > 0, (masks - least) / (largest - least), masks)


def labels(masks: Tensor, patch: int) -> Tensor:
    """Map soft masks (C, rows, columns) to labels (rows * patch, columns * patch) uint8."""
    large = F.interpolate(masks[None], scale_factor=patch, mode="bilinear", align_corners=False)[0]
    return norm_mask(large).argmax(dim=0).to(torch.uint8)


def _vote(cosines: Tensor, labels: Tensor, config: Propagation) -> Tensor:
    """Return the target labels (C, T) from the cosines (T, S) and the source labels (C, S).

    Cosines outside the radius are -inf.
    """
    cut = cosines.topk(min(config.topk, cosines.shape[1]), dim=1).values[:, -1:]
    # Only the few kept cosines are exponentiated and summed. This takes a fifth of the time of the dense form.
    target, source = (cosines >= cut.clamp(min=-1.1)).nonzero(as_tuple=True)
    weights = (cosines[target, source] / config.temperature).exp()
    total = weights.new_zeros(len(cosines)).index_add_(0, target, weights)
    summed = labels.new_zeros(len(labels), len(cosines)).index_add_(1, target, labels[:, source] * weights)
    return summed / total
