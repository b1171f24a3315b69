"""Weights are found in what other codes save, under whatever names those put before them."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from copysight.errors import CheckpointMismatch
from training.checkpoints import sources, state_dicts
from training.networks import backbones

State = dict[str, Tensor]


@pytest.fixture(scope="module")
def body() -> nn.Module:
    torch.manual_seed(0)
    return backbones.build("test_resnet")


def prefixed(prefix: str, state: State) -> State:
    return {prefix + name: value for name, value in state.items()}


def zeros(state: State) -> State:
    return {name: torch.zeros_like(value) for name, value in state.items()}


def solo_learn(state: State) -> dict[str, object]:
    """Backbone, projector, classifier and a momentum copy, beside the settings of Lightning."""
    others = {"projector.0.weight": torch.ones(3, 3), "classifier.weight": torch.ones(3, 3)}
    momentum = zeros(prefixed("momentum_backbone.", state))
    return {
        "state_dict": {**momentum, **prefixed("backbone.", state), **others},
        "hyper_parameters": settings(),
        "epoch": 9,
        "optimizer_states": [{"state": {}, "param_groups": []}],
        "pytorch-lightning_version": "2.1.0",
    }


def settings() -> object:
    """An object of the class of Lightning's settings, which need not be installed to read the file."""
    name = "lightning_fabric.utilities.data"
    for part in ("lightning_fabric", "lightning_fabric.utilities", name):
        sys.modules.setdefault(part, ModuleType(part))
    kind = type("AttributeDict", (dict,), {"__module__": name})
    sys.modules[name].AttributeDict = kind
    return kind(lr=0.3, backbone=kind(name="test_resnet"))


LAYOUTS: dict[str, Callable[[State], object]] = {
    "bare": lambda state: state,
    "DistributedDataParallel": lambda state: {"state_dict": prefixed("module.", state), "epoch": 3},
    "torch.compile": lambda state: prefixed("_orig_mod.", state),
    "both": lambda state: {"model": prefixed("module._orig_mod.", state)},
    "the other way": lambda state: {"model": prefixed("_orig_mod.module.", state)},
    "compiled inside": lambda state: {"state_dict": prefixed("backbone._orig_mod.", state)},
    "sharded": lambda state: prefixed("_fsdp_wrapped_module.", state),
    "Lightning": lambda state: {"state_dict": prefixed("model.", state), "hyper_parameters": settings()},
    "solo-learn": solo_learn,
    "MoCo": lambda state: {
        "state_dict": {**zeros(prefixed("module.encoder_k.", state)), **prefixed("module.encoder_q.", state)}
    },
    "student and teacher in one": lambda state: {
        "model": {**zeros(prefixed("student.backbone.", state)), **prefixed("teacher.backbone.", state)}
    },
    "nested": lambda state: {"model": {"student": zeros(state), "teacher": prefixed("backbone.", state)}},
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_backbone_is_found(layout: str, body: nn.Module, tmp_path: Path) -> None:
    torch.save(LAYOUTS[layout](dict(body.state_dict())), tmp_path / "file.ckpt")
    found = sources.read(str(tmp_path / "file.ckpt"), body.state_dict())
    assert {name for name in body.state_dict() if name not in found.state} == set()
    for name, value in body.state_dict().items():
        assert torch.equal(found.state[name], value), name
    assert found.licence == "unknown"


def test_a_safetensors_file_in_half_precision_is_read_as_float32(body: nn.Module, tmp_path: Path) -> None:
    state = {name: value.half() if value.is_floating_point() else value for name, value in body.state_dict().items()}
    save_file(state, tmp_path / "file.safetensors", {"backbone": "test_resnet"})
    found = sources.read(str(tmp_path / "file.safetensors"), body.state_dict())
    assert found.state["bn1.weight"].dtype == torch.float32
    assert torch.equal(found.state["conv1.0.weight"], body.state_dict()["conv1.0.weight"].half().float())


def test_blocks_in_chunks_get_their_own_number() -> None:
    state = {f"backbone.blocks.{n // 3}.{n}.norm1.weight": torch.full((2,), n) for n in range(6)}
    state["backbone.patch_embed.proj.weight"] = torch.zeros(2, 3, 4, 4)
    parts = state_dicts.split(state)
    assert [int(parts.backbone[f"blocks.{n}.norm1.weight"][0]) for n in range(6)] == list(range(6))


def test_what_holds_no_weights_is_told(tmp_path: Path) -> None:
    for content, message in (([1], "holds a list"), ({"epoch": 3}, "no weights but epoch"), ({}, "but nothing")):
        torch.save(content, tmp_path / "file.pth")
        with pytest.raises(CheckpointMismatch, match=message):
            sources.read(str(tmp_path / "file.pth"))
    with pytest.raises(CheckpointMismatch, match="there is no such file"):
        sources.read(str(tmp_path / "absent.pth"))


def test_blocks_with_two_numbers_of_their_own_keep_them(tmp_path: Path) -> None:
    """EfficientNets and MobileNets number the stage, then the block."""
    body = backbones.build("test_efficientnet")
    torch.save(prefixed("backbone.", body.state_dict()), tmp_path / "file.pth")
    found = sources.read(str(tmp_path / "file.pth"), body.state_dict())
    assert set(found.state) == set(body.state_dict())


PARTS: dict[str, tuple[State, str]] = {
    "a stem": ({"downsample_layers.0.0.weight": torch.zeros(96, 3, 4, 4)}, "a ConvNeXt of 96 channels with 0 blocks"),
    "a last layer": (
        {"conv1.weight": torch.zeros(64, 3, 7, 7), "layer4.0.conv1.weight": torch.zeros(512, 256, 3, 3)},
        "a ResNet of 0-0-0-1 basic blocks, 0 channels wide",
    ),
    "no positions": (
        {
            "patch_embed.proj.weight": torch.zeros(384, 3, 14, 14),
            "mask_token": torch.zeros(1, 384),
            "blocks.0.ls1.gamma": torch.zeros(384),
        },
        "a vision transformer of 1 blocks with 384 channels",
    ),
    "flat positions": (
        {"patch_embed.proj.weight": torch.zeros(192, 3, 16, 16), "pos_embed": torch.zeros(5)},
        "a vision transformer of 0 blocks with 192 channels",
    ),
}


@pytest.mark.parametrize("part", PARTS)
def test_a_part_of_a_network_is_told(part: str, tmp_path: Path) -> None:
    state, said = PARTS[part]
    torch.save(state, tmp_path / "file.pth")
    with pytest.raises(CheckpointMismatch, match=said):
        sources.read(str(tmp_path / "file.pth"))
