"""Build timm backbones by name, pictures (B, 3, S, S) to features (B, D), initialised and resized as in DINO."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from timm.models import is_model_in_modules
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from copysight.errors import InvalidArgument
from copysight.pictures.preprocess import Size
from training.networks import hybrids, input_sizes
from training.networks.finite import not_finite
from training.networks.timm_networks import check_name, create

DEFAULT_SIZE = 224
TRANSFORMERS = ("vision_transformer", "vision_transformer_hybrid", "deit", hybrids.__name__.rsplit(".", maxsplit=1)[-1])
"""Modules of networks that are ViTs, by the names that timm knows them by."""


class DinoTransformer(VisionTransformer):  # type: ignore[misc]
    """A timm ViT that interpolates its position embedding by DINO's rule, for any picture size.

    timm's own rule (by size, antialiased) differs by up to 0.6 on a 6 x 6 grid.
    """

    def _pos_embed(self, x: Tensor) -> Tensor:
        rows, columns = x.shape[1:3]
        tokens = torch.cat([self.cls_token.expand(len(x), -1, -1), x.flatten(1, 2)], dim=1)
        tokens = tokens + resize_positions(self.pos_embed, self.patch_embed.grid_size, rows, columns)
        dropped: Tensor = self.pos_drop(tokens)
        return dropped


def resize_positions(table: Tensor, grid: tuple[int, int], rows: int, columns: int) -> Tensor:
    """Resize a position table (1, 1 + P, D) from ``grid`` to ``rows`` x ``columns``: (1, 1 + rows * columns, D).

    Bicubic without antialias. The scale is (n + 0.1) / grid, and coordinates follow that scale, not the size
    (Caron et al. 2021, released vision_transformer.py). The table is returned as it is only for the training grid.
    """
    if (rows, columns) == tuple(grid):
        return table
    patches = table[:, 1:].reshape(1, *grid, -1).permute(0, 3, 1, 2)
    scale = ((rows + 0.1) / grid[0], (columns + 0.1) / grid[1])
    resized = F.interpolate(patches, scale_factor=scale, mode="bicubic", align_corners=False)
    return torch.cat([table[:, :1], resized.flatten(2).transpose(1, 2)], dim=1)


def build(
    name: str, image_size: Size = DEFAULT_SIZE, drop_path: float = 0.0, zero_init_last: bool = False
) -> nn.Module:
    """Build a randomly initialised network without classifier.

    ``image_size`` (pixels, or height and width) sets the position grid of a ViT; smaller crops are possible later. ViTs
    are initialised as in DINO: [CLS] token and positions from a truncated normal with standard deviation 0.02 (timm
    uses 1e-6 for the token). The last BatchNorm of a ResNet block does not start at 0, as in DINO and SwAV, unless
    ``zero_init_last``. Raises ``InvalidArgument`` for a name that timm does not have, for one with a tag, for a size
    that does not fit, and for a network with infinite constants, which nobody could tell from a training that diverged.
    """
    check_name(name)
    network = _build(name, image_size, drop_path, zero_init_last)
    if bad := not_finite(network.state_dict()):
        raise InvalidArgument(f"{name} holds infinite constants, such as {bad[0]}; choose another backbone")
    return network


def _build(name: str, image_size: Size, drop_path: float, zero_init_last: bool) -> nn.Module:
    if is_model_in_modules(name, TRANSFORMERS):
        return _transformer(name, image_size, drop_path)
    # Stochastic depth is for ViTs only; ResNets train without it, as in the papers.
    extra = {"zero_init_last": zero_init_last} if is_model_in_modules(name, ("resnet",)) else {}
    return input_sizes.for_size(name, create(name, **extra), image_size)


def _transformer(name: str, image_size: Size, drop_path: float) -> nn.Module:
    network: Any = create(name, img_size=image_size, dynamic_img_size=True, drop_path_rate=drop_path)
    if type(network) is not VisionTransformer or not _has_dino_positions(network):
        return network  # type: ignore[no-any-return]
    network.__class__ = DinoTransformer
    network.patch_embed.img_size = None  # the patch convolution cuts a side that is no multiple of the patch
    nn.init.trunc_normal_(network.cls_token, std=0.02)
    nn.init.trunc_normal_(network.pos_embed, std=0.02)
    return network  # type: ignore[no-any-return]


def _has_dino_positions(vit: VisionTransformer) -> bool:
    """Whether a ViT has [CLS], no registers, and a position for [CLS] and for each patch."""
    plain = vit.cls_token is not None and vit.num_prefix_tokens == 1 and vit.pos_embed is not None
    return plain and bool(vit.pos_embed.shape[1] == vit.patch_embed.num_patches + 1)


def multi_crop(backbone: nn.Module, crops: Sequence[Tensor]) -> Tensor:
    """Features (V * B, D), crop-major, from V crops: one forward pass for consecutive crops of equal shape.

    BatchNorm therefore normalises each resolution separately, as in DINO and SwAV. Put the global crops first.
    """
    features, start = [], 0
    for stop in range(1, len(crops) + 1):
        if stop == len(crops) or crops[stop].shape[1:] != crops[start].shape[1:]:
            features.append(backbone(torch.cat(list(crops[start:stop]))))
            start = stop
    return torch.cat(features)


def dimension(backbone: nn.Module, *sizes: Size) -> int:
    """Number D of features that a forward pass returns, for pictures of ``sizes`` (pixels, or height and width).

    timm's ``num_features`` is the width of the last map; mobilenetv3, vgg and others widen it in ``forward``. Raises
    ``InvalidArgument`` for a size that the network does not take, with sizes that it takes.
    """
    return input_sizes.width(backbone, sizes)


def patch_side(backbone: nn.Module) -> int | None:
    """Side of a patch of a transformer in pixels, a hybrid's stem included; ``None`` if it has no patches."""
    return input_sizes.patch_side(backbone)


def check_size(backbone: nn.Module, size: Sequence[int]) -> None:
    """Raise ``InvalidArgument`` if the network does not take pictures of this height and width, with what fits."""
    input_sizes.check(backbone, (size[0], size[1]))
