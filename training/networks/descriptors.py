"""Copy-descriptor networks: a backbone, generalised-mean (GeM) pooling and one linear layer."""

import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from copysight.errors import InvalidArgument
from copysight.pictures.preprocess import Size, in_words, sides
from training.networks import backbones
from training.networks.export_graphs import gem
from training.networks.input_sizes import ERRORS, in_eval
from training.networks.timm_networks import first_line, name_of

STAGES = 2
"""Last stages of a convolutional network whose pooled features are used."""


class Descriptor(nn.Module):
    """Pictures (B, 3, S, S) to descriptors (B, D), not normalised.

    A ViT uses [CLS], if it has one, and the generalised mean of its patches. Other networks use the generalised means
    of their last two stages; Pizzi et al. 2022 use one stage, the second adds finer detail. ``power`` 1 gives plain
    means. ``size``: side of a picture in pixels. Raises ``InvalidArgument`` if the network gives no such features.
    """

    def __init__(self, backbone: nn.Module, dimension: int, power: float = 3.0, size: Size = 224) -> None:
        super().__init__()
        self.backbone, self.power = backbone, power
        self.project = nn.Linear(pooled_width(backbone, size), dimension)

    def forward(self, pictures: Tensor) -> Tensor:
        """(B, 3, S, S) to (B, D)."""
        descriptor: Tensor = self.project(pooled(self.backbone, pictures, self.power))
        return descriptor


def build(backbone: str, image_size: Size, dimension: int, power: float = 3.0) -> Descriptor:
    """Build a randomly initialised descriptor network on a timm backbone."""
    return Descriptor(backbones.build(backbone, image_size), dimension, power, image_size)


def pooled(backbone: nn.Module, pictures: Tensor, power: float = 3.0) -> Tensor:
    """The pooled features (B, W) of a timm network, before the linear layer."""
    if isinstance(backbone, VisionTransformer):
        tokens = backbone.forward_features(pictures)
        cls = [] if backbone.cls_token is None else [tokens[:, 0]]
        return torch.cat([*cls, gem(tokens[:, backbone.num_prefix_tokens :], power)], dim=1)
    stages = backbone.forward_intermediates(pictures, indices=STAGES, intermediates_only=True)  # type: ignore[operator]
    return torch.cat([gem(stage.flatten(2).transpose(1, 2), power) for stage in stages], dim=1)


def pooled_width(backbone: nn.Module, size: Size) -> int:
    """Number W of pooled features, by a forward pass. Raises ``InvalidArgument`` if there are none at this size."""
    try:
        with in_eval(backbone):
            return int(pooled(backbone, torch.zeros(1, 3, *sides(size))).shape[1])
    except (*ERRORS, AttributeError) as error:
        raise InvalidArgument(
            f"{name_of(backbone)} gives no maps of its last {STAGES} stages at {in_words(size)} px "
            f"({first_line(error)}), which copy training needs; choose another --backbone or size"
        ) from error
