"""Read the weights of whatever a training can start from: run, bundle, timm network, released file, state dict."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import timm
from torch import Tensor

from copysight.errors import CheckpointMismatch
from copysight.model import bundle as bundles
from copysight.pictures.preprocess import Size
from training.checkpoints import checkpoint, frameworks, onnx_weights, released, torch_file
from training.checkpoints.checkpoint import UNKNOWN
from training.checkpoints.state_dicts import COUNTER, check_finite, split, to_float, weights
from training.networks.input_sizes import own_size
from training.networks.timm_networks import load_published, on_meta, without_tag

TIMM = "timm:"


@dataclass(frozen=True)
class Source:
    """Weights of a backbone under timm's names, and the other tensors of the source under its own names.

    ``kind`` names the source in a message. ``backbone`` and ``image_size`` are ``None`` if it does not say them;
    ``licence`` is then ``unknown``.
    """

    kind: str
    backbone: str | None
    image_size: Size | None
    state: Mapping[str, Tensor]
    rest: Mapping[str, Tensor]
    licence: str = UNKNOWN


def read(source: str, names: Collection[str] = ()) -> Source:
    """Read a source: folder of a run, checkpoint, bundle, ``default``, ``timm:NAME``, torch or safetensors file.

    ``names``: tensor names of the backbone that the weights are for, if it is known. Raises ``CheckpointMismatch`` if
    there are no weights in it, or if they are not finite.
    """
    found = _read(source, Path(source), names)
    check_finite(found.state, source)
    return found


def _read(source: str, path: Path, names: Collection[str]) -> Source:
    if source.startswith(TIMM):
        return _of_timm(source.removeprefix(TIMM))
    if source == "default" or (path / bundles.DESCRIPTION).exists():
        return _of_bundle(source)
    if path.is_dir() or checkpoint.is_checkpoint(path):
        return _of_run(path)
    return _of_file(path, names)


def _of_timm(name: str) -> Source:
    body: Any = load_published(name)
    licence = body.pretrained_cfg.get("license") or UNKNOWN
    return Source(f"timm's {name}", without_tag(name), own_size(body), body.state_dict(), {}, licence)


def _of_bundle(source: str) -> Source:
    listed = frameworks.FILE in (bundle := bundles.load(source, verify=False)).files
    file = bundle.path / frameworks.FILE
    if listed and not file.exists():
        raise CheckpointMismatch(f"the bundle {source} has lost its {file.name}; export it again with --weights timm")
    bundles.load(source)  # verifies the checksums
    if listed:
        state, about = torch_file.read(file)
        size = int(about.get("size") or json.loads(about["preprocess"])["size"])
        return Source(f"the bundle {bundle.name}", without_tag(about["backbone"]), size, state, {}, bundle.licence)
    name = without_tag(bundle.backbone.split(" + ", maxsplit=1)[0])
    own = on_meta(name).state_dict() if timm.is_model(name) else {}
    stored = onnx_weights.read(bundle.path / bundle.graphs[bundle.embedding.graph].variants["fp32"].file)
    parts = split(stored, own)
    if not own or any(one not in parts.backbone for one in own if not one.endswith(COUNTER)):
        raise CheckpointMismatch(
            f"the bundle {source} has no {frameworks.FILE}, and its ONNX graph does not hold all weights of {name}; "
            "export it again with --weights timm, or give the folder of its run"
        )
    kind = f"the graph of the bundle {bundle.name}"
    return Source(kind, name, None, parts.backbone, parts.rest, bundle.licence)


def _of_run(path: Path) -> Source:
    saved = checkpoint.load(path)
    rest = {name: value for name, value in saved.state.items() if not name.startswith(saved.backbone_prefix)}
    kind = f"a {saved.method} run of {saved.step} steps"
    return Source(kind, saved.backbone, saved.image_size, saved.backbone_state, rest, saved.licence)


def _of_file(path: Path, names: Collection[str]) -> Source:
    content, about = torch_file.read(path)
    held = to_float(weights(content, path))
    parts = split(held, names)
    if names and all(name in parts.backbone or name.endswith(COUNTER) for name in names):
        return Source("a state dict", about.get("backbone"), None, parts.backbone, parts.rest)
    if "backbone" in about:  # a weights.safetensors of a bundle, or one with the name of its network beside it
        size = about.get("size") or json.loads(about.get("preprocess", "{}")).get("size")
        name = without_tag(about["backbone"])
        return Source(f"weights of {name}", name, int(size) if size else None, parts.backbone, parts.rest)
    loaded = released.of_state(path, held)
    return Source(f"a {loaded.method} file", loaded.backbone, loaded.image_size, loaded.body.state_dict(), parts.rest)
