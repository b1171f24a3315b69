"""Multi-view descriptor: the mean of a network's descriptors of several views of one picture.

The graph itself cuts the views, so that a service prepares only one input per picture.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class View:
    """The central ``share`` of both sides, resized to ``size`` pixels, optionally mirrored, turned ``turns`` x 90°.

    ``weight``: how much it counts in the mean.
    """

    size: int
    share: float = 1.0
    mirrored: bool = False
    turns: int = 0
    weight: float = 1.0


def standard_views(size: int) -> tuple[View, ...]:
    """Four views for a network trained at ``size`` pixels, cut from an input of twice that size.

    The whole picture at 1.5 times the size, which counts twice; at the size, and mirrored; the central half. Views and
    weights were chosen on pictures that are in none of this project's benchmarks.
    """
    largest, *others = equal_views(size)
    return (replace(largest, weight=2.0), *others)


def equal_views(size: int) -> tuple[View, ...]:
    """The views of bundles that were exported before the largest of `standard_views` counted twice."""
    return (View(size * 3 // 2), View(size), View(size, mirrored=True), View(size, 1 / 2))


def earlier_views(size: int) -> tuple[View, ...]:
    """The views of bundles that were exported before `equal_views` had the whole picture at its size."""
    return (View(size * 3 // 2), View(size, mirrored=True), View(size, 2 / 3), View(size, 1 / 2))


EXPORTED = (standard_views, equal_views, earlier_views)
"""All views that bundles were exported with, the latest first."""


class ManyViews(nn.Module):
    """Weighted mean of the L2-normalised descriptors of views: pictures (B, 3, S, S) to (B, D), not normalised.

    ``descriptor`` maps pictures to descriptors; it runs once for all views of the same size.
    """

    def __init__(self, descriptor: nn.Module, views: Sequence[View]) -> None:
        super().__init__()
        self.descriptor, self.views = descriptor, tuple(views)

    def forward(self, pictures: Tensor) -> Tensor:
        """(B, 3, S, S) to (B, D)."""
        parts = []
        for size in sorted({view.size for view in self.views}):
            same = [view for view in self.views if view.size == size]
            rows = F.normalize(self.descriptor(torch.cat([crop_view(pictures, view) for view in same])), dim=1)
            weights = rows.new_tensor([view.weight for view in same])[:, None, None]
            parts.append((weights * rows.reshape(len(same), -1, rows.shape[1])).sum(dim=0))
        return torch.stack(parts).sum(dim=0) / total_weight(self.views)


def total_weight(views: Sequence[View]) -> float:
    """The sum of the weights of views."""
    return sum(view.weight for view in views)


def crop_view(pictures: Tensor, view: View) -> Tensor:
    """One view (B, 3, size, size) of pictures (B, 3, S, S), resized like the input: bicubic with antialias."""
    side = round(view.share * pictures.shape[-1])
    start = (pictures.shape[-1] - side) // 2
    found = pictures[:, :, start : start + side, start : start + side]
    if side != view.size:
        found = F.interpolate(found, (view.size, view.size), mode="bicubic", antialias=True)
    if view.mirrored:
        found = found.flip(3)
    return torch.rot90(found, view.turns, (2, 3)) if view.turns else found
