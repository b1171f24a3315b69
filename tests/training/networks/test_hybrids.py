"""Hybrids: a ViT on the frozen stages of a descriptor network."""

from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from safetensors.torch import save_file

from cli.main import main
from copysight.errors import CheckpointMismatch
from copysight.model.bundle import load
from copysight.model.embedder import Embedder
from training.checkpoints import checkpoint, pretrained, sources
from training.checkpoints.state_dicts import COUNTER
from training.networks import backbones
from training.networks.hybrids import STEM, stem_of

NAME = "vit_tiny_frozen_resnet10t"


@pytest.fixture(scope="module")
def run(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("hybrid") / "run"
    sizes = ("--global-size=64", "--local-size=32", "--local-crops=2", "--batch=8", "--epochs=1", "--device=cpu")
    head = ("--prototypes=16", "--hidden=16", "--bottleneck=8", "--collapse-steps=0", "--warmup-epochs=0")
    words = ("train", "dino", str(photos), f"--out={out}", f"--cache={out.parent / 'cache'}", f"--backbone={NAME}")
    done = CliRunner().invoke(main, [*words, "--init=default", *sizes, *head])
    assert done.exit_code == 0, done.output
    assert "for the stem" in done.output
    return out


def test_a_training_changes_the_blocks_and_not_the_stem(run: Path) -> None:
    saved = checkpoint.load(run).backbone_state
    stem = sources.read("default").state
    fresh = backbones.build(NAME, 64).state_dict()
    frozen = [name for name in saved if name.startswith(STEM)]
    assert len(frozen) > 50
    for name in frozen:
        if not name.endswith(COUNTER):  # the teacher is a moving average: equal but for rounding
            torch.testing.assert_close(saved[name], stem[name.removeprefix(STEM)])
    assert not torch.equal(saved["blocks.0.attn.qkv.weight"], fresh["blocks.0.attn.qkv.weight"])


def test_its_bundle_gives_attention_over_the_places_of_the_stem(run: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["export", str(run), "--out", str(tmp_path / "bundle")])
    assert done.exit_code == 0, done.output
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (80, 80, 3), np.uint8))
    assert Embedder(load(tmp_path / "bundle")).attention_maps([picture]).shape == (1, 6, 4, 4)


def test_other_networks_have_no_frozen_stem() -> None:
    assert stem_of(backbones.build(NAME, 64)) == "resnet10t"
    assert stem_of(backbones.build("test_resnet", 64)) is None


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    save_file(
        backbones.build("test_resnet", 64).state_dict(), tmp_path / "one.safetensors", {"backbone": "test_resnet"}
    )
    with pytest.raises(CheckpointMismatch, match=f"holds a test_resnet .*, not a {NAME}"):
        pretrained.initial(str(tmp_path / "one.safetensors"), backbones.build(NAME, 64))
