"""What each place of a picture adds to its embedding: exact for averaged features, which are linear after pooling.

A generalised mean is g = mean(x^p)^(1/p), so that x_i^p g^(1-p) / P is what place i adds to it: these parts are not
negative and add up to g. A linear layer maps parts as it maps the whole, and its bias is shared out evenly; a
normalisation divides all parts by the length of their sum.
"""

import torch
import torch.nn.functional as F
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from copysight.model.outputs import PlaceGrid
from training.networks.descriptors import STAGES, Descriptor
from training.networks.export_graphs import PooledGraph
from training.networks.many_views import ManyViews, View, crop_view, total_weight


class ContributionsGraph(nn.Module):
    """The graph of a copy network: pictures (B, 3, S, S) to contributions (B, P, D) whose sum over P is the embedding.

    P runs over the views, the stages of a view, and the places of a stage, row by row.
    """

    names = ("contributions",)

    def __init__(self, descriptor: Descriptor, views: tuple[View, ...], whitening: nn.Linear | None) -> None:
        super().__init__()
        self.descriptor, self.views, self.whitening = descriptor, views, whitening

    def forward(self, pictures: Tensor) -> tuple[Tensor]:
        """(B, 3, S, S) to (B, P, D)."""
        views = [(crop_view(pictures, view), view.weight / total_weight(self.views)) for view in self.views]
        parts = torch.cat([weight * divided(self._view(seen)) for seen, weight in views or [(pictures, 1.0)]], dim=1)
        parts = divided(parts)
        if self.whitening is None:
            return (parts,)
        return (divided(mapped(self.whitening, parts)),)

    def _view(self, pictures: Tensor) -> Tensor:
        """Parts (B, P, W') of the descriptor of one view."""
        stages = self.descriptor.backbone.forward_intermediates(pictures, indices=STAGES, intermediates_only=True)  # type: ignore[operator]
        parts, width, before = [], sum(stage.shape[1] for stage in stages), 0
        for stage in stages:
            shares = gem_shares(stage.flatten(2).transpose(1, 2), self.descriptor.power)
            after = width - before - stage.shape[1]
            # Zeros in the columns of other stages, instead of a slice of the weights: the exporter would store the
            # slice as weights of its own.
            parts.append(F.pad(shares, (before, after)))
            before += stage.shape[1]
        return mapped(self.descriptor.project, torch.cat(parts, dim=1))


def gem_shares(patches: Tensor, power: float) -> Tensor:
    """What each place adds to the generalised mean: (B, P, D) to (B, P, D); the sum over P is ``gem`` of them."""
    powers = patches.clamp(min=1e-6).pow(power)
    mean = powers.mean(dim=1, keepdim=True)
    shares: Tensor = powers * mean.pow(1 / power - 1) / patches.shape[1]
    return shares


def mapped(layer: nn.Linear, parts: Tensor) -> Tensor:
    """Map parts (B, P, W) to (B, P, D) whose sum is the mapped sum; each part has an equal share of the bias."""
    # With the bias, and then without it: the exporter keeps the weights as they are only for a layer with a bias.
    rows: Tensor = layer(parts.flatten(0, 1)).unflatten(0, parts.shape[:2]) - layer.bias * (1 - 1 / parts.shape[1])
    return rows


def divided(parts: Tensor) -> Tensor:
    """Divide parts (B, P, D) by the length of their sum."""
    found: Tensor = parts / parts.sum(dim=1, keepdim=True).norm(dim=2, keepdim=True)
    return found


def contributions_of(graph: nn.Module) -> ContributionsGraph | None:
    """The graph of the contributions of a copy network of convolutions; None for other networks.

    A [CLS] token has seen all places, so that nothing that a place adds can be told from it.
    """
    if not isinstance(graph, PooledGraph) or graph.head is not None:
        return None
    body = graph.descriptor
    views = body.views if isinstance(body, ManyViews) else ()
    descriptor = body.descriptor if isinstance(body, ManyViews) else body
    if not isinstance(descriptor, Descriptor) or isinstance(descriptor.backbone, VisionTransformer):
        return None
    if any(view.turns for view in views) or not isinstance(graph.whitening, nn.Linear | None):
        return None
    return ContributionsGraph(descriptor, views, graph.whitening).eval()


@torch.inference_mode()
def grids_of(graph: ContributionsGraph, height: int, width: int) -> tuple[PlaceGrid, ...]:
    """The grids of places of ``graph`` for pictures of ``height`` x ``width`` px, in the order of its parts."""
    found = []
    pictures = torch.zeros(1, 3, height, width)
    for view in graph.views or (None,):
        seen = pictures if view is None else crop_view(pictures, view)
        stages = graph.descriptor.backbone.forward_intermediates(seen, indices=STAGES, intermediates_only=True)  # type: ignore[operator]
        box = (0.0, 0.0, 1.0, 1.0) if view is None else _box(view, width)
        mirrored = view is not None and view.mirrored
        found += [PlaceGrid(int(stage.shape[2]), int(stage.shape[3]), box, mirrored) for stage in stages]
    return tuple(found)


def _box(view: View, width: int) -> tuple[float, float, float, float]:
    """The part of a square input that ``crop_view`` takes, as shares of the sides."""
    side = round(view.share * width)
    start = (width - side) // 2 / width
    end = start + side / width
    return (start, start, end, end)
