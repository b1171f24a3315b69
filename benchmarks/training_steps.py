"""Steps of our training loop and bare steps on random tensors, for benchmarks that compare them."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor

from training.data.pack import Pack
from training.methods.dino import Dino, DinoConfig
from training.methods.method import StepOutput
from training.optim import parameter_groups
from training.run import loop
from training.run.collapse_guard import CollapseGuard
from training.run.plan import Plan
from training.run.run import Run
from training.run.training_log import Meter, TrainingLog
from training.views import multi_crop

WARM = 2


@dataclass(frozen=True)
class Setting:
    """Settings of both sides. ``workers``: number of loader processes."""

    backbone: str
    global_size: int
    local_size: int
    local_crops: int
    batch: int
    precision: str
    device: str
    workers: int


def start_run(setting: Setting, config: DinoConfig, recipe: multi_crop.Recipe, pack: Pack, folder: Path) -> Run:
    """Return our training at its first step. Its schedules are those of a long training."""
    plan = Plan(
        backbone=setting.backbone, image_size=setting.global_size, epochs=1000, batch=setting.batch,
        precision=setting.precision, device=setting.device,
    )  # fmt: skip
    torch.manual_seed(0)
    method = Dino(config, setting.backbone, setting.global_size, recipe)
    return Run(method, plan, pack, [], folder.parent, TrainingLog(None, print))


def loop_steps(run: Run) -> Iterator[None]:
    """Run the steps of our loop with everything except probes and checkpoints."""
    meter, guard = Meter(), CollapseGuard(run.plan.collapse_steps)
    while True:
        loop.step(run, run.method, meter, guard)
        yield


def bare_steps(run: Run) -> Iterator[None]:
    """Run bare steps: the same tensors each time, no data loading, no metrics."""
    crops, indices = random_views(run)
    run.optimizer.param_groups[0]["lr"] = 1e-4
    while True:
        run.method.begin_step(run.progress)
        run.optimizer.zero_grad(set_to_none=True)
        forward(run, crops, indices).loss.backward()  # type: ignore[no-untyped-call]
        parameter_groups.clip(run.method.parameters(), run.plan.clip)
        run.optimizer.step()
        run.method.after_update(run.progress)
        yield


def stage_seconds(run: Run, step: int) -> dict[str, float]:
    """Return the seconds of each stage of our step, one after the other, without prefetch of views."""
    laps = [now(run.plan.device)]

    def lap() -> float:
        laps.append(now(run.plan.device))
        return laps[-1] - laps[-2]

    run.optimizer.zero_grad(set_to_none=True)
    run.method.begin_step(run.progress)
    views = run.loader.make_views(step)
    times = {"views (hidden by prefetch)": lap()}
    output = forward(run, views.crops, views.indices)
    times["forward, student and teacher"] = lap()
    output.loss.backward()  # type: ignore[no-untyped-call]
    times["backward"] = lap()
    parameter_groups.clip(run.method.parameters(), run.plan.clip)
    times["clip"] = lap()
    run.optimizer.step()
    times["optimiser"] = lap()
    run.method.after_update(run.progress)
    times["teacher and centre"] = lap()
    return times


def forward(run: Run, crops: Sequence[Tensor], indices: Tensor) -> StepOutput:
    with run.plan.autocast():
        output: StepOutput = run.method(crops, indices)
    return output


def random_views(run: Run) -> tuple[list[Tensor], Tensor]:
    """Return random tensors with the shapes and memory layout of the views of a batch."""
    views = run.loader.make_views(0)
    return [torch.randn_like(crop) for crop in views.crops], views.indices


def seconds_per_step(run_steps: Iterator[None], steps: int, device: str) -> float:
    """Return the seconds per step, after some steps of warm-up."""
    for _ in islice(run_steps, WARM):
        pass
    start = now(device)
    for _ in islice(run_steps, steps):
        pass
    return (now(device) - start) / steps


def now(device: str) -> float:
    """Return the time after the device has finished all work."""
    if device.startswith("cuda"):
        torch.cuda.synchronize()
    return time.perf_counter()
