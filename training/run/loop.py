"""The training loop of all methods; it calls the hooks of ``training.methods.method``."""

import math
import signal
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from types import FrameType
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from copysight.errors import TrainingDiverged
from copysight.system.stopping import SIGNALS
from training import distributed
from training.checkpoints.checkpoint import Checkpoint
from training.optim import parameter_groups
from training.run import knn_probe, resume, saving
from training.run.collapse_guard import REMEDY, CollapseGuard
from training.run.finite import BatchStatistics, step_is_finite
from training.run.run import Run
from training.run.saving import save
from training.run.training_log import Meter


def train(run: Run, saved: Checkpoint | None = None) -> bool:
    """Train to the end, or until a stop (``stop_after_minutes``, SIGTERM, SIGHUP, Ctrl-C). True if it is done.

    ``saved``: checkpoint to resume from. A stop saves a checkpoint, unless the last steps were skipped. Raises
    ``TrainingDiverged`` if ten steps in a row or the weights are not finite or the targets have collapsed, and
    ``CheckpointMismatch`` if ``saved`` belongs to another training.
    """
    if saved is not None:
        resume.restore(run, saved)
    try:
        return _train(run)
    except TrainingDiverged as error:
        raise TrainingDiverged(f"{error.message}; {saving.last_checkpoint(run)}", **error.data) from error


def _train(run: Run) -> bool:
    forward, meter, guard, clock = _forward(run), Meter(), CollapseGuard(run.plan.collapse_steps), _Clock(run)
    if run.step == 0:
        _probe(run)
    with _StopSignal() as stop:
        stopping = save_due = False
        while run.step < run.length.steps and not stopping:
            step(run, forward, meter, guard)
            run.minutes = clock.minutes
            first, last = run.step == 1, run.step == run.length.steps
            stopping, log_due, probe_due, late = distributed.any_process(stop.requested or clock.over(), *clock.due())
            # The state after a skipped step is that before it. Whether it is sound, only a good step can tell.
            save_due = (save_due or late) and not last
            if log_due or first or last:
                _log(run, meter, clock.remaining(run))
            if probe_due or last:
                _probe(run)
            if save_due and not guard.skipped_in_a_row:
                save(run)
                save_due = False
    done = run.step >= run.length.steps
    if done and run.skipped == run.length.steps:
        raise TrainingDiverged(f"the loss or its gradient was not finite in all {run.step} steps; {REMEDY}")
    if done or not guard.skipped_in_a_row:
        save(run)
    return done


def step(run: Run, forward: nn.Module, meter: Meter, guard: CollapseGuard) -> None:
    """One optimiser step, in the order of the released DINO code.

    If a loss or a gradient is not finite on any process, all processes skip the update and undo what the forward pass
    changed. The schedules go on.
    """
    progress, method, plan = run.progress, run.method, run.plan
    if progress.step_in_epoch % -(-run.length.per_epoch // method.rounds) == 0:
        metrics = method.begin_round(progress, run.loader)
        if metrics:
            run.log.write("epoch", step=run.step, epoch=progress.epoch, **metrics)
    parameter_groups.set_step(run.optimizer, run.schedules, run.step)
    method.begin_step(progress)
    run.optimizer.zero_grad(set_to_none=True)
    statistics, losses, measured = BatchStatistics(method), [], []
    for part in range(plan.accumulate):
        views = run.loader.load(run.step, part)
        with _no_sync(forward, part == plan.accumulate - 1):
            with plan.autocast():
                output = forward(views.crops, views.indices)
            (output.loss / plan.accumulate).backward()
        losses.append(output.loss.detach())
        measured.append((output.metrics, len(views.indices) * distributed.world_size()))
    norms = parameter_groups.clip(method.parameters(), plan.clip)
    if distributed.any_process(not step_is_finite(losses, norms))[0]:
        statistics.restore()
        _skip(run, losses, guard)
    else:
        for metrics, pictures in measured:
            meter.add(metrics, pictures)
        guard.check(run.step, _mean([metrics for metrics, _ in measured]), method.uniform_entropy, method.remedy)
        method.after_backward(progress)
        run.optimizer.step()
        method.after_update(progress)
    run.step += 1


def _mean(measured: Sequence[Mapping[str, Tensor]]) -> Mapping[str, Tensor]:
    """The mean of each metric over the micro-batches of a step."""
    if len(measured) == 1:
        return measured[0]
    return {name: torch.stack([metrics[name].float() for metrics in measured]).mean() for name in measured[0]}


def _skip(run: Run, losses: Sequence[Tensor], guard: CollapseGuard) -> None:
    run.skipped += 1
    loss = sum(float(loss) for loss in losses) / len(losses)
    run.log.write("skipped", step=run.step + 1, loss=str(loss), in_a_row=guard.skipped_in_a_row + 1, total=run.skipped)
    guard.skip(run.step + 1)


def _log(run: Run, meter: Meter, remaining: float) -> None:
    run.log.write(
        "step",
        step=run.step,
        of=run.length.steps,
        epoch=round(run.step / run.length.per_epoch, 3),
        pictures=run.step * run.plan.batch,
        minutes=round(run.minutes, 2),
        remaining_minutes=round(remaining, 2),
        lr=float(run.schedules.lr[run.step - 1]),
        **({"skipped": run.skipped} if run.skipped else {}),
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


class _Clock:
    """Wall clock: tells when the next log line, probe or checkpoint is due, and how long the training will take."""

    def __init__(self, run: Run) -> None:
        self.plan, self.began, self._earlier, self._first_step = run.plan, time.monotonic(), run.minutes, run.step
        self._every = (run.plan.log_seconds, run.plan.probe_minutes * 60, run.plan.checkpoint_minutes * 60)
        self._last = [self.began] * len(self._every)

    @property
    def minutes(self) -> float:
        """Minutes of the whole training, those before a resume included."""
        return self._earlier + self._own

    @property
    def _own(self) -> float:
        return (time.monotonic() - self.began) / 60

    def over(self) -> bool:
        return self._own > (self.plan.stop_after_minutes or math.inf)

    def remaining(self, run: Run) -> float:
        """Minutes to the end at the pace since the start or the resume, with all probes and checkpoints."""
        return self._own / (run.step - self._first_step) * (run.length.steps - run.step)

    def due(self) -> list[bool]:
        """Whether a log line, a probe and a checkpoint are due. The timer of what is due restarts."""
        now = time.monotonic()
        due = [now - last > seconds for last, seconds in zip(self._last, self._every, strict=True)]
        self._last = [now if past else last for past, last in zip(due, self._last, strict=True)]
        return due


class _StopSignal:
    """Context in which SIGTERM, SIGHUP and Ctrl-C set ``requested`` instead of ending the process.

    A signal that is ignored already, such as SIGHUP under ``nohup``, stays ignored.
    """

    def __init__(self) -> None:
        self.requested = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "_StopSignal":
        if threading.current_thread() is threading.main_thread():
            heard = [one for one in (*SIGNALS, signal.SIGINT) if signal.getsignal(one) is not signal.SIG_IGN]
            self._before = {number: signal.signal(number, self._request) for number in heard}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _request(self, _number: int, _frame: FrameType | None) -> None:
        self.requested = True
