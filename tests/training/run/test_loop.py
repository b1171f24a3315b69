"""The loop with every method: checkpoints, bit-identical resume, accumulation, order of pictures and errors."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from copysight.errors import CheckpointMismatch, InvalidArgument, TooFewPictures, TrainingDiverged
from training.checkpoints import checkpoint
from training.data.pack import Pack
from training.methods.method import Method
from training.run import loop
from training.run.collapse_guard import CollapseGuard
from training.run.run import Run
from training.run.training_log import Meter

METHODS = ("dino", "swav", "deepcluster", "deepcluster-v1")
REFILLED = {"refill": True, "rounds": 2, "head_bn": True}
VARIANTS = pytest.mark.parametrize(
    ("name", "settings"),
    [*((name, {}) for name in METHODS), ("deepcluster", REFILLED), ("copy", {"memory": 40, "frozen": 2})],
    ids=[*METHODS, "deepcluster-refilled", "copy-memory"],
)
New = Callable[..., Run]


def steps(run: Run, count: int) -> list[float]:
    """Losses of the next ``count`` steps."""
    losses = []
    for _ in range(count):
        meter = Meter()
        loop.step(run, run.method, meter, CollapseGuard(0))
        losses.append(meter.take()["loss"])
    return losses


@VARIANTS
def test_a_resumed_training_is_bit_identical(name: str, settings: dict, new_run: New, tmp_path: Path) -> None:
    whole = new_run(name, tmp_path / "whole", settings)
    expected = steps(whole, 6)
    first = new_run(name, tmp_path / "cut", settings)
    assert steps(first, 4) == expected[:4]  # in the middle of the second epoch
    loop.save(first)
    torch.manual_seed(99)
    torch.rand(17)
    second = new_run(name, tmp_path / "cut", settings)
    loop.resume.restore(second, checkpoint.load(tmp_path / "cut"))
    assert steps(second, 2) == expected[4:]
    for key, value in whole.method.state_dict().items():
        assert torch.equal(value, second.method.state_dict()[key]), key


@VARIANTS
def test_prefetching_does_not_change_the_losses(name: str, settings: dict, new_run: New, tmp_path: Path) -> None:
    prefetched = steps(new_run(name, tmp_path / "prefetched", settings, prefetch=True, accumulate=2), 6)
    assert steps(new_run(name, tmp_path / "direct", settings, prefetch=False, accumulate=2), 6) == prefetched


def test_the_loader_prefetches_within_an_epoch_and_returns_the_step_that_is_needed(new_run: New) -> None:
    loader = new_run("dino").loader
    loader.load(0)
    assert loader._prefetched is not None
    assert loader._prefetched[0] == (1, 0)
    for loaded, expected in zip(
        loader.load(4).crops, loader.make_views(4).crops, strict=True
    ):  # not the prefetched step
        assert torch.equal(loaded, expected)
    loader.load(2)  # the last step of the first epoch: the order of the second may depend on a pass over all pictures
    assert loader._prefetched is None


@pytest.mark.parametrize("name", METHODS)
def test_a_training_runs_to_the_end_and_saves_a_checkpoint(name: str, new_run: New, tmp_path: Path) -> None:
    run = new_run(name)
    assert loop.train(run)
    saved = checkpoint.load(tmp_path)
    assert (saved.method, saved.backbone, saved.image_size, saved.step) == (name, "test_resnet", 32, 6)
    assert saved.training["pictures_seen"] == 48
    assert saved.training["epochs"] == 2
    kinds = [json.loads(line)["kind"] for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert kinds.count("step") == 2
    run.method.exported_backbone().load_state_dict(saved.backbone_state)
    assert not list(tmp_path.glob(".*tmp"))


def test_a_stopped_training_has_a_checkpoint_and_resumes(new_run: New, tmp_path: Path) -> None:
    run = new_run("dino", stop_after_minutes=1e-9)
    assert not loop.train(run)
    saved = checkpoint.load(tmp_path)
    assert saved.step < run.length.steps
    again = new_run("dino")
    assert loop.train(again, saved)
    assert again.step == 6


def test_refill_clusters_unaugmented_pictures_once_per_round(new_run: New, tmp_path: Path) -> None:
    run = new_run("deepcluster", settings={**REFILLED, "lr": 0.0, "start_lr": 0.0, "min_lr": 0.0})
    steps(run, 6)
    method, batch = run.method, run.loader.order(1)[:8]
    with torch.no_grad():
        expected = method.head.project(method.backbone(run.loader.plain(batch)))
    for bank in method.memory:
        assert torch.allclose(bank[:8], expected, atol=1e-5)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if line["kind"] == "epoch"] == [0, 2, 3, 5]


@pytest.mark.parametrize("backbone", ["test_resnet", "test_vit"])
def test_a_few_steps_lower_the_loss_of_a_fixed_batch(backbone: str, new_run: New) -> None:
    run = new_run("deepcluster-v1", backbone=backbone, epochs=8)
    losses = steps(run, 3)
    fixed = run.loader.make_views(1)
    for _ in range(25):
        run.optimizer.zero_grad()
        output = run.method(fixed.crops, fixed.indices)
        output.loss.backward()
        run.optimizer.step()
    assert float(output.loss.detach()) < losses[1] - 0.3


def test_micro_batches_are_parts_of_the_whole_batch(new_run: New) -> None:
    run = new_run("swav", accumulate=2)
    whole = run.loader.make_views(0)
    halves = [new_run("swav", accumulate=2).loader.make_views(0, part) for part in (0, 1)]
    assert len(whole.indices) == 4
    assert not torch.equal(halves[0].indices, halves[1].indices)
    full = new_run("swav").loader.make_views(0)
    assert torch.equal(torch.cat([half.indices for half in halves]), full.indices)
    for crop, (first, second) in zip(full.crops, zip(*(half.crops for half in halves), strict=True), strict=True):
        assert torch.allclose(crop, torch.cat([first, second]), atol=1e-5)


def without_key_bias(key: str, value: torch.Tensor) -> torch.Tensor:
    """Drop the bias of the key: softmax cancels it, so its gradient is noise that AdamW scales up to full steps."""
    if not key.endswith("attn.qkv.bias"):
        return value
    query, _, content = value.chunk(3)
    return torch.cat([query, content])


def test_teacher_and_centre_are_updated_once_per_step_with_accumulation(new_run: New) -> None:
    # A ViT without drop path treats pictures independently: two halves must give the same as the whole.
    states = []
    for accumulate in (1, 2):
        run = new_run("dino", backbone="test_vit", accumulate=accumulate, settings={"drop_path": 0.0})
        steps(run, 3)
        states.append(run.method.state_dict())
    for key, value in states[0].items():
        whole, halves = (without_key_bias(key, tensor) for tensor in (value, states[1][key]))
        assert torch.allclose(whole, halves, atol=2e-5), key
    assert states[0]["centre"].abs().max() > 0


def test_collapse_is_counted_in_steps_with_accumulation(new_run: New) -> None:
    run, guard = new_run("dino", accumulate=2), CollapseGuard(3)
    run.method.uniform_entropy = 1e-9  # any targets are then more than uniform
    for _ in range(2):
        loop.step(run, run.method, Meter(), guard)
    with pytest.raises(TrainingDiverged, match="for 3 steps"):
        loop.step(run, run.method, Meter(), guard)


def test_each_epoch_uses_every_picture_once_in_another_order(new_run: New) -> None:
    run = new_run("dino")
    first, second = run.loader.order(0), run.loader.order(1)
    assert len(first) == 24
    assert len(set(first.tolist())) == 24
    assert not np.array_equal(first, second)
    indices = torch.cat([run.loader.make_views(step).indices for step in range(3)])
    assert indices.tolist() == first.tolist()


@pytest.mark.parametrize(
    ("changes", "settings", "what"),
    [
        ({"batch": 4}, {}, "batch"),
        ({"seed": 1}, {}, "seed"),
        ({"epochs": 3}, {}, "epochs"),
        ({"backbone": "test_vit"}, {}, "backbone"),
        ({}, {"prototypes": 12}, "prototypes"),
        ({}, {"lr": 1.0}, "lr"),
    ],
)
def test_a_resume_with_other_settings_is_an_error(
    changes: dict, settings: dict, what: str, new_run: New, tmp_path: Path
) -> None:
    loop.save(new_run("dino"))
    with pytest.raises(CheckpointMismatch, match=f"{what} = .* choose another --out"):
        loop.train(new_run("dino", settings=settings, **changes), checkpoint.load(tmp_path))


def test_a_setting_that_is_newer_than_a_checkpoint_had_its_default_there(new_run: New, tmp_path: Path) -> None:
    loop.save(new_run("copy"))
    saved = checkpoint.load(tmp_path)
    older = {name: value for name, value in saved.config["method"].items() if name != "memory"}
    saved = dataclasses.replace(saved, config={**saved.config, "method": older})
    loop.resume.restore(new_run("copy"), saved)
    with pytest.raises(CheckpointMismatch, match="memory = 0, this run has 5; use the same value"):
        loop.resume.restore(new_run("copy", settings={"memory": 5}), saved)


def test_a_checkpoint_of_another_method_is_an_error(new_run: New, tmp_path: Path) -> None:
    loop.save(new_run("dino"))
    with pytest.raises(CheckpointMismatch, match="the method = dino, this run has swav"):
        loop.train(new_run("swav"), checkpoint.load(tmp_path))


def test_a_resume_with_another_number_of_processes_is_an_error(
    new_run: New, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.distributed.world_size", lambda: 2)
    loop.save(new_run("dino"))
    monkeypatch.undo()
    with pytest.raises(CheckpointMismatch, match="number of processes = 2, this run has 1"):
        loop.train(new_run("dino"), checkpoint.load(tmp_path))


def test_impossible_settings_are_errors_before_the_first_step(new_run: New) -> None:
    with pytest.raises(TooFewPictures, match="28 pictures for a batch of 64"):
        new_run("dino", batch=64)
    with pytest.raises(TooFewPictures, match="--prototypes 25"):
        new_run("deepcluster", settings={"prototypes": 25})
    with pytest.raises(TooFewPictures, match="--clusters 29"):
        new_run("deepcluster-v1", settings={"clusters": 29})
    with pytest.raises(InvalidArgument, match="got --rounds 0"):
        new_run("deepcluster", settings={"rounds": 0})
    with pytest.raises(InvalidArgument, match="--rounds 2 needs --refill"):
        new_run("deepcluster", settings={"rounds": 2})
    with pytest.raises(InvalidArgument, match="multiple of 3"):
        new_run("dino", accumulate=3)
    with pytest.raises(InvalidArgument, match="warm-up of 30 steps in a training of 6 steps"):
        new_run("dino", settings={"warmup_epochs": 10})
    with pytest.raises(InvalidArgument, match="timm does not have"):
        new_run("dino", backbone="resnot50")


def test_a_loss_that_is_not_finite_stops_the_training(new_run: New) -> None:
    for epochs, message in ((2, "not finite in all 6 steps"), (4, "10 steps in a row")):
        run = new_run("dino", epochs=epochs)
        with torch.no_grad():
            next(run.method.student.parameters())[:] = float("nan")
        with pytest.raises(TrainingDiverged, match=f"{message}.*; there is no checkpoint yet"):
            loop.train(run)
        assert run.skipped == min(run.length.steps, 10)


def test_the_head_of_a_checkpoint_equals_the_trained_head(new_run: New, tmp_path: Path, pack: Pack) -> None:
    for name, keys in (("dino", 24), ("swav", 8), ("deepcluster", 6)):
        run: Run = new_run(name, tmp_path / name)
        steps(run, 2)
        loop.save(run)
        saved = checkpoint.load(tmp_path / name)
        head, method = saved.head_module(), run.method
        assert head is not None
        features = torch.randn(5, 96)
        assert isinstance(method, Method)
        expected = (method.teacher.head if name == "dino" else method.head).eval()(features)  # type: ignore[operator]
        if name == "dino":
            expected = expected - method.centre
        assert head(features).shape == (5, keys)
        assert torch.allclose(head(features), expected, atol=1e-6)
        assert saved.prototypes is not None
        assert torch.allclose(saved.prototypes.norm(dim=1), torch.ones(keys))
        assert saved.temperature == (0.04 if name == "dino" else 0.1)
