"""Checkpoint files in the released layouts, with random weights, load completely or raise an error."""

import argparse
from pathlib import Path

import pytest
import torch
from torch import nn

from copysight.errors import CheckpointMismatch
from training.checkpoints import released
from training.networks import backbones
from training.networks.heads import DinoHead, SwavHead

X = torch.linspace(-1, 1, 3 * 64 * 64).reshape(1, 3, 64, 64)


def same(found: nn.Module, expected: nn.Module) -> bool:
    with torch.inference_mode():
        return torch.equal(found.eval()(X), expected.eval()(X))


def prefixed(prefix: str, state: dict) -> dict:
    return {prefix + name: value for name, value in state.items()}


@pytest.fixture(scope="module")
def vit() -> nn.Module:
    return backbones.build("vit_tiny_patch16_224", 224)


@pytest.fixture(scope="module")
def resnet() -> nn.Module:
    torch.manual_seed(0)
    return backbones.build("resnet50")


def test_a_dino_backbone_without_head_loads(vit: nn.Module, tmp_path: Path) -> None:
    torch.save(vit.state_dict(), tmp_path / "dino.pth")
    found = released.load(tmp_path / "dino.pth")
    # A supervised ViT has the same names, so the file does not say that DINO trained it.
    assert (found.method, found.backbone, found.image_size) == ("unknown", "vit_tiny_patch16_224", 224)
    assert found.head is None
    assert same(found.body, vit)


def test_a_full_dino_checkpoint_gives_the_teacher(vit: nn.Module, tmp_path: Path) -> None:
    head = DinoHead(192, 12, 16, 8)
    teacher = {**prefixed("backbone.", vit.state_dict()), **prefixed("head.", head.state_dict())}
    student = prefixed("module.", {name: torch.zeros_like(value) for name, value in teacher.items()})
    content = {"student": student, "teacher": teacher, "epoch": 3, "args": argparse.Namespace(lr=1.0), "optimizer": {}}
    torch.save(content, tmp_path / "full.pth")
    found = released.load(tmp_path / "full.pth")
    assert same(found.body, vit)
    assert found.head is not None
    x = torch.randn(2, 192)
    assert torch.equal(found.head(x), head(x))
    torch.save({**content, "teacher": prefixed("module.", teacher)}, tmp_path / "ddp.pth")
    assert same(released.load(tmp_path / "ddp.pth").body, vit)


@pytest.mark.parametrize("method", ["swav", "deepcluster"])
def test_swav_and_deepcluster_files_load(method: str, resnet: nn.Module, tmp_path: Path) -> None:
    head = SwavHead(2048, (6,) if method == "swav" else (6, 6), 16, 8)
    names = ("prototypes.0.", "prototypes.") if method == "swav" else ("prototypes.", "prototypes.prototypes")
    state = {name.replace(*names): value for name, value in head.state_dict().items()}
    state = prefixed("module.", {**resnet.state_dict(), **state})
    torch.save(state, tmp_path / "file.pth.tar")
    found = released.load(tmp_path / "file.pth.tar")
    assert (found.method, found.backbone) == (method, "resnet50")
    assert same(found.body, resnet)
    assert found.head is not None
    x = torch.randn(3, 2048)
    assert torch.equal(found.head.eval()(x), head.eval()(x))


def test_the_error_names_what_does_not_match(vit: nn.Module, tmp_path: Path) -> None:
    state, file = dict(vit.state_dict()), tmp_path / "bad.pth"
    for changed, message in (
        ({k: v for k, v in state.items() if k != "norm.weight"}, r"missing \['norm.weight'\] \(1\)"),
        ({**state, "extra.weight": torch.zeros(1)}, r"unknown \['extra.weight'\] \(1\)"),
        ({**state, "norm.weight": torch.zeros(5)}, r"another shape \['norm.weight'\] \(1\)"),
        ({**state, "head.mlp.0.weight": torch.zeros(2, 2)}, "a head of another shape"),
        ({"a": torch.zeros(1)}, "holds an unknown network"),
        ([1, 2], "holds a list"),
    ):
        torch.save(changed, file)
        with pytest.raises(CheckpointMismatch, match=message):
            released.load(file)
    file.write_bytes(b"not a checkpoint")
    with pytest.raises(CheckpointMismatch, match="cannot be read"):
        released.load(file)
