"""Load the released checkpoint files of DINO, SwAV, DeepCluster-v2, DINOv2 and DINOv3, and files of the same layouts.

A DINO file is either a bare backbone, or holds ``student`` and ``teacher`` beside optimiser and arguments; the teacher
is used. Files of SwAV and DeepCluster-v2 are a state dict, sometimes under the key ``state_dict``; its names begin with
``module.``. DINOv2 and DINOv3 release the bare teacher; their training saves it under ``teacher``. Lightning and
solo-learn save ``state_dict`` with ``backbone.`` or ``model.`` before each name. Loading is strict: every tensor of the
backbone must match.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from copysight.errors import CheckpointMismatch
from training.checkpoints import architectures, torch_file
from training.checkpoints.architectures import Architecture
from training.checkpoints.checkpoint import UNKNOWN
from training.checkpoints.state_dicts import COUNTER, Parts, check_finite, listed, split, to_float, weights
from training.networks import backbones, heads
from training.networks.timm_networks import first_line

SWAV_PARTS = ("projection_head.", "prototypes.")
CLASSIFIERS = ("fc.weight", "fc.bias", "head.weight", "head.bias", "head_dist.weight", "head_dist.bias")


@dataclass(frozen=True)
class Released:
    """A released network. ``backbone``: its timm name; ``body``: (B, 3, S, S) to (B, D); ``head``: (B, D) to (B, K).

    ``method`` is ``unknown`` for a bare backbone of ordinary layout: supervised weights look the same.
    """

    method: str
    backbone: str
    image_size: int
    body: nn.Module
    head: nn.Module | None


def load(path: Path) -> Released:
    """Read a checkpoint file of another program.

    Raises ``CheckpointMismatch``, which says what the file is, and which tensors are missing, unknown or of another
    shape.
    """
    return of_state(path, to_float(weights(torch_file.read(path)[0], path)))


def of_state(path: Path, state: dict[str, Tensor]) -> Released:
    """The network of the tensors that ``path`` holds. Raises as ``load``."""
    if any(name.startswith(SWAV_PARTS) for name in state):
        return _swav(path, state)
    parts = split(state)
    known = architectures.identify(parts.backbone, path)
    method, head = _head(path, parts, known)
    return Released(method, known.name, known.size, load_strictly(path, known, parts.backbone), head)


def _head(path: Path, parts: Parts, known: Architecture) -> tuple[str, nn.Module | None]:
    """The method that the file shows, and the head of DINO that it holds."""
    if known.method is not None:
        return known.method, None
    everything = {**parts.rest, **parts.backbone}
    state = {name.removeprefix("head."): value for name, value in everything.items() if name.startswith("head.")}
    state = {name: value for name, value in state.items() if f"head.{name}" not in CLASSIFIERS}
    if not state:
        return UNKNOWN, None
    try:
        head = heads.rebuild(state) if "last_layer.weight_g" in state else None
    except (RuntimeError, KeyError, IndexError):
        head = None
    if head is None:
        raise CheckpointMismatch(
            f"{path} has a head of another shape than DINO's ({listed(state)}); use the released file that holds only "
            "the backbone"
        )
    return "dino", head


def _swav(path: Path, state: dict[str, Tensor]) -> Released:
    body = {name: value for name, value in state.items() if not name.startswith(SWAV_PARTS)}
    known = architectures.identify(body, path)
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
    return Released(method, known.name, known.size, load_strictly(path, known, body), head)


def load_strictly(source: object, known: Architecture, state: Mapping[str, Tensor]) -> nn.Module:
    """The network with these weights; classifiers and heads are left out.

    Raises ``CheckpointMismatch`` if a tensor is missing, unknown or of another shape.
    """
    body = backbones.build(known.name, known.size)
    expected = body.state_dict()
    try:
        state = known.convert(dict(state), body)
    except (KeyError, IndexError, RuntimeError, ValueError) as error:
        raise CheckpointMismatch(
            f"the weights in {source} cannot be converted to {known.name} ({first_line(error)}); download it again"
        ) from error
    missing = [name for name in expected if name not in state and not name.endswith(COUNTER)]
    extra = [name for name in state if name not in expected and not name.startswith((*CLASSIFIERS, "head."))]
    reshaped = [name for name in expected if name in state and state[name].shape != expected[name].shape]
    if missing or extra or reshaped:
        raise CheckpointMismatch(
            f"the weights in {source} do not match {known.name}: missing {listed(missing)}, unknown {listed(extra)}, "
            f"of another shape {listed(reshaped)}; download the file again"
        )
    state = {name: value for name, value in state.items() if name in expected}
    check_finite(state, source)
    body.load_state_dict({**expected, **state})
    return body
