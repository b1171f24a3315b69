"""Projection heads of DINO and SwAV, features (B, D) to prototype logits (B, K), with the released tensor names."""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class DinoHead(nn.Module):
    """DINO's head: GELU MLP to a bottleneck, L2 norm, weight-normalised linear layer (Caron et al. 2021, appendix C).

    ``norm_last_layer`` fixes the norm of each prototype at 1, so that logits are cosines. ``use_bn`` adds BatchNorm, as
    in DINO's ResNet runs.
    """

    def __init__(
        self,
        features: int,
        prototypes: int,
        hidden: int = 2048,
        bottleneck: int = 256,
        layers: int = 3,
        use_bn: bool = False,
        norm_last_layer: bool = True,
    ) -> None:
        super().__init__()
        self.mlp = _mlp(features, hidden, bottleneck, max(layers, 1), use_bn)
        self.last_layer = WeightNormLinear(bottleneck, prototypes, learn_length=not norm_last_layer)

    def forward(self, x: Tensor) -> Tensor:
        """(B, D) to logits (B, K)."""
        logits: Tensor = self.last_layer(F.normalize(self.mlp(x), dim=-1))
        return logits


class WeightNormLinear(nn.Module):
    """Linear layer without bias whose rows are g * v / |v|. ``weight_g`` (K, 1) starts at 1.

    ``weight_g`` is trained only if ``learn_length``.
    """

    def __init__(self, features: int, prototypes: int, learn_length: bool) -> None:
        super().__init__()
        self.weight_g = nn.Parameter(torch.ones(prototypes, 1), requires_grad=learn_length)
        self.weight_v = nn.Parameter(nn.Linear(features, prototypes, bias=False).weight.detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        """(B, D) to (B, K)."""
        return F.linear(x, self.weight_v * (self.weight_g / self.weight_v.norm(dim=1, keepdim=True)))


class SwavHead(nn.Module):
    """SwAV's head: Linear, BatchNorm, ReLU, Linear, L2 norm, then linear prototypes (Caron et al. 2020, section 4).

    ``prototypes`` has one number for each set of prototypes; DeepCluster-v2 trains several sets. ``centred`` adds a
    BatchNorm without weights before the L2 norm; it is not in the papers.
    """

    def __init__(
        self, features: int, prototypes: tuple[int, ...], hidden: int = 2048, output: int = 128, centred: bool = False
    ) -> None:
        super().__init__()
        self.projection_head = nn.Sequential(
            nn.Linear(features, hidden), nn.BatchNorm1d(hidden), nn.ReLU(inplace=True), nn.Linear(hidden, output)
        )
        if centred:
            self.projection_head.append(nn.BatchNorm1d(output, affine=False))
        self.prototypes = nn.ModuleList(nn.Linear(output, count, bias=False) for count in prototypes)

    def project(self, x: Tensor) -> Tensor:
        """(B, D) to L2-normalised embeddings (B, output)."""
        return F.normalize(self.projection_head(x), dim=1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, D) to cosines with the first set of prototypes (B, K). The method keeps prototypes L2-normalised."""
        scores: Tensor = self.prototypes[0](self.project(x))
        return scores

    @torch.no_grad()
    def normalise_prototypes(self) -> None:
        """L2-normalise every prototype, in place."""
        for prototypes in self.prototypes:
            prototypes.weight.copy_(F.normalize(prototypes.weight, dim=1))  # type: ignore[operator,arg-type]


def _mlp(features: int, hidden: int, bottleneck: int, layers: int, use_bn: bool) -> nn.Module:
    widths = [features, *[hidden] * (layers - 1), bottleneck]
    modules: list[nn.Module] = []
    for number, (before, after) in enumerate(pairwise(widths)):
        linear = nn.Linear(before, after)
        nn.init.trunc_normal_(linear.weight, std=0.02)
        nn.init.zeros_(linear.bias)
        modules.append(linear)
        if number < layers - 1:
            modules += [nn.BatchNorm1d(hidden), nn.GELU()] if use_bn else [nn.GELU()]
    return modules[0] if layers == 1 else nn.Sequential(*modules)


class Shift(nn.Module):
    """Add a constant row (1, K), for example minus DINO's centre."""

    row: Tensor

    def __init__(self, row: Tensor) -> None:
        super().__init__()
        self.register_buffer("row", row)

    def forward(self, x: Tensor) -> Tensor:
        """(B, K) to (B, K)."""
        return x + self.row


def rebuild(state: dict[str, Tensor]) -> nn.Module | None:
    """Build the head for ``state``, with the shape read from its weights; ``None`` if it is no DINO or SwAV head."""
    head: nn.Module
    if "last_layer.weight_v" in state:
        weights = [value for name, value in state.items() if name.startswith("mlp.") and value.ndim == 2]
        prototypes, bottleneck = state["last_layer.weight_v"].shape
        use_bn = any(name.endswith("running_mean") for name in state)
        head = DinoHead(weights[0].shape[1], prototypes, weights[0].shape[0], bottleneck, len(weights), use_bn)
    elif "projection_head.0.weight" in state:
        hidden, features = state["projection_head.0.weight"].shape
        counts = [len(value) for name, value in state.items() if name.startswith("prototypes.")]
        centred = "projection_head.4.running_mean" in state
        head = SwavHead(features, tuple(counts), hidden, len(state["projection_head.3.weight"]), centred)
    else:
        return None
    head.load_state_dict(state)
    return head.requires_grad_(False)
