"""A training starts from weights: of a run, a bundle, a released file, a state dict; the log says what was loaded."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner, Result
from safetensors.torch import save_file
from torch import nn

from cli.main import main
from copysight.errors import CheckpointMismatch
from copysight.model import bundle as bundles
from training.checkpoints import checkpoint, pretrained, sources
from training.networks import backbones, descriptors

SMALL = ("--backbone=test_resnet", "--global-size=32", "--batch=8", "--epochs=0.3", "--device=cpu", "--threads=1")
CROPS = ("--local-size=16", "--local-crops=2")
STILL = ("--lr=0", "--min-lr=0")
"""Nothing is learned, so that the weights at the end are those at the start."""
METHODS: dict[str, tuple[str, ...]] = {
    "dino": (*CROPS, *STILL, "--prototypes=8", "--hidden=16", "--bottleneck=8", "--warmup-epochs=0"),
    "swav": (*CROPS, *STILL, "--prototypes=6", "--hidden=16", "--output=8", "--optimizer=sgd"),
    "deepcluster": (*CROPS, *STILL, "--prototypes=4", "--hidden=16", "--output=8", "--warmup-epochs=0"),
    "deepcluster-v1": ("--lr=0", "--clusters=4", "--pca=8"),
    "copy": (*STILL, "--first-size=32", "--dimension=16"),
}


def train(method: str, photos: Path, out: Path, *more: object) -> Result:
    fixed = ("train", method, photos, f"--out={out}", f"--cache={out.parent / 'cache'}", *SMALL, *METHODS[method])
    result = CliRunner().invoke(main, [str(word) for word in (*fixed, *more)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def logged(out: Path) -> dict[str, Any]:
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return next(line for line in lines if line["kind"] == "init")


def parameters(network: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.detach() for name, value in network.named_parameters()}


@pytest.fixture(scope="module")
def started(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of SwAV whose weights have moved."""
    out = tmp_path_factory.mktemp("runs") / "first"
    assert train("swav", photos, out, "--lr=0.1").exit_code == 0
    return out


@pytest.mark.parametrize("method", METHODS)
def test_each_method_starts_from_a_run(method: str, started: Path, photos: Path, tmp_path: Path) -> None:
    done = train(method, photos, tmp_path / "run", f"--init={started}")
    assert done.exit_code == 0, done.output
    assert f"init     {started}, a swav run of 1 steps: all " in done.output
    assert "the head starts from random weights" in done.output
    before, after = checkpoint.load(started).backbone_state, checkpoint.load(tmp_path / "run").backbone_state
    for name in parameters(backbones.build("test_resnet")):
        # The momentum teacher of DINO rounds.
        assert torch.allclose(after[name], before[name], atol=1e-6), name
    assert "head.prototypes.0.weight" in logged(tmp_path / "run")["not_loaded"]


def test_a_run_starts_from_a_bundle_and_from_files(started: Path, photos: Path, tmp_path: Path) -> None:
    state = checkpoint.load(started).backbone_state
    torch.save({"state_dict": {f"module.{name}": value for name, value in state.items()}}, tmp_path / "file.pth")
    save_file({name: value.contiguous() for name, value in state.items()}, tmp_path / "file.safetensors")
    export(started, tmp_path / "bundle", "--weights=timm")
    kinds = {
        "bundle": "the bundle swav-test_resnet",
        "file.pth": "a state dict",
        "file.safetensors": "a state dict",
        "first": "a swav run of 1 steps",
    }
    for name, kind in kinds.items():
        source = started if name == "first" else tmp_path / name
        found = pretrained.initial(str(source), backbones.build("test_resnet"))
        assert (found.kind, found.loaded) == (kind, logged_count(state))
        for tensor, value in state.items():
            assert torch.equal(found.state[tensor], value), (name, tensor)
        if not name.startswith("file"):  # a bare file does not say of which network it is
            warm = pretrained.backbone(source)
            assert torch.equal(warm.state_dict()["conv1.0.weight"], state["conv1.0.weight"])
    done = train("dino", photos, tmp_path / "run", f"--init={tmp_path / 'bundle'}")
    assert done.exit_code == 0, done.output


def export(source: Path, out: Path, *more: str) -> None:
    exported = CliRunner().invoke(main, ["export", str(source), f"--out={out}", "--no-places", *more])
    assert exported.exit_code == 0, exported.output


def test_a_graph_with_folded_weights_is_refused(started: Path, tmp_path: Path) -> None:
    """The exporter may fold BatchNorm into the convolution before it; these are not the weights of the network."""
    export(started, tmp_path / "bundle")
    with pytest.raises(
        CheckpointMismatch, match="does not hold all weights of test_resnet; export it again with --weights"
    ):
        pretrained.initial(str(tmp_path / "bundle"), backbones.build("test_resnet"))


def logged_count(state: dict[str, torch.Tensor]) -> int:
    return sum(not name.endswith("num_batches_tracked") for name in state)


def test_a_descriptor_starts_from_the_default_bundle(photos: Path, tmp_path: Path) -> None:
    """Its weights are read from its graph, in half precision, with equal tensors stored once; the linear layer too."""
    shape = ("--backbone=resnet10t", "--dimension=512")
    done = train("copy", photos, tmp_path / "run", "--init=default", *shape)
    assert done.exit_code == 0, done.output
    assert "all 70 tensors of the backbone; beside it descriptor.descriptor.project.weight" in done.output
    state = checkpoint.load(tmp_path / "run").state
    for layer in (2, 3, 4):
        first, shared = (state[f"average.backbone.layer{layer}.0.{name}"] for name in ("downsample.2.bias", "bn2.bias"))
        assert torch.equal(first, shared)
    assert len(state["average.project.weight"]) == 512
    # The same descriptor as that of the bundle, whose embedding is whitened after it: pictures keep their neighbours.
    assert logged(tmp_path / "run")["not_loaded"] == ["whitening.bias", "whitening.weight"]


def test_a_descriptor_starts_from_a_descriptor(photos: Path, tmp_path: Path) -> None:
    torch.manual_seed(1)
    other = descriptors.build("test_resnet", 32, 16)
    save_file(dict(other.state_dict()), tmp_path / "copies.safetensors", {"backbone": "test_resnet"})
    done = train("copy", photos, tmp_path / "run", f"--init={tmp_path / 'copies.safetensors'}")
    assert done.exit_code == 0, done.output
    state = checkpoint.load(tmp_path / "run").state
    for name, value in parameters(other).items():
        assert torch.equal(state[f"average.{name}"], value), name
        assert torch.equal(state[f"descriptor.{name}"], value), name
    assert logged(tmp_path / "run")["not_loaded"] == []
    # Of another dimension the linear layer is left out, and the log says so.
    other = train("copy", photos, tmp_path / "other", f"--init={tmp_path / 'run'}", "--dimension=24")
    assert other.exit_code == 0, other.output
    assert "the head starts from random weights" in other.output
    assert "average.project.weight" in logged(tmp_path / "other")["not_loaded"]


def test_positions_are_resized_and_the_log_says_so(tmp_path: Path) -> None:
    torch.manual_seed(0)
    large, small = backbones.build("test_vit", 160), backbones.build("test_vit", 64)
    torch.save(large.state_dict(), tmp_path / "vit.pth")
    found = pretrained.initial(str(tmp_path / "vit.pth"), small)
    assert found.resized == "positions resized from 10 x 10 to 4 x 4"
    small.load_state_dict(found.state)
    pictures = torch.randn(1, 3, 64, 64)
    # DINO's networks resize by the same rule in every pass.
    with torch.inference_mode():
        assert torch.allclose(small.eval()(pictures), large.eval()(pictures), atol=1e-5)


def test_other_networks_and_missing_tensors_are_refused(started: Path, photos: Path, tmp_path: Path) -> None:
    line = train("swav", photos, tmp_path / "a", f"--init={started}", "--backbone=test_vit")
    assert line.exit_code == 1
    assert (
        f"{started} holds a test_resnet (a swav run of 1 steps), not a test_vit; use --backbone test_resnet"
        in line.output
    )
    state = backbones.build("test_resnet").state_dict()
    del state["bn1.weight"]
    save_file(state, tmp_path / "file.safetensors", {"backbone": "test_resnet"})
    with pytest.raises(CheckpointMismatch, match=r"missing \['bn1.weight'\] \(1\), of another shape \[\] \(0\)"):
        pretrained.initial(str(tmp_path / "file.safetensors"), backbones.build("test_resnet"))
    absent = train("swav", photos, tmp_path / "b", f"--init={tmp_path / 'absent'}")
    assert (absent.exit_code, "there is no such file" in absent.output) == (1, True)
    both = train("swav", photos, tmp_path / "c", f"--init={started}", f"--warm-start={started}")
    assert (both.exit_code, "--init and --warm-start" in both.output) == (1, True)
    assert not any((tmp_path / name).exists() for name in "abc")


def test_a_resumed_run_does_not_start_again(started: Path, photos: Path, tmp_path: Path) -> None:
    words = ("swav", photos, tmp_path / "run", f"--init={started}", "--epochs=1", "--lr=0.1")
    assert train(*words, "--stop-after=0.000001").exit_code == 0
    stopped = checkpoint.load(tmp_path / "run")
    done = train(*words)
    assert done.exit_code == 0, done.output
    assert "init  " not in done.output
    found = checkpoint.load(tmp_path / "run")
    assert found.step > stopped.step
    assert found.training["started_from"]["source"] == started.name


def test_the_licence_of_the_first_weights_stays(started: Path, photos: Path, tmp_path: Path) -> None:
    """A run that starts from a file of unknown origin is not Apache-2.0, nor is its bundle, nor a run that follows."""
    torch.save(backbones.build("test_resnet").state_dict(), tmp_path / "file.pth")
    assert train("swav", photos, tmp_path / "second", f"--init={tmp_path / 'file.pth'}").exit_code == 0
    assert train("dino", photos, tmp_path / "third", f"--init={tmp_path / 'second'}").exit_code == 0
    assert checkpoint.load(started).licence == "Apache-2.0"
    for run in ("second", "third"):
        assert checkpoint.load(tmp_path / run).licence == "unknown"
    export(tmp_path / "third", tmp_path / "bundle", "--weights=timm")
    bundle = bundles.load(tmp_path / "bundle")
    assert bundle.licence == "unknown"
    assert bundle.training["graph0"]["started_from"] == {
        "source": "second",
        "kind": "a swav run of 1 steps",
        "licence": "unknown",
    }
    assert sources.read(str(tmp_path / "bundle")).licence == "unknown"
