"""Whole training jobs through the command line: warm start, probe, resume and error messages."""

import dataclasses
import json
import re
import shutil
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result

from cli.main import main
from copysight.errors import CheckpointMismatch, InvalidArgument
from tests.conftest import drawn_picture
from training.checkpoints import checkpoint, pretrained
from training.commands import presets
from training.commands import train as commands
from training.methods.copy import CopyConfig
from training.methods.deepcluster import DeepClusterConfig
from training.methods.deepcluster_v1 import DeepClusterV1Config
from training.methods.dino import DinoConfig
from training.methods.distil import DistilConfig
from training.methods.swav import SwavConfig
from training.networks.backbones import build
from training.run import knn_probe, training_log
from training.run.plan import Plan

SMALL = {
    "global-size": 32,
    "local-size": 16,
    "local-crops": 2,
    "batch": 8,
    "epochs": 1,
    "warmup-epochs": 0,
    "hidden": 32,
    "device": "cpu",
}

PLAIN = ("global-size", "batch", "epochs", "device")


def train(method: str, source: Path, out: Path, *more: str) -> Result:
    small = [f"--{name}={value}" for name, value in SMALL.items()]
    files = [str(source), f"--out={out}", f"--cache={out.parent / 'cache'}"]
    return CliRunner().invoke(main, ["train", method, *files, *small, *more])


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes that differ in colour, as a folder ``shades/<split>/<class>``."""
    root = tmp_path_factory.mktemp("labelled") / "shades"
    for split, count in (("train", 8), ("val", 4)):
        for number in range(count):
            for shade, colour in (("dark", (20, 10, 60)), ("light", (230, 220, 120))):
                folder = root / split / shade
                folder.mkdir(parents=True, exist_ok=True)
                picture = drawn_picture(number + 50 * (split == "val"), (48, 48))
                picture.paste(colour, (0, 0, 48, 36))
                picture.save(folder / f"{number}.jpg")
    return root


def test_a_warm_start_imitates_a_resnet_and_then_trains_dino(photos: Path, labelled: Path, tmp_path: Path) -> None:
    first = train("swav", photos, tmp_path / "resnet", "--backbone=test_resnet", "--prototypes=8", "--output=16")
    assert first.exit_code == 0, first.output
    second = train(
        "dino", photos, tmp_path / "vit", "--backbone=test_vit", "--prototypes=8", "--bottleneck=16", "--lr=0",
        f"--warm-start={tmp_path / 'resnet'}", "--warm-start-pictures=48", "--warm-start-batch=8",
        f"--probe={labelled}",
    )  # fmt: skip
    assert second.exit_code == 0, second.output
    imitated, trained = checkpoint.load(tmp_path / "vit" / "imitation"), checkpoint.load(tmp_path / "vit")
    assert (imitated.method, imitated.step, trained.method) == ("imitation", 6, "dino")
    student = {
        n.removeprefix("student.backbone."): v for n, v in trained.state.items() if n.startswith("student.backbone.")
    }
    for name, value in imitated.backbone_state.items():
        # The learning rate is 0 except for the 1e-6 at the end, so the weights stay those of the warm start.
        assert torch.allclose(student[name], value, atol=1e-4), name
    lines = [json.loads(line) for line in (tmp_path / "vit" / "log.jsonl").read_text().splitlines()]
    assert [line["set"] for line in lines if line["kind"] == "probe"] == ["shades"] * 4


def test_the_same_command_resumes_and_prints_when_it_is_done(photos: Path, tmp_path: Path) -> None:
    options = ("--backbone=test_resnet", "--prototypes=8", "--bottleneck=16")
    stopped = train("dino", photos, tmp_path / "run", *options, "--stop-after=0.000001")
    assert stopped.exit_code == 0, stopped.output
    assert "stopped" in stopped.output
    done = train("dino", photos, tmp_path / "run", *options)
    assert done.exit_code == 0, done.output
    assert "done" in done.output
    other = train("swav", photos, tmp_path / "run", "--backbone=test_resnet", "--prototypes=8", "--output=16")
    assert other.exit_code == 1
    assert "the method = dino, this run has swav" in other.output


def test_missing_or_broken_data_is_an_error_before_training(photos: Path, tmp_path: Path) -> None:
    few = train("dino", photos, tmp_path / "few", "--batch=64")
    assert few.exit_code == 1
    assert "holds 28 pictures, 64 are needed" in few.output
    (tmp_path / "empty").mkdir()
    none = train("dino", tmp_path / "empty", tmp_path / "none")
    assert none.exit_code == 1
    assert "found no pictures" in none.output
    broken = tmp_path / "broken.pt"
    broken.write_bytes(b"no checkpoint")
    warm = train("dino", photos, tmp_path / "warm", f"--warm-start={broken}", "--backbone=test_vit")
    assert warm.exit_code == 1
    assert "cannot be read as a torch file" in warm.output
    assert "pictures" not in warm.output.split("copysight:")[0]
    (tmp_path / "warm").mkdir(exist_ok=True)
    assert train("swav", photos, tmp_path / "first", "--backbone=test_resnet", "--prototypes=8").exit_code == 0
    many = train("dino", photos, tmp_path / "warm", f"--warm-start={tmp_path / 'first'}", "--backbone=test_vit")
    assert "--warm-start-batch 32 for 28 pictures" in many.output
    assert train("dino", tmp_path / "absent", tmp_path / "x").exit_code == 2


def test_a_mismatch_is_an_error_before_anything_is_decoded(photos: Path, tmp_path: Path) -> None:
    swav = ("--backbone=test_resnet", "--prototypes=8", "--output=16")
    assert train("swav", photos, tmp_path / "run", *swav).exit_code == 0
    shutil.rmtree(tmp_path / "cache")
    log = (tmp_path / "run" / "log.jsonl").read_text()
    for method, more, message in (
        ("dino", swav[:2], "the method = swav, this run has dino"),
        ("swav", (*swav[:2], "--output=8"), "output = 16, this run has 8"),
        ("swav", (*swav, "--batch=4"), "batch = 8, this run has 4"),
        ("swav", (*swav, "--accumulate=3"), "must be a multiple of 3"),
        ("swav", ("--backbone=resnot50",), "timm does not have"),
    ):
        found = train(method, photos, tmp_path / "run", *more)
        assert (found.exit_code, message in found.output) == (1, True), found.output
    assert not (tmp_path / "cache").exists()
    assert (tmp_path / "run" / "log.jsonl").read_text() == log


def test_more_clusters_than_pictures_is_an_error_before_the_warm_start(photos: Path, tmp_path: Path) -> None:
    assert train("swav", photos, tmp_path / "first", "--backbone=test_resnet", "--prototypes=8").exit_code == 0
    options = (f"--warm-start={tmp_path / 'first'}", "--warm-start-batch=8", "--backbone=test_resnet")
    for method, more, message in (
        ("deepcluster", "--prototypes=25", "--prototypes 25"),
        ("deepcluster-v1", "--clusters=29", "--clusters 29"),
    ):
        small = [f"--{name}={value}" for name, value in SMALL.items() if method == "deepcluster" or name in PLAIN]
        files = [str(photos), f"--out={tmp_path / method}", f"--cache={tmp_path / 'cache'}"]
        found = CliRunner().invoke(main, ["train", method, *files, *small, *options, more])
        assert (found.exit_code, message in found.output) == (1, True), found.output
        assert not (tmp_path / method / "imitation").exists()


def test_a_warm_start_takes_a_bundle_with_weights_and_a_released_file(photos: Path, tmp_path: Path) -> None:
    assert train("swav", photos, tmp_path / "first", "--backbone=test_resnet", "--prototypes=8").exit_code == 0
    exported = ["export", str(tmp_path / "first"), f"--out={tmp_path / 'with'}", "--weights=timm"]
    assert CliRunner().invoke(main, exported).exit_code == 0
    of_run, of_bundle = pretrained.backbone(tmp_path / "first"), pretrained.backbone(tmp_path / "with")
    for name, value in of_run.state_dict().items():
        assert torch.equal(value, of_bundle.state_dict()[name]), name
    released = build("vit_tiny_patch16_224")
    torch.save(released.state_dict(), tmp_path / "dino.pth")
    weights = pretrained.backbone(tmp_path / "dino.pth").state_dict()
    assert all(torch.equal(value, weights[name]) for name, value in released.state_dict().items())
    (tmp_path / "with" / "weights.safetensors").unlink()
    with pytest.raises(CheckpointMismatch, match="export it again with --weights timm"):
        pretrained.backbone(tmp_path / "with")


@pytest.mark.parametrize("method", ["dino", "swav", "deepcluster"])
def test_small_changes_defaults_and_given_options_take_precedence(method: str) -> None:
    command = commands.train.commands[method]
    with command.make_context(method, [str(Path(__file__).parent), "--out=x", "--small", "--epochs=3"]) as context:
        given = context.params
    assert given["epochs"] == 3
    for name, value in presets.SMALL[method].items():
        assert given[name] == (3 if name == "epochs" else value), name
    with command.make_context(method, [str(Path(__file__).parent), "--out=x"]) as context:
        assert context.params["batch"] == Plan().batch
        assert context.params["image_size"] == 224
    assert "--small" not in CliRunner().invoke(main, ["train", "deepcluster-v1", "--help"]).output


def test_labelled_logs_how_clusters_agree_with_the_folders(photos: Path, tmp_path: Path) -> None:
    deep = ("--backbone=test_resnet", "--prototypes=2", "--prototype-heads=1", "--output=16")
    assert train("deepcluster", photos, tmp_path / "plain", *deep).exit_code == 0
    assert train("deepcluster", photos, tmp_path / "labelled", *deep, "--labelled").exit_code == 0
    metrics = {}
    for name in ("plain", "labelled"):
        lines = [json.loads(line) for line in (tmp_path / name / "log.jsonl").read_text().splitlines()]
        metrics[name] = next(line for line in lines if line["kind"] == "epoch")
    assert "nmi_with_labels" not in metrics["plain"]
    assert 0 <= metrics["labelled"].pop("nmi_with_labels") <= 1
    assert metrics["labelled"].keys() == metrics["plain"].keys()


@pytest.mark.parametrize(
    "config", [DinoConfig, SwavConfig, DeepClusterConfig, DeepClusterV1Config, CopyConfig, DistilConfig, Plan]
)
def test_every_config_field_states_the_source_of_its_default(config: type) -> None:
    for field in dataclasses.fields(config):
        if config is DistilConfig and field.name == "dimension":
            assert not field.metadata  # no option: the teachers say it
            continue
        assert re.search(r"DINO|SwAV|DeepCluster|SSCD|The default is ours", field.metadata["help"]), field.name


def test_help_lists_the_options_that_all_methods_share() -> None:
    for method in ("dino", "swav", "deepcluster", "deepcluster-v1"):
        text = CliRunner().invoke(main, ["train", method, "--help"]).output
        for option in ("--backbone", "--accumulate", "--warm-start", "--probe", "--seed", "--labelled"):
            assert option in text


def test_the_probe_classifies_by_nearest_neighbours(labelled: Path) -> None:
    found = knn_probe.load(labelled, 16)
    assert (found.name, found.classes, len(found.train.labels), len(found.val.labels)) == ("shades", 2, 16, 8)

    class Mean(torch.nn.Module):
        def __init__(self, sign: float) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.tensor(sign))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.mean(dim=(2, 3)) * self.weight

    assert knn_probe.measure(Mean(1.0), found, (0.5,) * 3, (0.2,) * 3) == 1.0
    network = build("test_resnet", 16)
    network.train()
    assert 0 <= knn_probe.measure(network, found, (0.5,) * 3, (0.2,) * 3) <= 1
    assert network.training


def test_tensorboard_without_its_package_is_an_error_that_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "torch.utils.tensorboard", None)
    with pytest.raises(InvalidArgument, match="pip install tensorboard"):
        training_log.tensorboard_writer(tmp_path)


def test_events_go_to_the_file_the_terminal_and_tensorboard(tmp_path: Path) -> None:
    printed: list[str] = []
    scalars: list[tuple[str, float, int]] = []
    log = training_log.TrainingLog(tmp_path, printed.append, lambda *values: scalars.append(values))
    log.write("step", step=3, loss=0.5)
    log.write("probe", step=3, set="flowers", top1=0.25)
    assert scalars == [("step/loss", 0.5, 3), ("probe/flowers/top1", 0.25, 3)]
    assert "loss 0.5" in printed[0]
    assert [json.loads(line)["kind"] for line in (tmp_path / "log.jsonl").read_text().splitlines()] == ["step", "probe"]
