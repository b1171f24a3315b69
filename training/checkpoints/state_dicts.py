"""Find the weights of a backbone in what training codes save: unwrap names, choose teacher or backbone, split heads."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from copysight.errors import CheckpointMismatch
from training.networks.finite import not_finite

HOLDERS = ("teacher", "state_dict", "model_state_dict", "model", "model_ema", "net", "encoder", "backbone", "module")
"""Keys under which codes save a network, in the order in which they are looked for. DINO's teacher comes first."""
WRAPPERS = re.compile(r"(^|\.)(_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)(?=\.)")
"""Parts of names that torch.compile and sharding add anywhere."""
ANCHORS = ("patch_embed.proj.weight", "conv1.weight", "conv1.0.weight", "downsample_layers.0.0.weight", "stem.0.weight")
"""First layers of ViTs, ResNets and ConvNeXts."""
CHUNKED = re.compile(r"^blocks\.\d+\.(\d+)\.")
"""Names of DINOv2's training, whose blocks are in chunks; the second number counts all blocks."""
SECOND_CHOICE = ("student", "momentum", "target", "online", "encoder_k")
COUNTER = "num_batches_tracked"


@dataclass(frozen=True)
class Parts:
    """Weights of a backbone under its own names, and the others under the names of the file."""

    backbone: dict[str, Tensor]
    rest: dict[str, Tensor]


def weights(content: Any, source: object) -> dict[str, Tensor]:
    """All tensors of a file's network, under names without DistributedDataParallel, torch.compile and sharding.

    ``content``: what the file holds: a state dict, or a checkpoint with one under a usual key. Raises
    ``CheckpointMismatch`` if there are no tensors.
    """
    if not isinstance(content, Mapping):
        raise CheckpointMismatch(
            f"{source} holds a {type(content).__name__} instead of weights; give a checkpoint or a state dict"
        )
    held = next((content[key] for key in HOLDERS if _has_tensors(content.get(key))), content)
    held = next((held[key] for key in HOLDERS if held is not content and _has_tensors(held.get(key))), held)
    state = {_unwrapped(str(name)): value for name, value in held.items() if isinstance(value, Tensor)}
    if not state:
        raise CheckpointMismatch(
            f"{source} holds no weights but {', '.join(str(name) for name in list(content)[:4]) or 'nothing'}; give a "
            "checkpoint or a state dict"
        )
    return state


def split(state: Mapping[str, Tensor], names: Collection[str] = ()) -> Parts:
    """The backbone among ``state``: the names after one prefix, such as ``backbone.`` or ``teacher.backbone.``.

    ``names``: tensor names of the backbone, if it is known. A teacher is preferred; a student or a momentum copy is
    the last choice.
    """
    anchors = names or ANCHORS
    prefixes = {name.removesuffix(anchor) for name in state for anchor in anchors if _ends_with(name, anchor)}
    if not prefixes:
        return Parts(dict(state), {})
    found = {prefix: sum(prefix + name in state for name in names) for prefix in prefixes}
    best = min(prefixes, key=lambda prefix: (-found[prefix], _rank(prefix), len(prefix), prefix))
    backbone = {name.removeprefix(best): value for name, value in state.items() if name.startswith(best)}
    rest = {name: value for name, value in state.items() if not name.startswith(best)}
    return Parts({_without_chunk(name, names): value for name, value in backbone.items()}, rest)


def _without_chunk(name: str, names: Collection[str]) -> str:
    """The name of a tensor without the chunk of its block. The blocks of an EfficientNet have two numbers, too."""
    return name if name in names else CHUNKED.sub(r"blocks.\1.", name)


def check_finite(state: Mapping[str, Tensor], source: object) -> None:
    """Raise ``CheckpointMismatch`` if a tensor holds NaN or infinity; one line names the first."""
    if bad := not_finite(state):
        raise CheckpointMismatch(
            f"the weights of {source} are not finite ({len(bad)} of {len(state)} tensors, such as {bad[0]}); the "
            "training diverged, and nothing can be made of them: train again with a lower learning rate"
        )


def listed(names: Iterable[str]) -> str:
    """The first three names and the number of all, for a message."""
    known = sorted(names)
    return f"{known[:3]} ({len(known)})"


def to_float(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors, with half precision widened to float32."""
    half = (torch.float16, torch.bfloat16)
    return {name: value.float() if value.dtype in half else value for name, value in state.items()}


def _has_tensors(value: object) -> bool:
    return isinstance(value, Mapping) and (
        any(isinstance(one, Tensor) for one in value.values())
        or any(isinstance(value.get(key), Mapping) for key in HOLDERS)
    )


def _unwrapped(name: str) -> str:
    name = WRAPPERS.sub("", name).removeprefix(".")
    while name.startswith("module."):
        name = name.removeprefix("module.")
    return name


def _ends_with(name: str, anchor: str) -> bool:
    return name == anchor or name.endswith("." + anchor)


def _rank(prefix: str) -> int:
    return 0 if "teacher" in prefix else 2 if any(word in prefix for word in SECOND_CHOICE) else 1
