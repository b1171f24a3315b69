"""Build timm backbones by name, pictures (B, 3, S, S) to features (B, D), initialised and resized as in DINO."""

from collections.abc import Sequence

import timm
import torch
import torch.nn.functional as F
from timm.models import is_model_in_modules
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from copysight.errors import InvalidArgument

TRANSFORMERS = ("vision_transformer", "vision_transformer_hybrid", "deit")


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
    (Caron et al. 2021, released vision_transformer.py). The table is returned as it is only for the square training
    grid.
    """
    if (rows, columns) == tuple(grid) and rows == columns:
        return table
    patches = table[:, 1:].reshape(1, *grid, -1).permute(0, 3, 1, 2)
    scale = ((rows + 0.1) / grid[0], (columns + 0.1) / grid[1])
    resized = F.interpolate(patches, scale_factor=scale, mode="bicubic", align_corners=False)
    return torch.cat([table[:, :1], resized.flatten(2).transpose(1, 2)], dim=1)


def build(name: str, image_size: int = 224, drop_path: float = 0.0, zero_init_last: bool = False) -> nn.Module:
    """Build a randomly initialised network without classifier.

    ``image_size`` (pixels) sets the position grid of a ViT; smaller crops are possible later. ViTs are initialised as
    in DINO: [CLS] token and positions from a truncated normal with standard deviation 0.02 (timm uses 1e-6 for the
    token). The last BatchNorm of a ResNet block does not start at 0, as in DINO and SwAV, unless ``zero_init_last``.
    Raises ``InvalidArgument`` for a name that timm does not have.
    """
    if not timm.is_model(name):
        near = ", ".join(timm.list_models(f"*{name.split('_', maxsplit=1)[0]}*")[:8]) or "see timm.list_models()"
        raise InvalidArgument(f"got --backbone {name}, which timm does not have; similar names are: {near}")
    if is_model_in_modules(name, TRANSFORMERS):
        return _transformer(name, image_size, drop_path)
    # Stochastic depth is for ViTs only; ResNets train without it, as in the papers.
    extra = {"zero_init_last": zero_init_last} if is_model_in_modules(name, ("resnet",)) else {}
    return timm.create_model(name, num_classes=0, **extra)  # type: ignore[no-any-return]


def _transformer(name: str, image_size: int, drop_path: float) -> nn.Module:
    network = timm.create_model(
        name, num_classes=0, img_size=image_size, dynamic_img_size=True, drop_path_rate=drop_path
    )
    if type(network) is not VisionTransformer or network.cls_token is None or network.num_prefix_tokens != 1:
        return network  # type: ignore[no-any-return]
    network.__class__ = DinoTransformer
    network.patch_embed.img_size = None  # the patch convolution cuts a side that is no multiple of the patch
    nn.init.trunc_normal_(network.cls_token, std=0.02)
    nn.init.trunc_normal_(network.pos_embed, std=0.02)
    return network  # type: ignore[no-any-return]


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


def dimension(backbone: nn.Module) -> int:
    """Number D of features that ``backbone`` returns."""
    return int(backbone.num_features)  # type: ignore[arg-type]
