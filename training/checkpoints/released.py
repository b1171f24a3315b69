"""Checkpoint files of the released DINO, SwAV and DeepCluster-v2 code, by their own names and prefixes.

A DINO file is either a bare backbone, or holds ``student`` and ``teacher`` (the teacher is the one to use). SwAV's and
DeepCluster-v2's are a state dict, perhaps under ``state_dict``, whose names begin with ``module.``. Nothing is loaded
loosely: every tensor must find its place.
"""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from copysight.errors import CheckpointMismatch
from training.checkpoints.checkpoint import UNREADABLE
from training.networks import backbones, heads

VITS = {192: "tiny", 384: "small", 768: "base"}
NATIVE = 224
SWAV_PARTS = ("projection_head.", "prototypes.")
COUNTER = "num_batches_tracked"


@dataclass(frozen=True)
class Official:
    """``backbone``: timm name; ``body``: that network with the file's weights; ``head``: feature to logits, or None."""

    method: str
    backbone: str
    image_size: int
    body: nn.Module
    head: nn.Module | None


def load(path: Path) -> Official:
    """Read a released checkpoint file. Raises ``CheckpointMismatch``, naming what is missing or left over."""
    try:
        # DINO's full files hold their argparse.Namespace, which torch refuses unless told that it is harmless.
        with torch.serialization.safe_globals([argparse.Namespace]):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except UNREADABLE as error:
        raise CheckpointMismatch(f"{path} cannot be read as a torch file ({error}); download it again") from error
    if not isinstance(content, dict):
        raise CheckpointMismatch(f"{path} holds a {type(content).__name__}, not weights; give a released checkpoint")
    state = _stripped(content.get("teacher") or content.get("state_dict") or content)
    if any(name.startswith(SWAV_PARTS) for name in state):
        return _swav(path, state)
    return _dino(path, state)


def _stripped(state: Mapping[str, Any]) -> dict[str, Tensor]:
    """Weights without the prefixes of DistributedDataParallel and of the multi-crop wrapper."""
    plain = {name.removeprefix("module.").removeprefix("backbone."): value for name, value in state.items()}
    return {name: value for name, value in plain.items() if isinstance(value, Tensor)}


def _dino(path: Path, state: dict[str, Tensor]) -> Official:
    head_state = {name.removeprefix("head."): value for name, value in state.items() if name.startswith("head.")}
    rest = {name: value for name, value in state.items() if not name.startswith("head.")}
    backbone, size = _named(path, rest)
    head = heads.rebuild(head_state) if "last_layer.weight_g" in head_state else None
    if head_state and head is None:
        raise CheckpointMismatch(
            f"{path} has a head of another shape than DINO's ({', '.join(sorted(head_state)[:4])} …); use the file "
            "with the backbone only"
        )
    return Official("dino", backbone, size, _filled(path, backbone, size, rest), head)


def _swav(path: Path, state: dict[str, Tensor]) -> Official:
    body = {name: value for name, value in state.items() if not name.startswith(SWAV_PARTS)}
    backbone, size = _named(path, body)
    # DeepCluster-v2 numbers its sets of prototypes; SwAV has one.
    several = any(name.startswith("prototypes.prototypes") for name in state)
    theirs, ours = ("prototypes.prototypes", "prototypes.") if several else ("prototypes.", "prototypes.0.")
    head_state = {name.replace(theirs, ours): value for name, value in state.items() if name.startswith(SWAV_PARTS)}
    try:
        head = heads.rebuild(head_state)
    except (RuntimeError, KeyError, IndexError) as error:
        raise CheckpointMismatch(f"{path} has a head of another shape than SwAV's: {error}") from error
    method = "deepcluster" if several else "swav"
    return Official(method, backbone, size, _filled(path, backbone, size, body), head)


def _named(path: Path, state: Mapping[str, Tensor]) -> tuple[str, int]:
    """Timm name and native size of the backbone whose weights these are."""
    if "pos_embed" in state and "patch_embed.proj.weight" in state:
        width, _, patch, _ = state["patch_embed.proj.weight"].shape
        if width in VITS:
            side = round((state["pos_embed"].shape[1] - 1) ** 0.5) * patch
            return f"vit_{VITS[width]}_patch{patch}_224", side
    if "layer4.2.conv3.weight" in state:
        return "resnet50", NATIVE
    raise CheckpointMismatch(
        f"{path} is of no network that is known here: DINO's ViT-Ti, -S and -B and ResNet-50 are; it begins with "
        f"{', '.join(list(state)[:4])}"
    )


def _filled(path: Path, backbone: str, size: int, state: Mapping[str, Tensor]) -> nn.Module:
    body = backbones.build(backbone, size)
    wanted = body.state_dict()
    missing = sorted(name for name in wanted if name not in state and not name.endswith(COUNTER))
    extra = sorted(name for name in state if name not in wanted and not name.startswith("fc."))
    shaped = [name for name in wanted if name in state and state[name].shape != wanted[name].shape]
    if missing or extra or shaped:
        raise CheckpointMismatch(
            f"{path} does not fit {backbone}: missing {missing[:3]} ({len(missing)}), left over {extra[:3]} "
            f"({len(extra)}), of another shape {shaped[:3]} ({len(shaped)})"
        )
    body.load_state_dict({**wanted, **{name: value for name, value in state.items() if name in wanted}})
    return body
