"""Two real processes over gloo give the same training as one process, on the same global batches."""

import json
from pathlib import Path

import pytest
import torch

from tests.training import kills
from training.checkpoints import checkpoint

# A ViT has no BatchNorm, so pictures of a batch are independent and the sums must agree.
ARGUMENTS = {
    "backbone": "test_vit",
    "global-size": 32,
    "local-size": 16,
    "local-crops": 2,
    "batch": 8,
    "epochs": 2,
    "warmup-epochs": 0.5,
    "prototypes": 12,
    "hidden": 32,
    "threads": 1,
    "device": "cpu",
    "drop-path": 0,
    "log-seconds": 0,
}
METHODS = {
    "dino": {"bottleneck": 16, "lr": 0.01},
    "swav": {"output": 16, "lr": 0.1, "queue-length": 16, "queue-from-epoch": 0, "freeze-prototypes-steps": 1},
}


def train(method: str, photos: Path, out: Path, world: int, *more: str) -> list[tuple[int, str, str]]:
    """Exit code, output and errors of each process."""
    options = [f"--{name}={value}" for name, value in {**ARGUMENTS, **METHODS[method]}.items()]
    cache = f"--cache={out.parent / 'cache'}"
    return kills.finish(kills.start(["train", method, str(photos), f"--out={out}", cache, *options, *more], world))


def losses(out: Path) -> list[float]:
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return [line["loss"] for line in lines if line["kind"] == "step"]


def test_two_processes_equal_one(photos: Path, tmp_path: Path) -> None:
    for world in (1, 2):
        done = train("dino", photos, tmp_path / f"run{world}", world)
        assert [code for code, *_ in done] == [0] * world, done
    one, two = losses(tmp_path / "run1"), losses(tmp_path / "run2")
    assert len(one) == len(two) == 6
    assert two == pytest.approx(one, abs=2e-5)
    states = [checkpoint.load(tmp_path / f"run{world}").state for world in (1, 2)]
    for name, value in states[0].items():
        assert torch.allclose(value, states[1][name], atol=5e-5), name


def test_the_memory_of_the_copy_method_is_that_of_all_processes(photos: Path, tmp_path: Path) -> None:
    options = [
        f"--{name}={ARGUMENTS[name]}" for name in ("backbone", "global-size", "batch", "epochs", "threads", "device")
    ]
    options += ["--first-size=32", "--dimension=8", "--memory=64", "--log-seconds=0", f"--cache={tmp_path / 'cache'}"]
    for world in (1, 2):
        words = ["train", "copy", str(photos), f"--out={tmp_path / f'run{world}'}", *options]
        done = kills.finish(kills.start(words, world))
        assert [code for code, *_ in done] == [0] * world, done
    assert losses(tmp_path / "run2") == pytest.approx(losses(tmp_path / "run1"), rel=2e-4)
    held = [checkpoint.load(tmp_path / f"run{world}").state["remembered"].tolist() for world in (1, 2)]
    assert sorted(held[0]) == sorted(held[1])
    assert min(held[0]) >= 0


def test_two_processes_resume_where_they_stopped(photos: Path, tmp_path: Path) -> None:
    whole = train("swav", photos, tmp_path / "whole", 2)
    assert [code for code, *_ in whole] == [0, 0], whole
    stopped = train("swav", photos, tmp_path / "cut", 2, "--stop-after=0.000001")
    assert [code for code, *_ in stopped] == [0, 0], stopped
    assert checkpoint.load(tmp_path / "cut").step == 1
    assert (tmp_path / "cut" / "checkpoint.rank1.pt").exists()
    rest = train("swav", photos, tmp_path / "cut", 2)
    assert [code for code, *_ in rest] == [0, 0], rest
    assert losses(tmp_path / "cut") == losses(tmp_path / "whole")


@pytest.mark.long
def test_an_order_of_neighbours_is_the_same_after_a_resume(photos: Path, tmp_path: Path) -> None:
    options = [
        f"--{name}={ARGUMENTS[name]}" for name in ("backbone", "global-size", "batch", "epochs", "threads", "device")
    ]
    options += ["--first-size=32", "--dimension=8", "--alike=3", "--log-seconds=0", f"--cache={tmp_path / 'cache'}"]
    for folder, more in (("whole", []), ("cut", ["--stop-after=0.000001"]), ("cut", [])):
        words = ["train", "copy", str(photos), f"--out={tmp_path / folder}", *options, *more]
        done = kills.finish(kills.start(words, 2))
        assert [code for code, *_ in done] == [0, 0], done
    assert losses(tmp_path / "cut") == losses(tmp_path / "whole")
    orders = [checkpoint.load(tmp_path / folder).state["pictures_in_order"].tolist() for folder in ("whole", "cut")]
    assert orders[0] == orders[1]
    assert sorted(orders[0]) == list(range(len(orders[0]))) != orders[0]
