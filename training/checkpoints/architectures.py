"""Tell from names and shapes of weights which network of timm a file holds, and convert them to timm's names."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import timm
from timm.models import convnext, eva, vision_transformer
from torch import Tensor, nn

from copysight.errors import CheckpointMismatch
from training.networks.timm_networks import on_meta

State = dict[str, Tensor]
Conversion = Callable[[State, nn.Module], State]
WIDTHS = {192: "tiny", 384: "small", 768: "base", 1024: "large", 1280: "huge", 1536: "giant", 4096: "7b"}
RESNETS: Mapping[tuple[int | bool, ...], str] = {
    (2, 2, 2, 2, False): "resnet18",
    (3, 4, 6, 3, False): "resnet34",
    (3, 4, 6, 3, True): "resnet50",
    (3, 4, 23, 3, True): "resnet101",
    (3, 8, 36, 3, True): "resnet152",
}
"""Blocks of the four layers, and whether they are bottlenecks -> name."""
CONVNEXTS = {(96, 9): "tiny", (96, 27): "small", (128, 27): "base", (192, 27): "large"}
"""First width and blocks of the third stage -> name."""
RESNET_SIZE, DINOV3_SIZE = 224, 256
READ = (
    "Files that are read: DINO's ViTs and ResNets, SwAV and DeepCluster-v2 (ResNet-50), DINOv2 (ViT-S/14 to ViT-g/14, "
    "with or without registers), DINOv3 (ViTs and ConvNeXts), and ResNets and ViTs under the names of torchvision and "
    "timm; a run can start from any network of timm: train … --backbone NAME --init FILE"
)


@dataclass(frozen=True)
class Architecture:
    """A network of timm. ``size``: pixels at which it was trained; ``method``: what its layout shows, if anything.

    ``convert`` maps the tensors of a file to timm's names.
    """

    name: str
    size: int
    method: str | None = None
    convert: Conversion = lambda state, _: state


def identify(state: Mapping[str, Tensor], source: object) -> Architecture:
    """The network that has these weights. Raises ``CheckpointMismatch``, which says what the file holds instead."""
    if "patch_embed.proj.weight" in state and state["patch_embed.proj.weight"].ndim == 4:
        return _vit(state, source)
    if "layer4.0.conv1.weight" in state:
        return _resnet(state, source)
    if "downsample_layers.0.0.weight" in state:
        return _convnext(state, source)
    raise CheckpointMismatch(
        f"{source} holds an unknown network; its first tensors are {', '.join(list(state)[:4])}. {READ}"
    )


def _vit(state: Mapping[str, Tensor], source: object) -> Architecture:
    width, _, patch, _ = state["patch_embed.proj.weight"].shape
    blocks = _count(state, r"blocks\.(\d+)\.")
    kind, named = _vit_of_layout(state, WIDTHS.get(width, "?"), patch)
    if timm.is_model(named.name) and len(on_meta(named.name).blocks) == blocks:  # type: ignore[arg-type]
        return named
    raise CheckpointMismatch(
        f"{source} holds a {kind} transformer of {blocks} blocks with {width} channels and patches of {patch} px, and "
        f"timm has no such network. {READ}"
    )


def _vit_of_layout(state: Mapping[str, Tensor], width: str, patch: int) -> tuple[str, Architecture]:
    """What the names say: kind of transformer for a message, and the network of this width and patch."""
    if "storage_tokens" in state or "rope_embed.periods" in state:
        name = _dinov3_name(state, width, patch)
        return "DINOv3", Architecture(name, DINOV3_SIZE, "dinov3", eva.checkpoint_filter_fn)
    side = _side(state, patch)
    if side and "mask_token" in state and "blocks.0.ls1.gamma" in state:
        name = f"vit_{width}_patch{patch}_{'reg4_' if 'register_tokens' in state else ''}dinov2"
        return "DINOv2", Architecture(name, side, "dinov2", vision_transformer.checkpoint_filter_fn)
    return "vision", Architecture(f"vit_{width}_patch{patch}_224" if side else "", side)


def _side(state: Mapping[str, Tensor], patch: int) -> int:
    """Side in pixels of the pictures that a table of positions (1, 1 + P, D) is for; 0 without one."""
    table = state.get("pos_embed")
    return 0 if table is None or table.ndim != 3 else int(round((table.shape[1] - 1) ** 0.5) * patch)


def _count(state: Mapping[str, Tensor], pattern: str) -> int:
    """Number of blocks, from the highest number in names that match ``pattern``; 0 if none does."""
    return 1 + max((int(found[1]) for name in state if (found := re.match(pattern, name))), default=-1)


def _dinov3_name(state: Mapping[str, Tensor], width: str, patch: int) -> str:
    """Name in timm. The gated MLP marks the `plus` sizes; timm drops a bias of queries, keys and values that is 0."""
    plus = "_plus" if "blocks.0.mlp.w1.weight" in state and width in {"small", "huge"} else ""
    biased = any(bool((value != 0).any()) for name, value in state.items() if name.endswith("attn.qkv.bias"))
    name = f"vit_{width}{plus}_patch{patch}_dinov3"
    return f"{name}_qkvb" if biased and timm.is_model(f"{name}_qkvb") else name


def _resnet(state: Mapping[str, Tensor], source: object) -> Architecture:
    blocks = [_count(state, rf"layer{layer}\.(\d+)\.") for layer in range(1, 5)]
    bottlenecks = "layer4.0.conv3.weight" in state
    name = RESNETS.get((*blocks, bottlenecks))
    width = len(state.get("layer1.0.conv1.weight", ()))
    if name is None or width != 64:
        kind = "bottlenecks" if bottlenecks else "basic blocks"
        raise CheckpointMismatch(
            f"{source} holds a ResNet of {'-'.join(map(str, blocks))} {kind}, {width} channels wide, and this is not "
            f"one of {', '.join(RESNETS.values())} of the ordinary width. {READ}"
        )
    return Architecture(name, RESNET_SIZE)


def _convnext(state: Mapping[str, Tensor], source: object) -> Architecture:
    blocks = _count(state, r"stages\.2\.(\d+)\.")
    width = len(state["downsample_layers.0.0.weight"])
    name = CONVNEXTS.get((width, blocks))
    if name is None:
        raise CheckpointMismatch(
            f"{source} holds a ConvNeXt of {width} channels with {blocks} blocks in its third stage, which is not one "
            f"of {', '.join(CONVNEXTS.values())}. {READ}"
        )
    method, size = ("dinov3", DINOV3_SIZE) if any(name.startswith("norms.") for name in state) else (None, RESNET_SIZE)
    return Architecture(f"convnext_{name}", size, method, convnext.checkpoint_filter_fn)
