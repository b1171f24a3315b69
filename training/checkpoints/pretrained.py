"""A network that has already learned, from wherever it is kept: to start another one from."""

import json
from pathlib import Path

from safetensors import safe_open
from torch import nn

from copysight.errors import CheckpointMismatch
from copysight.model import bundle as bundles
from training.checkpoints import checkpoint, frameworks, released
from training.networks import backbones


def backbone(source: Path) -> nn.Module:
    """The backbone, pictures (B, 3, S, S) to (B, D), of a run, a released checkpoint file, or a bundle with weights.

    Raises ``CheckpointMismatch``.
    """
    if (source / bundles.DESCRIPTION).exists():
        return _of_bundle(source)
    if source.is_file() and not checkpoint.is_ours(source):
        return released.load(source).body
    saved = checkpoint.load(source)
    network = backbones.build(saved.backbone, saved.image_size)
    network.load_state_dict(saved.backbone_state)
    return network


def _of_bundle(source: Path) -> nn.Module:
    file = source / frameworks.FILE
    if not file.exists():
        raise CheckpointMismatch(
            f"{source} is a bundle without {frameworks.FILE}: its graphs run but do not train; export it again with "
            "--weights timm, or give the run"
        )
    with safe_open(str(file), "pt") as opened:
        about = opened.metadata()
        state = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 - no mapping
    network = backbones.build(about["backbone"], json.loads(about["preprocess"])["size"])
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise CheckpointMismatch(f"{file} does not hold the weights of {about['backbone']}: {error}") from error
    return network
