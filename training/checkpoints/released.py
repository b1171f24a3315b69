"""Load the released checkpoint files of DINO, SwAV and DeepCluster-v2.

A DINO file is either a bare backbone, or holds ``student`` and ``teacher``; the teacher is used. Files of SwAV and
DeepCluster-v2 are a state dict, sometimes under the key ``state_dict``; its names begin with ``module.``. Loading is
strict: every tensor must match.
"""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from copysight.errors import CheckpointMismatch
from training.checkpoints.checkpoint import READ_ERRORS
from training.networks import backbones, heads

VITS = {192: "tiny", 384: "small", 768: "base"}
RESNET_SIZE = 224
SWAV_PARTS = ("projection_head.", "prototypes.")
COUNTER = "num_batches_tracked"


@dataclass(frozen=True)
class Released:
    """A released network. ``backbone``: its timm name; ``body``: (B, 3, S, S) to (B, D); ``head``: (B, D) to (B, K)."""

    method: str
    backbone: str
    image_size: int
    body: nn.Module
    head: nn.Module | None


def load(path: Path) -> Released:
    """Read a released checkpoint file.

    Raises ``CheckpointMismatch``, which names the tensors that are missing, unknown or of another shape.
    """
    try:
        # DINO's full files hold an argparse.Namespace, which torch refuses unless it is listed as safe.
        with torch.serialization.safe_globals([argparse.Namespace]):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except READ_ERRORS as error:
        raise CheckpointMismatch(f"{path} cannot be read as a torch file ({error}); download the file again") from error
    if not isinstance(content, dict):
        raise CheckpointMismatch(
            f"{path} holds a {type(content).__name__} instead of weights; give a released checkpoint"
        )
    state = _without_prefixes(content.get("teacher") or content.get("state_dict") or content)
    if any(name.startswith(SWAV_PARTS) for name in state):
        return _swav(path, state)
    return _dino(path, state)


def _without_prefixes(state: Mapping[str, Any]) -> dict[str, Tensor]:
    """Weights under names without the prefixes of DistributedDataParallel and of the multi-crop wrapper."""
    plain = {name.removeprefix("module.").removeprefix("backbone."): value for name, value in state.items()}
    return {name: value for name, value in plain.items() if isinstance(value, Tensor)}


def _dino(path: Path, state: dict[str, Tensor]) -> Released:
    head_state = {name.removeprefix("head."): value for name, value in state.items() if name.startswith("head.")}
    rest = {name: value for name, value in state.items() if not name.startswith("head.")}
    backbone, size = _identify_backbone(path, rest)
    head = heads.rebuild(head_state) if "last_layer.weight_g" in head_state else None
    if head_state and head is None:
        raise CheckpointMismatch(
            f"{path} has a head of another shape than DINO's ({', '.join(sorted(head_state)[:4])} …); use the "
            "released file that holds only the backbone"
        )
    return Released("dino", backbone, size, _load_strictly(path, backbone, size, rest), head)


def _swav(path: Path, state: dict[str, Tensor]) -> Released:
    body = {name: value for name, value in state.items() if not name.startswith(SWAV_PARTS)}
    backbone, size = _identify_backbone(path, body)
    # DeepCluster-v2 has several numbered sets of prototypes; SwAV has one set.
    several = any(name.startswith("prototypes.prototypes") for name in state)
    released, own = ("prototypes.prototypes", "prototypes.") if several else ("prototypes.", "prototypes.0.")
    head_state = {name.replace(released, own): value for name, value in state.items() if name.startswith(SWAV_PARTS)}
    try:
        head = heads.rebuild(head_state)
    except (RuntimeError, KeyError, IndexError) as error:
        raise CheckpointMismatch(
            f"{path} has a head of another shape than SwAV's ({error}); give a released SwAV checkpoint"
        ) from error
    method = "deepcluster" if several else "swav"
    return Released(method, backbone, size, _load_strictly(path, backbone, size, body), head)


def _identify_backbone(path: Path, state: Mapping[str, Tensor]) -> tuple[str, int]:
    """Name in timm and native size in pixels of the backbone that has these weights."""
    if "pos_embed" in state and "patch_embed.proj.weight" in state:
        width, _, patch, _ = state["patch_embed.proj.weight"].shape
        if width in VITS:
            side = round((state["pos_embed"].shape[1] - 1) ** 0.5) * patch
            return f"vit_{VITS[width]}_patch{patch}_224", side
    if "layer4.2.conv3.weight" in state:
        return "resnet50", RESNET_SIZE
    raise CheckpointMismatch(
        f"{path} holds an unknown network; its first tensors are {', '.join(list(state)[:4])}. Give weights of "
        "DINO's ViT-Ti, ViT-S or ViT-B, or of a ResNet-50"
    )


def _load_strictly(path: Path, backbone: str, size: int, state: Mapping[str, Tensor]) -> nn.Module:
    body = backbones.build(backbone, size)
    expected = body.state_dict()
    missing = sorted(name for name in expected if name not in state and not name.endswith(COUNTER))
    extra = sorted(name for name in state if name not in expected and not name.startswith("fc."))
    reshaped = [name for name in expected if name in state and state[name].shape != expected[name].shape]
    if missing or extra or reshaped:
        raise CheckpointMismatch(
            f"the weights in {path} do not match {backbone}: missing {missing[:3]} ({len(missing)}), unknown "
            f"{extra[:3]} ({len(extra)}), of another shape {reshaped[:3]} ({len(reshaped)}); download the file again"
        )
    body.load_state_dict({**expected, **{name: value for name, value in state.items() if name in expected}})
    return body
