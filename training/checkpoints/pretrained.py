"""Load a pretrained backbone from a run, a released checkpoint or a bundle, to start a training from it."""

import json
from pathlib import Path

from safetensors import safe_open
from torch import nn

from copysight.errors import CheckpointMismatch
from copysight.model import bundle as bundles
from training.checkpoints import checkpoint, frameworks, released
from training.networks import backbones


def backbone(source: Path) -> nn.Module:
    """The backbone, pictures (B, 3, S, S) to features (B, D), of a run, a released checkpoint or a bundle.

    Raises ``CheckpointMismatch`` if the weights cannot be read, or if the bundle has no ``weights.safetensors``.
    """
    if (source / bundles.DESCRIPTION).exists():
        return _of_bundle(source)
    if source.is_file() and not checkpoint.is_checkpoint(source):
        return released.load(source).body
    saved = checkpoint.load(source)
    network = backbones.build(saved.backbone, saved.image_size)
    network.load_state_dict(saved.backbone_state)
    return network


def _of_bundle(source: Path) -> nn.Module:
    file = source / frameworks.FILE
    if not file.exists():
        raise CheckpointMismatch(
            f"the bundle {source} has no {frameworks.FILE}, and its ONNX graphs cannot be trained; export it again "
            "with --weights timm, or give the folder of its run"
        )
    with safe_open(str(file), "pt") as opened:
        about = opened.metadata()
        state = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 - not a mapping
    network = backbones.build(about["backbone"], json.loads(about["preprocess"])["size"])
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise CheckpointMismatch(f"{file} does not hold the weights of {about['backbone']}: {error}") from error
    return network
