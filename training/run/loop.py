"""The training loop of all methods; it calls the hooks of ``training.methods.method``."""

import math
import signal
import threading
import time
from contextlib import AbstractContextManager, nullcontext
from types import FrameType
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from training import distributed
from training.checkpoints import checkpoint
from training.checkpoints.checkpoint import Checkpoint
from training.optim import parameter_groups
from training.run import knn_probe, resume
from training.run.collapse_guard import CollapseGuard
from training.run.plan import Plan
from training.run.run import Run
from training.run.training_log import Meter


def train(run: Run, saved: Checkpoint | None = None) -> bool:
    """Train to the end, or until a stop (``stop_after_minutes``, SIGTERM, Ctrl-C). True if the training is done.

    ``saved``: checkpoint to resume from. A stop saves a checkpoint. Raises ``TrainingDiverged`` if the loss is not
    finite or the targets have collapsed, and ``CheckpointMismatch`` if ``saved`` belongs to another training.
    """
    if saved is not None:
        resume.restore(run, saved)
    forward, meter, guard, clock = _forward(run), Meter(), CollapseGuard(run.plan.collapse_steps), _Clock(run.plan)
    earlier = run.minutes
    if run.step == 0:
        _probe(run)
    with _StopSignal() as stop:
        stopping = False
        while run.step < run.length.steps and not stopping:
            step(run, forward, meter, guard)
            run.minutes = earlier + clock.minutes
            first, last = run.step == 1, run.step == run.length.steps
            stopping, log_due, probe_due, save_due = _any_process(stop.requested or clock.over(), *clock.due())
            if log_due or first or last:
                _log(run, meter)
            if probe_due or last:
                _probe(run)
            if save_due and not last:
                save(run)
    save(run)
    return run.step >= run.length.steps


def step(run: Run, forward: nn.Module, meter: Meter, guard: CollapseGuard) -> None:
    """One optimiser step, in the order of the released DINO code."""
    progress, method, plan = run.progress, run.method, run.plan
    if progress.step_in_epoch % -(-run.length.per_epoch // method.rounds) == 0:
        metrics = method.begin_round(progress, run.loader)
        if metrics:
            run.log.write("epoch", step=run.step, epoch=progress.epoch, **metrics)
    parameter_groups.set_step(run.optimizer, run.schedules, run.step)
    method.begin_step(progress)
    run.optimizer.zero_grad(set_to_none=True)
    for part in range(plan.accumulate):
        views = run.loader.load(run.step, part)
        with _no_sync(forward, part == plan.accumulate - 1):
            with plan.autocast():
                output = forward(views.crops, views.indices)
            (output.loss / plan.accumulate).backward()
        meter.add(output.metrics, len(views.indices) * distributed.world_size())
        guard.check(run.step, output.metrics, method.uniform_entropy, method.remedy)
    if plan.clip:
        parameter_groups.clip(method.parameters(), plan.clip)
    method.after_backward(progress)
    run.optimizer.step()
    method.after_update(progress)
    run.step += 1


def save(run: Run) -> None:
    """Save the checkpoint on rank 0; other ranks save only their own state beside it."""
    if distributed.rank() == 0:
        checkpoint.save(run.out / checkpoint.NAME, resume.describe(run))
    else:
        resume.save_process_state(run)


def _log(run: Run, meter: Meter) -> None:
    run.log.write(
        "step",
        step=run.step,
        of=run.length.steps,
        epoch=round(run.step / run.length.per_epoch, 3),
        pictures=run.step * run.plan.batch,
        minutes=round(run.minutes, 2),
        lr=float(run.schedules.lr[run.step - 1]),
        **meter.take(run.device),
    )


def _probe(run: Run) -> None:
    for labelled in run.probes:
        recipe = run.method.recipe
        top1 = knn_probe.measure(run.method.exported_backbone(), labelled, recipe.mean, recipe.std)
        pictures, minutes = run.step * run.plan.batch, round(run.minutes, 2)
        run.log.write(
            "probe", step=run.step, pictures=pictures, minutes=minutes, set=labelled.name, top1=round(top1, 4)
        )


def _forward(run: Run) -> nn.Module:
    if not dist.is_initialized():
        return run.method
    devices = [run.device] if run.device.type == "cuda" else None
    return DistributedDataParallel(run.method, device_ids=devices, broadcast_buffers=False)


def _no_sync(forward: nn.Module, last: bool) -> AbstractContextManager[Any]:
    """Context that skips the gradient all-reduce, except for the last micro-batch of an optimiser step."""
    return nullcontext() if last or not isinstance(forward, DistributedDataParallel) else forward.no_sync()


def _any_process(*flags: bool) -> list[bool]:
    """For each flag, whether it is set on any process. Clocks differ, but all must log, save and stop together."""
    if distributed.world_size() == 1:
        return list(flags)
    device = f"cuda:{torch.cuda.current_device()}" if dist.get_backend() == "nccl" else "cpu"
    counts = distributed.all_reduce_sum(torch.tensor(flags, dtype=torch.float32, device=device))
    return [count > 0 for count in counts.tolist()]


class _Clock:
    """Wall clock: tells when the next log line, probe or checkpoint is due."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.began = plan, time.monotonic()
        self._every = (plan.log_seconds, plan.probe_minutes * 60, plan.checkpoint_minutes * 60)
        self._last = [self.began] * len(self._every)

    @property
    def minutes(self) -> float:
        return (time.monotonic() - self.began) / 60

    def over(self) -> bool:
        return self.minutes > (self.plan.stop_after_minutes or math.inf)

    def due(self) -> list[bool]:
        """Whether a log line, a probe and a checkpoint are due. The timer of what is due restarts."""
        now = time.monotonic()
        due = [now - last > seconds for last, seconds in zip(self._last, self._every, strict=True)]
        self._last = [now if past else last for past, last in zip(due, self._last, strict=True)]
        return due


class _StopSignal:
    """Context in which SIGTERM and Ctrl-C set ``requested`` instead of ending the process."""

    def __init__(self) -> None:
        self.requested = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "_StopSignal":
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._request) for number in (signal.SIGTERM, signal.SIGINT)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _request(self, _number: int, _frame: FrameType | None) -> None:
        self.requested = True
