"""Features of places for pictures of any size: the last stages of a convolutional network, or the tokens of a ViT."""

import torch
import torch.nn.functional as F
from timm.layers import PatchEmbed
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from training.networks.descriptors import STAGES, Descriptor
from training.networks.export_graphs import PooledGraph, TokenDescriptor, TransformerGraph
from training.networks.many_views import ManyViews

CUBIC = -0.75
"""Parameter of torch's bicubic interpolation (Keys 1981, eq. 4)."""


class StagePlaces(nn.Module):
    """Features of places of a convolutional network: its last two stages at the resolution of the first of them.

    Each stage is L2-normalised at each place; the last one is then enlarged to the one before (bilinear), and both are
    concatenated. On DAVIS both stages follow objects better than either of them.
    """

    names = ("patches",)

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, pictures: Tensor) -> tuple[Tensor]:
        """(B, 3, height, width) to patches (B, P, D), row by row."""
        first, last = self.backbone.forward_intermediates(pictures, indices=STAGES, intermediates_only=True)  # type: ignore[operator]
        last = F.interpolate(F.normalize(last, dim=1), first.shape[2:], mode="bilinear", align_corners=False)
        return (torch.cat([F.normalize(first, dim=1), last], dim=1).flatten(2).transpose(1, 2),)


class TokenPlaces(nn.Module):
    """Patch tokens of a plain ViT, with or without [CLS] and registers, after the last norm.

    Its position table, which is that of a fixed size, is resized to the grid of each picture (bicubic).
    """

    names = ("patches",)

    def __init__(self, backbone: VisionTransformer) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, pictures: Tensor) -> tuple[Tensor]:
        """(B, 3, height, width) to patches (B, P, D), row by row."""
        vit = self.backbone
        tokens = vit.norm_pre(self._with_positions(vit.patch_embed.proj(pictures)))
        for block in vit.blocks:
            tokens = block(tokens)
        return (vit.norm(tokens)[:, vit.num_prefix_tokens :],)

    def _with_positions(self, maps: Tensor) -> Tensor:
        """Prefix tokens and patches (B, L + P, D) with positions, from (B, D, rows, columns)."""
        vit = self.backbone
        rows, columns = maps.shape[2:]
        patches = vit.patch_embed.norm(maps.flatten(2).transpose(1, 2))
        # Not `len(maps)`, which the exporter takes for a constant.
        leading = [part.expand(maps.shape[0], -1, -1) for part in (vit.cls_token, vit.reg_token) if part is not None]
        prefix = torch.cat(leading, dim=1) if leading else patches[:, :0]
        if vit.pos_embed is None:
            return torch.cat([prefix, patches], dim=1)
        grid = vit.patch_embed.grid_size
        table = vit.pos_embed[0]
        own = len(table) - grid[0] * grid[1]
        if own:  # else the prefix has no positions
            prefix = prefix + table[:own]
        resized = resized_table(table[own:].unflatten(0, grid), rows, columns)
        return torch.cat([prefix, patches + resized.flatten(0, 1)], dim=1)


def resized_table(table: Tensor, rows: int, columns: int) -> Tensor:
    """Resize a table (h, w, D) to (rows, columns, D), bicubic as ``F.interpolate`` without antialias.

    It is written as two matrix products, because torch's exporter wants a fixed size for bicubic interpolation.
    """
    down, across = cubic_weights(table.shape[0], rows), cubic_weights(table.shape[1], columns)
    return torch.einsum("rh,hwd,cw->rcd", down.to(table), table, across.to(table))


def cubic_weights(before: int, after: int) -> Tensor:
    """Weights (after, before) of bicubic interpolation along one side; each row adds up to 1."""
    place = (torch.arange(after) + 0.5) * (before / after) - 0.5
    first = place.floor()
    source = torch.arange(before)
    weights = torch.zeros(())
    for tap in (-1, 0, 1, 2):
        near = (first + tap).clamp(0, before - 1)
        share = _cubic((place - (first + tap)).abs())
        weights = weights + share[:, None] * (near[:, None] == source)
    return weights


def places_of(graph: nn.Module) -> nn.Module | None:
    """The network that gives the features of places of ``graph``'s network; None if it is of another kind."""
    body = _body(graph)
    if isinstance(body, VisionTransformer):
        plain = type(body.patch_embed) is PatchEmbed and not _is_pooled_early(body)
        return TokenPlaces(body).eval() if plain else None
    maps = isinstance(graph, PooledGraph) and hasattr(body, "forward_intermediates")
    return StagePlaces(body).eval() if maps else None


def _is_pooled_early(vit: VisionTransformer) -> bool:
    """Whether the patches have no norm of their own, because it comes after pooling."""
    return isinstance(vit.norm, nn.Identity)


def _body(graph: nn.Module) -> nn.Module:
    """The timm network of a graph."""
    body: nn.Module = graph.backbone if isinstance(graph, TransformerGraph) else graph
    for kind, name in ((PooledGraph, "descriptor"), (ManyViews, "descriptor"), (Descriptor, "backbone")):
        body = getattr(body, name) if isinstance(body, kind) else body
    return body.body if isinstance(body, TokenDescriptor) else body


def _cubic(distance: Tensor) -> Tensor:
    """Keys' kernel at distances from 0 to 2."""
    a = CUBIC
    near = ((a + 2) * distance - (a + 3)) * distance * distance + 1
    far = ((a * distance - 5 * a) * distance + 8 * a) * distance - 4 * a
    return torch.where(distance <= 1, near, far)
