"""Commands of this room: ``train`` and its methods."""

import dataclasses
import math
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import torch
import torch.distributed as dist

from copysight.errors import InvalidArgument
from training import augment, checkpoint, data, gather, imitation, loop, probe
from training.augment import Recipe
from training.imitation import Imitation, ImitationConfig
from training.journal import Journal
from training.loop import Plan, Run
from training.method import Method
from training.methods.dino import Dino, DinoConfig
from training.methods.swav import Swav, SwavConfig

Command = Callable[..., Any]


@dataclass(frozen=True)
class Job:
    """What every ``train`` command shares."""

    source: Path
    out: Path
    cache: Path
    plan: Plan
    threads: int
    warm_start: Path | None
    warm_start_pictures: int
    warm_start_batch: int
    probes: tuple[Path, ...]


@click.group()
def train() -> None:
    """Train a backbone on your own pictures, without labels."""


SHARED = (
    click.argument("source", metavar="DATA", type=click.Path(exists=True, path_type=Path)),
    click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of the run: checkpoint.pt, log.jsonl. A run that is there is resumed."),
    click.option("--backbone", default="vit_small_patch16_224", show_default=True, help="timm name of the network."),
    click.option("--epochs", default=100.0, show_default=True, help="Passes over the pictures; fractions allowed. DINO: 100 to 800."),
    click.option("--batch", default=64, show_default=True, help="Pictures per optimiser step, over all processes. DINO: 64 per GPU."),
    click.option("--accumulate", default=1, show_default=True, help="Micro-batches per optimiser step; teacher and centre move once per step."),
    click.option("--clip", default=3.0, show_default=True, help="Largest norm of each gradient tensor by itself, 0: no clipping. DINO: 3."),
    click.option("--global-size", default=224, show_default=True, help="Side of the two global crops in pixels, and of a ViT's position grid."),
    click.option("--local-size", default=96, show_default=True, help="Side of the local crops in pixels."),
    click.option("--local-crops", default=8, show_default=True, help="Local crops per picture; 0 trains on the two global ones. DINO: 8, SwAV: 6."),
    click.option("--precision", type=click.Choice(["fp32", "bf16"]), default="fp32", show_default=True, help="bf16: autocast. Faster on some processors, slower on others: measure."),
    click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1 …"),
    click.option("--threads", default=0, show_default=True, help="Threads of torch; 0: as many as torch likes."),
    click.option("--seed", default=0, show_default=True, help="Seed of weights, order and crops."),
    click.option("--probe", "probes", multiple=True, type=click.Path(exists=True, path_type=Path), help="Labelled set (tar or folder with train/<class> and val/<class>) for a k-NN probe. Repeatable."),
    click.option("--probe-minutes", default=15.0, show_default=True, help="Minutes between probes; also at the start and at the end."),
    click.option("--checkpoint-minutes", default=5.0, show_default=True, help="Minutes between checkpoints."),
    click.option("--stop-after", default=math.inf, help="Stop with a checkpoint after so many minutes; the same command goes on later."),
    click.option("--log-seconds", default=20.0, show_default=True, help="Seconds between progress lines."),
    click.option("--cache", type=click.Path(path_type=Path), default=None, help="Folder of decoded pictures. Default: ~/.cache/copysight."),
    click.option("--collapse-steps", default=2000, show_default=True, help="Stop when the targets have said nothing for so many steps; 0: never."),
    click.option("--warm-start", type=click.Path(exists=True, path_type=Path), default=None, help="First imitate the trained backbone of this run (ours, not the papers')."),
    click.option("--warm-start-pictures", default=50_000, show_default=True, help="Pictures to imitate on."),
    click.option("--warm-start-batch", default=32, show_default=True, help="Pictures per step of imitation."),
)  # fmt: skip


def shared(command: Command) -> Command:
    """Give a command what every method has, bundled as a ``Job``."""

    def wrapped(**options: Any) -> None:
        plan = Plan(
            **{name: options.pop(name) for name in ("backbone", "epochs", "batch", "accumulate", "clip", "precision")},
            **{name: options.pop(name) for name in ("probe_minutes", "checkpoint_minutes", "log_seconds", "seed")},
            collapse_steps=options.pop("collapse_steps"),
            stop_after_minutes=options.pop("stop_after"),
            image_size=options["global_size"],
            device=_device(options.pop("device")),
        )
        names = ("source", "out", "threads", "warm_start", "warm_start_pictures", "warm_start_batch", "probes")
        cache = options.pop("cache") or Path.home() / ".cache" / "copysight"
        command(Job(plan=plan, cache=cache, **{name: options.pop(name) for name in names}), **options)

    wrapped.__name__, wrapped.__doc__ = command.__name__, command.__doc__
    wrapped.__click_params__ = getattr(command, "__click_params__", [])  # type: ignore[attr-defined]
    for option in reversed(SHARED):
        wrapped = option(wrapped)
    return wrapped


@train.command()
@shared
@click.option(
    "--prototypes",
    default=65536,
    show_default=True,
    help="Outputs K of the head. DINO: 65536; small data: 1024 to 8192.",
)
@click.option("--hidden", default=2048, show_default=True, help="Width of the head's hidden layers. DINO: 2048.")
@click.option("--bottleneck", default=256, show_default=True, help="Width before the last layer. DINO: 256.")
@click.option("--head-bn", is_flag=True, help="BatchNorm in the head, as in DINO's large-batch ResNet runs.")
@click.option(
    "--norm-last-layer/--no-norm-last-layer",
    default=True,
    show_default=True,
    help="Keep prototypes at length 1. DINO: on; off is a little better with large batches.",
)
@click.option(
    "--freeze-last-layer", default=1.0, show_default=True, help="Epochs without update of the last layer. DINO: 1."
)
@click.option(
    "--momentum",
    default=0.996,
    show_default=True,
    help="Teacher's momentum at the start; rises to 1. DINO: .996; .9995 at batch 256; .99 on small data.",
)
@click.option(
    "--student-temperature", default=0.1, show_default=True, help="Softmax temperature of the student. DINO: .1."
)
@click.option(
    "--warmup-teacher-temperature",
    default=0.04,
    show_default=True,
    help="Teacher's temperature at the start. DINO: .04.",
)
@click.option(
    "--teacher-temperature",
    default=0.04,
    show_default=True,
    help="Teacher's temperature after its warm-up. DINO: .04, .07 in long runs.",
)
@click.option(
    "--warmup-teacher-epochs",
    default=0,
    show_default=True,
    help="Epochs from the one to the other. DINO: 0, 30 in long runs.",
)
@click.option("--centre-momentum", default=0.9, show_default=True, help="Momentum of the centre. DINO: .9.")
@click.option(
    "--centring",
    type=click.Choice(["softmax-centre", "sinkhorn"]),
    default="softmax-centre",
    show_default=True,
    help="How targets are balanced: DINO's centre, or Sinkhorn-Knopp as in DINOv2.",
)
@click.option(
    "--koleo",
    default=0.0,
    show_default=True,
    help="Weight of KoLeo on both global crops' features. DINOv2: .1; DINO: 0.",
)
@click.option("--drop-path", default=0.1, show_default=True, help="Stochastic depth of a student ViT. DINO: .1.")
@click.option(
    "--optimizer",
    type=click.Choice(["adamw", "sgd", "lars"]),
    default="adamw",
    show_default=True,
    help="DINO: adamw; sgd or lars for ResNets.",
)
@click.option("--lr", default=5e-4, show_default=True, help="Peak learning rate per 256 pictures of batch. DINO: 5e-4.")
@click.option("--min-lr", default=1e-6, show_default=True, help="Last learning rate, not scaled. DINO: 1e-6.")
@click.option("--warmup-epochs", default=10.0, show_default=True, help="Epochs of linear warm-up. DINO: 10.")
@click.option("--weight-decay", default=0.04, show_default=True, help="Weight decay at the start. DINO: .04.")
@click.option(
    "--final-weight-decay", default=0.4, show_default=True, help="Weight decay at the end, on a cosine. DINO: .4."
)
@click.option(
    "--global-scale",
    nargs=2,
    default=(0.4, 1.0),
    show_default=True,
    help="Area of global crops. DINO: .4 1; .14 1 without local crops or for ResNets.",
)
@click.option(
    "--local-scale",
    nargs=2,
    default=(0.05, 0.4),
    show_default=True,
    help="Area of local crops. DINO: .05 .4; .05 .14 for ResNets.",
)
def dino(
    job: Job,
    global_size: int,
    local_size: int,
    local_crops: int,
    global_scale: tuple[float, float],
    local_scale: tuple[float, float],
    **options: Any,
) -> None:
    """DINO: self-distillation with no labels (Caron et al. 2021)."""
    recipe = augment.dino_recipe(global_size, local_size, local_crops, global_scale, local_scale)
    config = DinoConfig(**options)
    _run(job, recipe, lambda: Dino(config, job.plan.backbone, job.plan.image_size, recipe))


@train.command()
@shared
@click.option(
    "--prototypes",
    default=3000,
    show_default=True,
    help="Prototypes K. SwAV: 3000, about ten per class; fewer on small data.",
)
@click.option("--hidden", default=2048, show_default=True, help="Width of the projection head. SwAV: 2048.")
@click.option("--output", default=128, show_default=True, help="Dimension of embeddings and prototypes. SwAV: 128.")
@click.option("--temperature", default=0.1, show_default=True, help="Softmax temperature. SwAV: .1.")
@click.option("--epsilon", default=0.05, show_default=True, help="Sinkhorn regularisation. SwAV: .05.")
@click.option("--sinkhorn-iterations", default=3, show_default=True, help="Sinkhorn iterations. SwAV: 3.")
@click.option(
    "--freeze-prototypes-steps",
    default=5005,
    show_default=True,
    help="Steps without update of prototypes. SwAV: 5005 at batch 256, 313 at 4096: one epoch.",
)
@click.option(
    "--queue-length",
    default=0,
    show_default=True,
    help="Past embeddings that take part in the assignment. SwAV: 3840 at batch 256, else 0.",
)
@click.option(
    "--queue-from-epoch", default=15.0, show_default=True, help="When the queue begins; too early collapses. SwAV: 15."
)
@click.option(
    "--koleo",
    default=0.0,
    show_default=True,
    help="Weight of KoLeo on both global crops' features (DINOv2: .1). SwAV: 0.",
)
@click.option("--drop-path", default=0.0, show_default=True, help="Stochastic depth of a ViT. SwAV: 0.")
@click.option(
    "--optimizer",
    type=click.Choice(["larc", "adamw", "sgd", "lars"]),
    default="larc",
    show_default=True,
    help="SwAV: SGD within LARC; adamw for ViTs and small data.",
)
@click.option(
    "--lr",
    default=0.6,
    show_default=True,
    help="Peak learning rate, NOT scaled by the batch. SwAV: .6 at 256, 4.8 at 4096.",
)
@click.option("--min-lr", default=0.0006, show_default=True, help="Last learning rate. SwAV: .0006, .0048.")
@click.option(
    "--start-lr", default=0.0, show_default=True, help="Learning rate at the start of the warm-up. SwAV: 0, .3 at 4096."
)
@click.option(
    "--warmup-epochs", default=0.0, show_default=True, help="Epochs of linear warm-up. SwAV: 0 at 256, 10 at 4096."
)
@click.option("--weight-decay", default=1e-6, show_default=True, help="Weight decay. SwAV: 1e-6.")
@click.option(
    "--global-scale",
    nargs=2,
    default=(0.14, 1.0),
    show_default=True,
    help="Area of global crops. SwAV: .14 1; .08 1 without local crops.",
)
@click.option(
    "--local-scale", nargs=2, default=(0.05, 0.14), show_default=True, help="Area of local crops. SwAV: .05 .14."
)
def swav(
    job: Job,
    global_size: int,
    local_size: int,
    local_crops: int,
    global_scale: tuple[float, float],
    local_scale: tuple[float, float],
    **options: Any,
) -> None:
    """SwAV: swapped assignments between views (Caron et al. 2020)."""
    recipe = augment.swav_recipe(global_size, local_size, local_crops, global_scale, local_scale)
    config = SwavConfig(**options)
    _run(job, recipe, lambda: Swav(config, job.plan.backbone, job.plan.image_size, recipe))


def _run(job: Job, recipe: Recipe, build: Callable[[], Method]) -> None:
    """Pack, warm start, train. Stages in order; a run that is there goes on."""
    _join(job)
    journal = Journal(job.out if gather.rank() == 0 else None, click.echo)
    job.out.mkdir(parents=True, exist_ok=True)
    pack = _pack(job, journal)
    probes = [probe.load(path, job.plan.image_size) for path in job.probes] if gather.rank() == 0 else []
    saved = checkpoint.load(job.out) if (job.out / checkpoint.NAME).exists() else None
    backbone = None
    if job.warm_start is not None and saved is None:
        backbone = _imitate(job, recipe, pack, probes, journal)
        if backbone is None:
            return
    torch.manual_seed(job.plan.seed)
    method = build()
    if backbone is not None:
        method.adopt(backbone)
    run = Run(method, job.plan, pack, probes, job.out, journal)
    done = loop.train(run, saved)
    journal.write("done" if done else "stopped", step=run.step, minutes=round(run.minutes, 2))


def _imitate(job: Job, recipe: Recipe, pack: data.Pack, probes: list[probe.Probe], journal: Journal) -> Any:
    """The warm-started backbone's weights, or ``None`` if time ran out before."""
    assert job.warm_start is not None
    out = job.out / "imitation"
    out.mkdir(exist_ok=True)
    batch = job.warm_start_batch
    epochs = job.warm_start_pictures / (len(pack) // batch * batch)
    plan = dataclasses.replace(job.plan, batch=batch, epochs=epochs, clip=1.0, accumulate=1, collapse_steps=0)
    single = imitation.recipe(plan.image_size, recipe)
    torch.manual_seed(plan.seed)
    teacher = imitation.teacher(checkpoint.load(job.warm_start), pack, single, plan.device)
    method = Imitation(ImitationConfig(), teacher, plan.backbone, plan.image_size, single)
    run = Run(method, plan, pack, probes, out, journal)
    saved = checkpoint.load(out) if (out / checkpoint.NAME).exists() else None
    if not loop.train(run, saved):
        journal.write("stopped", step=run.step, minutes=round(run.minutes, 2))
        return None
    return {name: value.detach().cpu() for name, value in method.student.state_dict().items()}


def _pack(job: Job, journal: Journal) -> data.Pack:
    if gather.rank() == 0:
        pack = data.pack(job.source, job.cache, at_least=job.plan.batch)
        journal.write("pictures", readable=len(pack), unreadable=sum(pack.unreadable.values()), reasons=pack.unreadable)
    if gather.world_size() > 1:
        dist.barrier()
        if gather.rank() > 0:
            pack = data.pack(job.source, job.cache, at_least=job.plan.batch)
    return pack


def _join(job: Job) -> None:
    if job.threads:
        torch.set_num_threads(job.threads)
    if "WORLD_SIZE" in os.environ and int(os.environ["WORLD_SIZE"]) > 1 and not dist.is_initialized():
        dist.init_process_group("nccl" if job.plan.device.startswith("cuda") else "gloo")


def _device(name: str) -> str:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise InvalidArgument(f"got --device {name}, but torch sees no GPU; use --device cpu")
    if name == "cuda":
        name = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
        torch.cuda.set_device(name)
    return name


if __name__ == "__main__":
    sys.exit(train())
