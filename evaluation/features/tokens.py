"""What the protocols take from a torch network: tokens, and features over several scales."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor

SCALES = (1.0, 1 / 2**0.5, 0.5)


@torch.no_grad()
def last_blocks(vit: VisionTransformer, pictures: Tensor, count: int = 1) -> list[Tensor]:
    """Tokens (B, 1 + P, D) after each of the last ``count`` blocks, each through the final norm; the last one last."""
    tokens = vit.norm_pre(vit._pos_embed(vit.patch_embed(pictures)))
    found = []
    for number, block in enumerate(vit.blocks):
        tokens = block(tokens)
        if number >= len(vit.blocks) - count:
            found.append(vit.norm(tokens))
    return found


@torch.no_grad()
def multi_scale(network: Callable[[Tensor], Tensor], picture: Tensor, scales: Sequence[float] = SCALES) -> Tensor:
    """Mean of the features (1, D) of one picture (1, 3, S, S) at several scales, of length 1.

    One picture at a time: the released code divides by the norm over the whole batch, which is right for one only.
    """
    total = torch.zeros(())
    for scale in scales:
        resized = (
            picture if scale == 1 else F.interpolate(picture, scale_factor=scale, mode="bilinear", align_corners=False)
        )
        total = total + network(resized)
    return F.normalize(total / len(scales), dim=1)
