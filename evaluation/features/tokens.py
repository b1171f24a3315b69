"""Tokens of the last blocks of a vision transformer, and multi-scale features."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SCALES = (1.0, 1 / 2**0.5, 0.5)


@torch.no_grad()
def last_blocks(vit: nn.Module, pictures: Tensor, count: int = 1) -> list[Tensor]:
    """Return the tokens after each of the last ``count`` blocks, in order, after the final norm.

    Tokens are (B, L + P, D): L prefix tokens ([CLS], then registers), then the patches.
    """
    found = vit.forward_intermediates(  # type: ignore[operator]
        pictures, indices=count, return_prefix_tokens=True, norm=True, output_fmt="NLC", intermediates_only=True
    )
    return [one if isinstance(one, Tensor) else torch.cat([one[1], one[0]], dim=1) for one in found]


def without_registers(tokens: Tensor, prefix: int) -> Tensor:
    """Return [CLS] and the patches, (B, 1 + P, D), of tokens (B, ``prefix`` + P, D) that begin with [CLS]."""
    return tokens if prefix == 1 else torch.cat([tokens[:, :1], tokens[:, prefix:]], dim=1)


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
