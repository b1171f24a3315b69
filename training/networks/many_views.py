"""A descriptor of several views: one picture goes in, the mean of what the network says of its views comes out.

Views are cut inside the graph, so whoever serves it prepares one input and knows nothing of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class View:
    """The central ``share`` of both sides at ``size`` pixels; perhaps mirrored, then turned ``turns`` times by 90°."""

    size: int
    share: float = 1.0
    mirrored: bool = False
    turns: int = 0


def standard(size: int) -> tuple[View, ...]:
    """Four views for a network trained at ``size`` pixels, out of an input of twice that.

    The whole picture, enlarged by half; the whole, mirrored; the central two thirds; the central half. Chosen on
    pictures that no figure of this project is measured on.
    """
    return (View(size * 3 // 2), View(size, mirrored=True), View(size, 2 / 3), View(size, 1 / 2))


class ManyViews(nn.Module):
    """Mean of the unit descriptors of views: pictures (B, 3, S, S) to (B, D), not normalised.

    ``descriptor`` is any network from pictures to descriptors; it runs once for all views of one size.
    """

    def __init__(self, descriptor: nn.Module, views: Sequence[View]) -> None:
        super().__init__()
        self.descriptor, self.views = descriptor, tuple(views)

    def forward(self, pictures: Tensor) -> Tensor:
        """(B, 3, S, S) to (B, D)."""
        parts = []
        for size in sorted({view.size for view in self.views}):
            same = [cut(pictures, view) for view in self.views if view.size == size]
            rows = F.normalize(self.descriptor(torch.cat(same)), dim=1)
            parts.append(rows.reshape(len(same), -1, rows.shape[1]).sum(dim=0))
        return torch.stack(parts).sum(dim=0) / len(self.views)


def cut(pictures: Tensor, view: View) -> Tensor:
    """One view (B, 3, size, size) of pictures (B, 3, S, S); bicubic with antialias, as the input itself was resized."""
    side = round(view.share * pictures.shape[-1])
    start = (pictures.shape[-1] - side) // 2
    found = pictures[:, :, start : start + side, start : start + side]
    if side != view.size:
        found = F.interpolate(found, (view.size, view.size), mode="bicubic", antialias=True)
    if view.mirrored:
        found = found.flip(3)
    return torch.rot90(found, view.turns, (2, 3)) if view.turns else found
