"""The one training loop. It knows no method by name; what a method offers is in ``training.methods.method``."""

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
from training.run.collapse_guard import Watch
from training.run.plan import Plan
from training.run.run import Run
from training.run.training_log import Meter


def train(run: Run, saved: Checkpoint | None = None) -> bool:
    """Train to the end, or until told to stop (``stop_after_minutes``, SIGTERM, Ctrl-C); True when it is done.

    ``saved`` goes on from a checkpoint. A stop leaves a checkpoint. Raises ``TrainingDiverged`` when the loss is not
    finite or the targets have collapsed, ``CheckpointMismatch`` when ``saved`` is of another training.
    """
    if saved is not None:
        resume.restore(run, saved)
    forward, meter, watch, clock = _forward(run), Meter(), Watch(run.plan.collapse_steps), _Clock(run.plan)
    earlier = run.minutes
    if run.step == 0:
        _probe(run)
    with _Stop() as stop:
        stopping = False
        while run.step < run.length.steps and not stopping:
            step(run, forward, meter, watch)
            run.minutes = earlier + clock.minutes
            first, last = run.step == 1, run.step == run.length.steps
            stopping, log, probing, saving = _agreed(stop.asked or clock.over(), *clock.due())
            if log or first or last:
                _log(run, meter)
            if probing or last:
                _probe(run)
            if saving and not last:
                save(run)
    save(run)
    return run.step >= run.length.steps


def step(run: Run, forward: nn.Module, meter: Meter, watch: Watch) -> None:
    """One optimiser step, in the order of the released DINO code."""
    moment, method, plan = run.moment, run.method, run.plan
    if moment.in_epoch % -(-run.length.per_epoch // method.rounds) == 0:
        figures = method.begin_round(moment, run.feed)
        if figures:
            run.journal.write("epoch", step=run.step, epoch=moment.epoch, **figures)
    parameter_groups.set_step(run.optimizer, run.schedules, run.step)
    method.begin_step(moment)
    run.optimizer.zero_grad(set_to_none=True)
    for part in range(plan.accumulate):
        views = run.feed.take(run.step, part)
        with _no_sync(forward, part == plan.accumulate - 1):
            with plan.autocast():
                outcome = forward(views.crops, views.numbers)
            (outcome.loss / plan.accumulate).backward()
        meter.add(outcome.figures, len(views.numbers) * distributed.world_size())
        watch.check(run.step, outcome.figures, method.uniform_entropy, method.remedy)
    if plan.clip:
        parameter_groups.clip(method.parameters(), plan.clip)
    method.after_backward(moment)
    run.optimizer.step()
    method.after_update(moment)
    run.step += 1


def save(run: Run) -> None:
    """Write the checkpoint; further processes write what is theirs alone beside it."""
    if distributed.rank() == 0:
        checkpoint.save(run.out / checkpoint.NAME, resume.describe(run))
    else:
        resume.save_private(run)


def _log(run: Run, meter: Meter) -> None:
    run.journal.write(
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
        top1 = knn_probe.measure(run.method.exported(), labelled, recipe.mean, recipe.std)
        seen, minutes = run.step * run.plan.batch, round(run.minutes, 2)
        run.journal.write(
            "probe", step=run.step, pictures=seen, minutes=minutes, set=labelled.name, top1=round(top1, 4)
        )


def _forward(run: Run) -> nn.Module:
    if not dist.is_initialized():
        return run.method
    devices = [run.device] if run.device.type == "cuda" else None
    return DistributedDataParallel(run.method, device_ids=devices, broadcast_buffers=False)


def _no_sync(forward: nn.Module, last: bool) -> AbstractContextManager[Any]:
    """Gradients cross processes once per optimiser step, with its last micro-batch."""
    return nullcontext() if last or not isinstance(forward, DistributedDataParallel) else forward.no_sync()


def _agreed(*wishes: bool) -> list[bool]:
    """What any process wishes: clocks differ, and all must log, save and stop at the same step."""
    if distributed.world_size() == 1:
        return list(wishes)
    device = f"cuda:{torch.cuda.current_device()}" if dist.get_backend() == "nccl" else "cpu"
    return [value > 0 for value in distributed.total(torch.tensor(wishes, dtype=torch.float32, device=device)).tolist()]


class _Clock:
    """What is due, by the wall clock."""

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
        """Whether a log line, a probe, a checkpoint is due; what is due counts as done."""
        now = time.monotonic()
        due = [now - last > seconds for last, seconds in zip(self._last, self._every, strict=True)]
        self._last = [now if past else last for past, last in zip(due, self._last, strict=True)]
        return due


class _Stop:
    """Within it, SIGTERM and Ctrl-C ask for a stop instead of killing the process."""

    def __init__(self) -> None:
        self.asked = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "_Stop":
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._ask) for number in (signal.SIGTERM, signal.SIGINT)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        self.asked = True
