"""Copy-descriptor networks: a backbone, generalised-mean (GeM) pooling and one linear layer."""

from typing import Any

import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from training.networks import backbones
from training.networks.export_graphs import gem

STAGES = 2
"""Last stages of a convolutional network whose pooled features are used."""


class Descriptor(nn.Module):
    """Pictures (B, 3, S, S) to descriptors (B, D), not normalised.

    A ViT uses [CLS] and the generalised mean of its patches. Other networks use the generalised means of their last two
    stages; Pizzi et al. 2022 use one stage, the second adds finer detail. ``power`` 1 gives plain means.
    """

    def __init__(self, backbone: nn.Module, dimension: int, power: float = 3.0) -> None:
        super().__init__()
        self.backbone, self.power = backbone, power
        self.project = nn.Linear(_width(backbone), dimension)

    def forward(self, pictures: Tensor) -> Tensor:
        """(B, 3, S, S) to (B, D)."""
        descriptor: Tensor = self.project(pooled(self.backbone, pictures, self.power))
        return descriptor


def build(backbone: str, image_size: int, dimension: int, power: float = 3.0) -> Descriptor:
    """Build a randomly initialised descriptor network on a timm backbone."""
    return Descriptor(backbones.build(backbone, image_size), dimension, power)


def pooled(backbone: nn.Module, pictures: Tensor, power: float = 3.0) -> Tensor:
    """The pooled features (B, W) of a timm network, before the linear layer."""
    if isinstance(backbone, VisionTransformer):
        tokens = backbone.forward_features(pictures)
        return torch.cat([tokens[:, 0], gem(tokens[:, backbone.num_prefix_tokens :], power)], dim=1)
    stages = backbone.forward_intermediates(pictures, indices=STAGES, intermediates_only=True)  # type: ignore[operator]
    return torch.cat([gem(stage.flatten(2).transpose(1, 2), power) for stage in stages], dim=1)


def _width(backbone: nn.Module) -> int:
    if isinstance(backbone, VisionTransformer):
        return 2 * int(backbone.num_features)
    stages: Any = backbone.feature_info
    return sum(int(stage["num_chs"]) for stage in stages[-STAGES:])
