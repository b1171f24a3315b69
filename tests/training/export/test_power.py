"""The exponent of the pooling of an export: that of the training, or another one by ``--power``."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from click.testing import CliRunner, Result

from cli.main import main
from copysight.model import bundle as bundles
from copysight.model.embedder import Embedder
from copysight.pictures.preprocess import to_batch
from tests.conftest import drawn_picture
from training.checkpoints import checkpoint
from training.networks import descriptors

SMALL = ("--backbone=test_resnet", "--global-size=64", "--batch=8", "--epochs=0.3", "--device=cpu", "--threads=1")


def run(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


@pytest.fixture(scope="module")
def copies(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the copy method with a power of 2."""
    out = tmp_path_factory.mktemp("runs") / "copies"
    more = ("--first-size=64", "--dimension=16", "--power=2", f"--cache={out.parent / 'cache'}")
    assert run("train", "copy", photos, f"--out={out}", *SMALL, *more).exit_code == 0
    return out


@pytest.mark.parametrize(("given", "power"), [((), 2.0), (("--power=4",), 4.0)])
def test_an_export_pools_with_the_power_of_the_training_or_the_given_one(
    copies: Path, tmp_path: Path, given: tuple[str, ...], power: float
) -> None:
    assert run("export", copies, "--out", tmp_path / "bundle", "--no-places", *given).exit_code == 0
    bundle, saved = bundles.load(tmp_path / "bundle"), checkpoint.load(copies)
    network = descriptors.build("test_resnet", 64, 16, power).eval()
    network.load_state_dict(
        {name.removeprefix("average."): value for name, value in saved.state.items() if name.startswith("average.")}
    )
    pictures = [drawn_picture(seed) for seed in range(3)]
    pixels = torch.from_numpy(to_batch(pictures, bundle.graphs[bundle.embedding.graph].preprocess))
    with torch.no_grad():
        expected = F.normalize(network(pixels), dim=1).numpy()
    assert np.abs(Embedder(bundle).embed(pictures) - expected).max() < 1e-4


def test_a_network_that_does_not_pool_so_refuses_a_power(tmp_path: Path) -> None:
    done = run("export", "timm:test_resnet", "--random", "--out", tmp_path / "bundle", "--power=4")
    assert done.exit_code == 1
    assert "got --power for timm:test_resnet, which is no run of copy or distil; omit it" in done.output
    assert run("export", "timm:test_resnet", "--random", "--out", tmp_path / "bundle", "--power=0").exit_code == 2
