"""Hybrids: a small ViT whose patches are the features of a frozen convolutional network.

[CLS] has something to attend to from the first step. The networks are registered in timm, under their own names. Their
stem is not trained: it comes from a descriptor network, for example with ``--init default``.
"""

from functools import partial
from typing import Any

from timm.models import create_model, register_model
from timm.models.vision_transformer import VisionTransformer
from timm.models.vision_transformer_hybrid import HybridEmbed
from torch import Tensor, nn

STEM = "patch_embed.backbone."
"""Prefix of the stem's tensors."""
STAGES = 3
"""Stages of the stem: a place for each 16 x 16 pixels."""


class FrozenStem(nn.Module):
    """The first stages of a convolutional network: pictures (B, 3, S, S) to maps (B, C, S / 16, S / 16)."""

    def __init__(self, name: str) -> None:
        super().__init__()
        stages: Any = create_model(name, features_only=True, out_indices=(STAGES,))
        self.parts = [part for part, _ in stages.named_children()]
        for part, layers in stages.named_children():
            self.add_module(part, layers)
        self.requires_grad_(False)

    def train(self, mode: bool = True) -> "FrozenStem":  # noqa: ARG002 - it has the signature of nn.Module
        """Stays in evaluation mode, so that BatchNorm keeps its statistics."""
        return super().train(False)

    def forward(self, pictures: Tensor) -> Tensor:
        """The features of the last stage."""
        maps = pictures
        for part in self.parts:
            maps = getattr(self, part)(maps)
        return maps


@register_model  # type: ignore[untyped-decorator]
def vit_tiny_frozen_resnet10t(**settings: Any) -> VisionTransformer:
    """Four blocks of 192 dimensions and 6 heads, with 4 registers, on the first three stages of a frozen resnet10t."""
    return _hybrid("vit_tiny_frozen_resnet10t", "resnet10t", settings)


def stem_of(network: nn.Module) -> str | None:
    """The name of the network whose stages are the stem of a hybrid; None for other networks."""
    return getattr(network, "frozen_stem", None)


def _hybrid(name: str, stem: str, settings: dict[str, Any]) -> VisionTransformer:
    own = {key: value for key, value in settings.items() if not key.startswith(("pretrained", "cache_dir"))}
    network: Any = VisionTransformer(
        embed_layer=partial(HybridEmbed, backbone=FrozenStem(stem)),
        patch_size=1,
        embed_dim=192,
        depth=4,
        num_heads=6,
        reg_tokens=4,
        **own,
    )
    network.pretrained_cfg, network.frozen_stem = {"architecture": name}, stem
    return network
