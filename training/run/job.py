"""A training job from start to end: processes, pictures, warm start, method, loop."""

import dataclasses
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor

from copysight.errors import InvalidArgument, TooFewPictures
from training import distributed
from training.checkpoints import checkpoint, pretrained
from training.data import pack as packs
from training.data.pack import Pack
from training.methods import imitation
from training.methods.imitation import Imitation, ImitationConfig
from training.methods.method import Method
from training.run import knn_probe, loop, resume
from training.run import training_log as journals
from training.run.knn_probe import Probe
from training.run.plan import Plan
from training.run.run import Run
from training.run.training_log import Journal
from training.views.edited_pairs import EditRecipe
from training.views.multi_crop import Recipe


@dataclass(frozen=True)
class Job:
    """What to train on, where to, and how."""

    source: Path
    out: Path
    cache: Path
    plan: Plan
    probes: tuple[Path, ...] = ()
    threads: int = 0
    warm_start: Path | None = None
    warm_start_pictures: int = 50_000
    warm_start_batch: int = 32
    tensorboard: bool = False


@dataclass(frozen=True)
class _Ground:
    """What both the warm start and the method stand on."""

    job: Job
    pack: Pack
    probes: list[Probe]
    journal: Journal


def run(job: Job, recipe: Recipe | EditRecipe, build: Callable[[], Method], say: Callable[[str], None]) -> bool:
    """Train what ``build`` makes; a run that is there goes on. True when the training is done, False when it stopped.

    Raises what the stages raise: ``NoPictures``, ``TooFewPictures``, ``CheckpointMismatch``, ``TrainingDiverged``.
    """
    job = dataclasses.replace(job, plan=dataclasses.replace(job.plan, device=device(job.plan.device)))
    join(job)
    first = distributed.rank() == 0
    saved = checkpoint.load(job.out) if (job.out / checkpoint.NAME).exists() else None
    torch.manual_seed(job.plan.seed)
    method = build()
    _fits(job, method, saved)
    job.out.mkdir(parents=True, exist_ok=True)
    scalars = journals.tensorboard(job.out) if job.tensorboard and first else None
    journal = Journal(job.out if first else None, say, scalars)
    pack = _pack(job, journal)
    _affords(job.plan, method, len(pack))
    probes = [knn_probe.load(path, job.plan.image_size) for path in job.probes] if first else []
    ground = _Ground(job, pack, probes, journal)
    if job.warm_start is not None and saved is None:
        backbone = _imitate(ground, job.warm_start, recipe)
        if backbone is None:
            return False
        method.adopt(backbone)
    return _train(ground, method, job.plan, job.out, saved)


def _fits(job: Job, method: Method, saved: checkpoint.Checkpoint | None) -> None:
    """Say what cannot go on or start before anything is decoded."""
    _ = job.plan.local_batch
    if saved is not None:
        resume.check(saved, method, job.plan)
    elif job.warm_start is not None:
        pretrained.backbone(job.warm_start)


def _affords(plan: Plan, method: Method, pictures: int) -> None:
    """Say that the pictures are too few, or a schedule too long, before probes are read and before a warm start."""
    length = plan.length(pictures)
    method.schedules(length)
    method.start(length)


def join(job: Job) -> None:
    """Set the threads, and join the other processes when ``torchrun`` started several."""
    if job.threads:
        torch.set_num_threads(job.threads)
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and not dist.is_initialized():
        dist.init_process_group("nccl" if job.plan.device.startswith("cuda") else "gloo")


def device(name: str) -> str:
    """``auto``, ``cpu``, ``cuda`` or ``cuda:1`` to a device that is there; one GPU per local process."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise InvalidArgument(f"got --device {name}, but torch sees no GPU; use --device cpu")
    if name == "cuda":
        name = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
        torch.cuda.set_device(name)
    return name


def _pack(job: Job, journal: Journal) -> Pack:
    """The pack, made by the first process while the others wait."""
    if distributed.rank() > 0:
        dist.barrier()
    pack = packs.pack(job.source, job.cache, at_least=job.plan.batch, report=_Counter(journal))
    if distributed.rank() == 0 and distributed.world_size() > 1:
        dist.barrier()
    journal.write("pictures", readable=len(pack), unreadable=sum(pack.unreadable.values()), reasons=pack.unreadable)
    return pack


def _imitate(ground: _Ground, warm_start: Path, recipe: Recipe | EditRecipe) -> Mapping[str, Tensor] | None:
    """Weights of the warm-started backbone, or ``None`` if the time ran out before."""
    job, batch = ground.job, ground.job.warm_start_batch
    out = job.out / "imitation"
    out.mkdir(exist_ok=True)
    if batch > len(ground.pack):
        raise TooFewPictures(
            f"got --warm-start-batch {batch} for {len(ground.pack)} pictures; lower it or add pictures"
        )
    epochs = job.warm_start_pictures / (len(ground.pack) // batch * batch)
    plan = dataclasses.replace(job.plan, batch=batch, epochs=epochs, clip=1.0, accumulate=1, collapse_steps=0)
    single = imitation.recipe(plan.image_size, recipe)
    torch.manual_seed(plan.seed)
    teacher = imitation.teacher(warm_start, ground.pack, single, plan.device)
    method = Imitation(ImitationConfig(), teacher, plan.backbone, plan.image_size, single)
    saved = checkpoint.load(out) if (out / checkpoint.NAME).exists() else None
    if not _train(ground, method, plan, out, saved):
        return None
    return {name: value.detach().cpu() for name, value in method.student.state_dict().items()}


def _train(ground: _Ground, method: Method, plan: Plan, out: Path, saved: checkpoint.Checkpoint | None) -> bool:
    run = Run(method, plan, ground.pack, ground.probes, out, ground.journal)
    done = loop.train(run, saved)
    ground.journal.write("done" if done else "stopped", step=run.step, minutes=round(run.minutes, 2))
    return done


class _Counter:
    """Says every few thousand files how far the decoding is."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal

    def __call__(self, files: int) -> None:
        if files % 5000 == 0:
            self.journal.write("decoding", files=files)
