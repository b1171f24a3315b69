"""Tokens of the last blocks of a vision transformer, and multi-scale features."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor

SCALES = (1.0, 1 / 2**0.5, 0.5)


@torch.no_grad()
def last_blocks(vit: VisionTransformer, pictures: Tensor, count: int = 1) -> list[Tensor]:
    """Return the tokens (B, 1 + P, D) after each of the last ``count`` blocks, in order, after the final norm."""
    tokens = vit.norm_pre(vit._pos_embed(vit.patch_embed(pictures)))
    found = []
    for number, block in enumerate(vit.blocks):
        tokens = block(tokens)
        if number >= len(vit.blocks) - count:
            found.append(vit.norm(tokens))
    return found


@torch.no_grad()
def multi_scale(network: Callable[[Tensor], Tensor], picture: Tensor, scales: Sequence[float] = SCALES) -> Tensor:
    """Return the mean (1, D) of the features of one picture (1, 3, S, S) at several scales, normalised to length 1.

    Only one picture at a time: the released code divides by the norm of the whole batch, which is correct for one.
    """
    total = torch.zeros(())
    for scale in scales:
        resized = (
            picture if scale == 1 else F.interpolate(picture, scale_factor=scale, mode="bilinear", align_corners=False)
        )
        total = total + network(resized)
    return F.normalize(total / len(scales), dim=1)
