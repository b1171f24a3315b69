"""Run a training job from start to end: processes, pictures, warm start, method, loop."""

import dataclasses
import os
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor

from copysight.errors import InvalidArgument, TooFewPictures
from copysight.pictures.scan import ORDINARY, ScanOptions
from copysight.system.version import commit, version
from training import distributed
from training.checkpoints import checkpoint, pretrained
from training.checkpoints.pretrained import Initial
from training.config_field import named_options
from training.data import pack as packs
from training.data.pack import Pack
from training.methods import imitation
from training.methods.imitation import Imitation, ImitationConfig
from training.methods.method import Method
from training.run import checks, knn_probe, loop, resume, run_folder
from training.run.extension import extension
from training.run.knn_probe import Probe
from training.run.plan import Plan
from training.run.run import Run
from training.run.training_log import TrainingLog, tensorboard_writer
from training.views.edited_pairs import EditRecipe
from training.views.multi_crop import Recipe


@dataclass(frozen=True)
class Job:
    """Pictures, output folder and settings of a training. ``command``: the command line that goes on with it."""

    source: Path
    out: Path
    cache: Path
    plan: Plan
    probes: tuple[Path, ...] = ()
    threads: int = 0
    init: str | None = None
    warm_start: Path | None = None
    warm_start_pictures: int = 50_000
    warm_start_batch: int = 32
    tensorboard: bool = False
    command: str = ""
    reading: ScanOptions = ORDINARY


@dataclass(frozen=True)
class _Inputs:
    """Inputs that the warm start and the method share."""

    job: Job
    pack: Pack
    probes: list[Probe]
    log: TrainingLog


def run(job: Job, recipe: Recipe | EditRecipe, build: Callable[[], Method], echo: Callable[[str], None]) -> bool:
    """Train the method that ``build`` returns; resume if ``job.out`` has a checkpoint. True if the training is done.

    False means that it stopped early. ``echo`` prints a line. Raises ``NoPictures``,
    ``TooFewPictures``, ``InvalidArgument``, ``CheckpointMismatch`` or ``TrainingDiverged``.
    """
    job = dataclasses.replace(job, plan=dataclasses.replace(job.plan, device=find_device(job.plan.device)))
    join_processes(job)
    first = distributed.rank() == 0
    saved = checkpoint.load(job.out) if (job.out / checkpoint.NAME).exists() else None
    torch.manual_seed(job.plan.seed)
    method = build()
    checks.before_decoding(job.plan, method, saved, job.init, job.warm_start)
    started = None if job.init is None or saved is not None else _load_initial(job.init, method)
    job.out.mkdir(parents=True, exist_ok=True)
    with run_folder.exclusive(job.out) if first else nullcontext():
        scalars = tensorboard_writer(job.out) if job.tensorboard and first else None
        log = TrainingLog(job.out if first else None, echo, scalars)
        if started is not None:
            log.write_lines("init", started.lines(), **started.to_json())
        return _run(job, method, saved, recipe, log)


def _run(
    job: Job, method: Method, saved: checkpoint.Checkpoint | None, recipe: Recipe | EditRecipe, log: TrainingLog
) -> bool:
    """The part of a training that needs its folder: pictures, probes, warm start, loop."""
    _describe(job, method, saved, log)
    pack = _pack(job, log)
    checks.after_decoding(job.plan, method, pack, saved)
    if saved is not None:
        _say_what_changes(job.plan, method, saved, pack, log)
    first = distributed.rank() == 0
    probes = [knn_probe.load(path, job.plan.image_size, job.reading) for path in job.probes] if first else []
    inputs = _Inputs(job, pack, probes, log)
    if job.warm_start is not None and saved is None:
        backbone = _warm_start(inputs, job.warm_start, recipe)
        if backbone is None:
            return False
        method.load_backbone(backbone)
        method.started_from = pretrained.origin(job.warm_start)
    return _train(inputs, method, job.plan, job.out, saved)


def _describe(job: Job, method: Method, saved: checkpoint.Checkpoint | None, log: TrainingLog) -> None:
    """Write into the log, but not on the terminal, what is trained with which options and by which code."""
    options = {**named_options(job.plan), **named_options(method.config)}
    log.write_lines(
        "run",
        [],
        method=method.name,
        backbone=job.plan.backbone,
        step=0 if saved is None else saved.step,
        processes=distributed.world_size(),
        version=version(),
        commit=commit(),
        options=options,
        views=resume.recipe_facts(dataclasses.asdict(method.recipe)),
    )


def _load_initial(source: str, method: Method) -> Initial:
    """Put the weights of a source into ``method``; what was loaded and what not."""
    found = pretrained.initial(source, method.exported_backbone())
    method.load_backbone(found.state)
    method.started_from = found.origin
    return found.with_head(method.load_head(found.rest))


def _say_what_changes(plan: Plan, method: Method, saved: checkpoint.Checkpoint, pack: Pack, log: TrainingLog) -> None:
    extended = extension(method, plan, saved.config["run"]["epochs"], saved.step, len(pack))
    if extended is not None:
        log.write_lines("extended", extended.lines(), **extended.to_json())


def join_processes(job: Job) -> None:
    """Set torch's threads, and join the process group if ``torchrun`` started several processes."""
    if job.threads:
        torch.set_num_threads(job.threads)
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and not dist.is_initialized():
        dist.init_process_group("nccl" if job.plan.device.startswith("cuda") else "gloo")


def find_device(name: str) -> str:
    """Turn ``auto``, ``cpu``, ``cuda`` or ``cuda:1`` into an available device; each local process gets its own GPU.

    Raises ``InvalidArgument`` if there is no GPU.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise InvalidArgument(f"got --device {name}, but torch finds no GPU; use --device cpu")
    if name.startswith("cuda:") and int(name.removeprefix("cuda:")) >= torch.cuda.device_count():
        raise InvalidArgument(f"got --device {name}, but torch finds only {torch.cuda.device_count()} GPUs")
    if name == "cuda":
        name = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
        torch.cuda.set_device(name)
    return name


def _pack(job: Job, log: TrainingLog) -> Pack:
    """The pack of the pictures; rank 0 writes it while the other processes wait."""
    if distributed.rank() > 0:
        distributed.wait()
    progress = _DecodingProgress(log)
    pack = packs.pack(job.source, job.cache, min_pictures=job.plan.batch, report=progress, reading=job.reading)
    if distributed.rank() == 0:
        distributed.wait()
    log.write("pictures", readable=len(pack), unreadable=sum(pack.unreadable.values()), reasons=pack.unreadable)
    if pack.account is not None:
        log.write_lines("scan", pack.account.lines(), **pack.account.to_json())
    return pack


def _warm_start(inputs: _Inputs, warm_start: Path, recipe: Recipe | EditRecipe) -> Mapping[str, Tensor] | None:
    """Weights of the backbone after the warm start; ``None`` if the training stopped before its end."""
    job, batch = inputs.job, inputs.job.warm_start_batch
    out = job.out / "imitation"
    out.mkdir(exist_ok=True)
    if batch > len(inputs.pack):
        raise TooFewPictures(
            f"got --warm-start-batch {batch} for {len(inputs.pack)} pictures; lower --warm-start-batch or add pictures"
        )
    epochs = job.warm_start_pictures / (len(inputs.pack) // batch * batch)
    plan = dataclasses.replace(job.plan, batch=batch, epochs=epochs, clip=1.0, accumulate=1, collapse_steps=0)
    single = imitation.recipe(plan.image_size, recipe)
    torch.manual_seed(plan.seed)
    teacher = imitation.teacher(warm_start, inputs.pack, single, plan.device)
    method = Imitation(ImitationConfig(), teacher, plan.backbone, plan.image_size, single)
    saved = checkpoint.load(out) if (out / checkpoint.NAME).exists() else None
    if not _train(inputs, method, plan, out, saved):
        return None
    return {name: value.detach().cpu() for name, value in method.student.state_dict().items()}


def _train(inputs: _Inputs, method: Method, plan: Plan, out: Path, saved: checkpoint.Checkpoint | None) -> bool:
    run = Run(method, plan, inputs.pack, inputs.probes, out, inputs.log)
    done = loop.train(run, saved)
    inputs.log.write("done" if done else "stopped", step=run.step, minutes=round(run.minutes, 2), skipped=run.skipped)
    if not done and inputs.job.command:
        inputs.log.say(f"to go on: {inputs.job.command}")
    return done


class _DecodingProgress:
    """Log the number of decoded files, every 5000 files."""

    def __init__(self, log: TrainingLog) -> None:
        self.log = log

    def __call__(self, files: int) -> None:
        if files % 5000 == 0:
            self.log.write("decoding", files=files)
