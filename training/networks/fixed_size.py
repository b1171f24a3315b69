"""A trained network for one input size: what an exported graph needs."""

import timm
import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from copysight.errors import InvalidArgument
from copysight.pictures.preprocess import Size, in_words, sides
from training.networks import backbones, input_sizes
from training.networks.timm_networks import create, first_line, name_of


def at_size(name: str, body: nn.Module, size: Size) -> nn.Module:
    """The network for pictures of ``size`` only. The positions of a ViT are resized by DINO's rule.

    Raises ``InvalidArgument`` if it does not take the size, with sizes that fit.
    """
    if isinstance(body, VisionTransformer):
        return _transformer(name, body, size)
    if input_sizes.refusal(body, size) is None:
        return body
    return _built_for(name, body, size)


def _transformer(name: str, body: VisionTransformer, size: Size) -> nn.Module:
    patch = input_sizes.patch_side(body) or 1
    if wrong := [side for side in sides(size) if side % patch]:
        raise InvalidArgument(
            f"got a size of {in_words(size)} px for patches of {patch} px; choose a multiple of {patch}, such as "
            f"{wrong[0] // patch * patch or patch} or {-(-wrong[0] // patch) * patch}"
        )
    fixed = create(name, img_size=size)
    state = body.state_dict()
    if body.pos_embed is not None:
        state["pos_embed"] = resized_positions(body.pos_embed, body.patch_embed.grid_size, fixed.patch_embed.grid_size)  # type: ignore[union-attr,arg-type]
    try:
        fixed.load_state_dict(state)
    except RuntimeError as error:
        raise _refused(body, size, first_line(error)) from error
    return fixed


def resized_positions(table: Tensor, grid: tuple[int, int], new: tuple[int, int]) -> Tensor:
    """Resize a position table (1, L + P, D) from ``grid`` to ``new`` by DINO's rule; the L leading rows stay."""
    places = grid[0] * grid[1]
    leading, patches = table[:, :-places], table[:, -places:]
    # `resize_positions` expects exactly one leading row: pass a dummy row, then add the real leading rows.
    with_dummy = torch.cat([patches[:, :1], patches], dim=1)
    resized = backbones.resize_positions(with_dummy, (grid[0], grid[1]), *new)[:, 1:]
    return torch.cat([leading, resized], dim=1)


def _built_for(name: str, body: nn.Module, size: Size) -> nn.Module:
    """The network as timm builds it for ``size``, if all weights fit there."""
    try:
        fixed = timm.create_model(name, num_classes=0, img_size=size)
        fixed.load_state_dict(body.state_dict())
    except input_sizes.ERRORS as error:
        raise _refused(body, size, input_sizes.refusal(body, size) or first_line(error)) from error
    if (reason := input_sizes.refusal(fixed, size)) is not None:
        raise _refused(body, size, reason)
    return fixed  # type: ignore[no-any-return]


def _refused(body: nn.Module, size: Size, reason: str) -> InvalidArgument:
    return InvalidArgument(
        f"{name_of(body)} does not take pictures of {in_words(size)} px ({reason}); sizes that fit: "
        f"{input_sizes.fitting(body, size)} px"
    )
