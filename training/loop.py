"""The one training loop. It knows no method by name; what a method offers is in ``training.method``."""

import dataclasses
import math
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from copysight.errors import CheckpointMismatch, InvalidArgument, TrainingDiverged
from training import augment, checkpoint, gather, optim, probe
from training.checkpoint import Checkpoint
from training.data import Pack
from training.journal import Journal, Meter
from training.method import Length, Method, Moment
from training.probe import Probe

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Plan:
    """How a method is trained, whatever it is. ``batch`` counts pictures per optimiser step over all processes."""

    backbone: str
    image_size: int
    batch: int
    epochs: float
    seed: int = 0
    accumulate: int = 1
    clip: float = 0.0
    precision: str = "fp32"
    device: str = "cpu"
    checkpoint_minutes: float = 5.0
    probe_minutes: float = 15.0
    log_seconds: float = 20.0
    stop_after_minutes: float = math.inf
    collapse_steps: int = 0


class Run:
    """A training under way: method, data, optimiser, schedules, and where it stands."""

    def __init__(
        self, method: Method, plan: Plan, pack: Pack, probes: Sequence[Probe], out: Path, journal: Journal
    ) -> None:
        self.method, self.plan, self.pack, self.probes, self.out, self.journal = (
            method,
            plan,
            pack,
            probes,
            out,
            journal,
        )
        self.device = torch.device(plan.device)
        # Channels last: on a CPU a small ResNet's step takes 0.7 of the time (AMD Zen 5, fp32 and bf16 alike).
        module: nn.Module = method  # type: ignore[assignment]
        self.module = module.to(self.device).to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
        self.length = length(plan, len(pack))
        self.local = _local_batch(plan)
        self.schedules = method.schedules(self.length)
        self.optimizer = method.optimizer()
        self.step = 0
        self.minutes = 0.0
        self._order = (-1, np.empty(0, np.int64))
        method.start(self.length)

    def order(self, epoch: int) -> Ints:
        """The pictures of an epoch, in the order in which they come: the method's own, or a permutation by the seed."""
        if self._order[0] != epoch:
            rng = np.random.default_rng([self.plan.seed, 1, epoch])
            chosen = self.method.order(epoch, rng)
            self._order = (epoch, rng.permutation(len(self.pack)) if chosen is None else chosen)
        return self._order[1]


def train(run: Run, resume: Checkpoint | None = None) -> bool:
    """Train to the end, or to ``stop_after_minutes``; True when the whole training is done.

    Raises ``TrainingDiverged`` when the loss is not finite or the teacher has collapsed.
    """
    if resume is not None:
        restore(run, resume)
    forward = _forward(run)
    began, meter = time.monotonic(), Meter()
    watch = _Watch(run.plan.collapse_steps)
    saved = probed = logged = began
    earlier = run.minutes
    if run.step == 0:
        _probe(run)
    while run.step < run.length.steps:
        _step(run, forward, meter, watch)
        now = time.monotonic()
        run.minutes = earlier + (now - began) / 60
        if now - logged > run.plan.log_seconds or run.step in {1, run.length.steps}:
            _log(run, meter)
            logged = time.monotonic()
        if now - probed > run.plan.probe_minutes * 60 or run.step == run.length.steps:
            _probe(run)
            probed = time.monotonic()
        if now - saved > run.plan.checkpoint_minutes * 60:
            save(run)
            saved = time.monotonic()
        if now - began > run.plan.stop_after_minutes * 60:
            break
    save(run)
    return run.step >= run.length.steps


def length(plan: Plan, pictures: int) -> Length:
    """Steps of the whole training; an incomplete last batch of an epoch is dropped."""
    per_epoch = pictures // plan.batch
    return Length(max(1, round(plan.epochs * per_epoch)), per_epoch, plan.batch, pictures)


def _step(run: Run, forward: nn.Module, meter: Meter, watch: "_Watch") -> None:
    """One optimiser step, in the order of the released DINO code."""
    moment = Moment(run.step, run.step // run.length.per_epoch)
    method, plan = run.method, run.plan
    if run.step % run.length.per_epoch == 0:
        for name, value in method.begin_epoch(moment.epoch, Passes(run)).items():
            run.journal.write("epoch", step=run.step, name=name, value=value)
    optim.set_step(run.optimizer, run.schedules, run.step)
    method.begin_step(moment)
    run.optimizer.zero_grad(set_to_none=True)
    numbers, rows = _share(run, moment)
    for part in range(plan.accumulate):
        mine = slice(part * len(numbers) // plan.accumulate, (part + 1) * len(numbers) // plan.accumulate)
        crops = views(run, numbers[mine], rows[mine], moment.step)
        last = part == plan.accumulate - 1
        with _no_sync(forward, last), _autocast(run):
            outcome = forward(crops, torch.from_numpy(numbers[mine]).to(run.device))
        with _no_sync(forward, last):
            (outcome.loss / plan.accumulate).backward()
        meter.add(outcome.figures, len(numbers[mine]) * gather.world_size())
    watch.check(run, outcome.figures)
    if plan.clip:
        optim.clip(run.module.parameters(), plan.clip)
    method.after_backward(moment)
    run.optimizer.step()
    method.after_update(moment)
    run.step += 1


def views(run: Run, numbers: Ints, rows: Ints, step: int) -> list[Tensor]:
    """Crops of pictures ``numbers``, which are ``rows`` of the global batch.

    All is drawn for the global batch from the seed and the step alone, and each process takes its rows: so a resumed
    training sees the same crops, and so does one with another number of processes.
    """
    rng = np.random.default_rng([run.plan.seed, 2, step])
    chosen = _global_batch(run, step)
    drawn = augment.draw(run.method.recipe, run.pack.sizes[chosen], rng)
    mine = [draw.rows(int(rows[0]), int(rows[-1]) + 1) for draw in drawn]
    pictures = [torch.from_numpy(run.pack.picture(int(number))) for number in numbers]
    crops = augment.apply(run.method.recipe, pictures, mine, run.device)
    return [crop.contiguous(memory_format=torch.channels_last) for crop in crops]


def _global_batch(run: Run, step: int) -> Ints:
    start = step % run.length.per_epoch * run.plan.batch
    return run.order(step // run.length.per_epoch)[start : start + run.plan.batch]


def _share(run: Run, moment: Moment) -> tuple[Ints, Ints]:
    rows = np.arange(run.local) + gather.rank() * run.local
    return _global_batch(run, moment.step)[rows], rows


@dataclass(frozen=True)
class Passes:
    """What ``begin_epoch`` may do with the data."""

    run: Run

    @property
    def pictures(self) -> int:
        """Number N of training pictures."""
        return len(self.run.pack)

    def order(self, epoch: int) -> Ints:
        """The order in which this process will see its pictures in ``epoch``."""
        per_epoch = self.run.length.per_epoch
        batches = self.run.order(epoch)[: per_epoch * self.run.plan.batch].reshape(per_epoch, -1)
        start = gather.rank() * self.run.local
        return batches[:, start : start + self.run.local].reshape(-1)

    def crops(self, numbers: Ints, seed: int) -> list[Tensor]:
        """Augmented views of pictures ``numbers``."""
        rng = np.random.default_rng([self.run.plan.seed, 3, seed])
        drawn = augment.draw(self.run.method.recipe, self.run.pack.sizes[numbers], rng)
        pictures = [torch.from_numpy(self.run.pack.picture(int(number))) for number in numbers]
        return augment.apply(self.run.method.recipe, pictures, drawn, self.run.device)


class _Watch:
    """Stops a training that can no longer learn."""

    def __init__(self, patience: int) -> None:
        self.patience, self.bad = patience, 0

    def check(self, run: Run, figures: Any) -> None:
        loss = float(figures["loss"])
        if not math.isfinite(loss):
            raise TrainingDiverged(
                f"the loss is {loss} at step {run.step}; the last checkpoint is sound: lower --lr, use --precision fp32, "
                "or set --clip"
            )
        limit = run.method.uniform_entropy
        if not self.patience or limit is None or "entropy" not in figures:
            return
        entropy = float(figures["entropy"])
        self.bad = self.bad + 1 if entropy > 0.999 * limit or entropy < 0.001 * limit else 0
        if self.bad >= self.patience:
            kind = "uniform" if entropy > 0.5 * limit else "one-hot on a single prototype"
            raise TrainingDiverged(
                f"the targets have been {kind} for {self.bad} steps (entropy {entropy:.3f} of at most {limit:.3f}): "
                "nothing is learned; lower the teacher temperature, add --koleo 0.1, or use --centring sinkhorn"
            )


def _log(run: Run, meter: Meter) -> None:
    run.journal.write(
        "step",
        step=run.step,
        of=run.length.steps,
        epoch=round(run.step / run.length.per_epoch, 3),
        pictures=run.step * run.plan.batch,
        minutes=round(run.minutes, 2),
        lr=float(run.schedules.lr[run.step - 1]),
        **meter.take(),
    )


def _probe(run: Run) -> None:
    for labelled in run.probes if run.journal.directory is not None else ():
        recipe = run.method.recipe
        top1 = probe.measure(run.method.exported(), labelled, recipe.mean, recipe.std)
        run.journal.write(
            "probe",
            step=run.step,
            pictures=run.step * run.plan.batch,
            minutes=round(run.minutes, 2),
            set=labelled.name,
            top1=round(top1, 4),
        )


def save(run: Run) -> None:
    """Write the checkpoint; every process that keeps state of its own adds a file beside it."""
    if gather.rank() == 0:
        checkpoint.save(run.out / checkpoint.NAME, describe(run))


def describe(run: Run) -> dict[str, Any]:
    """Everything that ``checkpoint.load`` gives back."""
    plan = run.plan
    return {
        "method": run.method.name,
        "backbone": plan.backbone,
        "image_size": plan.image_size,
        "step": run.step,
        "config": {
            "run": dataclasses.asdict(plan),
            "method": dataclasses.asdict(run.method.config),
            "recipe": dataclasses.asdict(run.method.recipe),
            "world_size": gather.world_size(),
        },
        "training": {
            "epochs": run.step / run.length.per_epoch,
            "pictures": run.length.pictures,
            "pictures_seen": run.step * plan.batch,
            "steps": run.step,
            "minutes": round(run.minutes, 2),
            "seed": plan.seed,
        },
        "state": run.module.state_dict(),
        "backbone_prefix": run.method.backbone_prefix,
        "head_prefix": run.method.head_prefix,
        "optimizer": run.optimizer.state_dict(),
        "random": _random(),
    }


def restore(run: Run, saved: Checkpoint) -> None:
    """Go on where ``saved`` stopped, bit for bit on a CPU. Raises ``CheckpointMismatch``."""
    _check(run, saved)
    run.module.load_state_dict(saved.state)
    run.optimizer.load_state_dict(dict(saved.optimizer))
    run.step, run.minutes = saved.step, float(saved.training["minutes"])
    torch.set_rng_state(saved.random["cpu"])
    if "cuda" in saved.random and torch.cuda.is_available():
        torch.cuda.set_rng_state(saved.random["cuda"])


def _check(run: Run, saved: Checkpoint) -> None:
    plan = run.plan
    facts = {
        "method": (saved.method, run.method.name),
        "backbone": (saved.backbone, plan.backbone),
        "number of processes": (saved.config["world_size"], gather.world_size()),
        "number of pictures": (saved.training["pictures"], run.length.pictures),
        **{key: (saved.config["run"][key], getattr(plan, key)) for key in ("batch", "seed", "epochs", "image_size")},
        "settings of the method": (saved.config["method"], dataclasses.asdict(run.method.config)),
    }
    for what, (before, now) in facts.items():
        if before != now:
            raise CheckpointMismatch(
                f"{saved.path} was trained with {what} {before}, this run has {now}; resume with the same, or choose "
                "another --out"
            )


def _random() -> dict[str, Tensor]:
    state = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state()
    return state


def _local_batch(plan: Plan) -> int:
    world = gather.world_size()
    if plan.batch % (world * plan.accumulate):
        raise InvalidArgument(
            f"got --batch {plan.batch} for {world} processes and --accumulate {plan.accumulate}; it must be a multiple "
            f"of {world * plan.accumulate}"
        )
    return plan.batch // world


def _forward(run: Run) -> nn.Module:
    if not dist.is_initialized():
        return run.module
    devices = [run.device] if run.device.type == "cuda" else None
    return DistributedDataParallel(run.module, device_ids=devices, broadcast_buffers=False)


def _no_sync(forward: nn.Module, last: bool) -> AbstractContextManager[Any]:
    return nullcontext() if last or not isinstance(forward, DistributedDataParallel) else forward.no_sync()


def _autocast(run: Run) -> AbstractContextManager[Any]:
    enabled = run.plan.precision == "bf16"
    return torch.autocast(run.device.type, torch.bfloat16, enabled=enabled)
