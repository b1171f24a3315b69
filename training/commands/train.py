"""Commands of this room: ``train`` and its methods."""

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from training.checkpoints import checkpoint
from training.commands import options
from training.commands.presets import SMALL
from training.methods.copy import Copy, CopyConfig
from training.methods.deepcluster import DeepCluster, DeepClusterConfig
from training.methods.deepcluster_v1 import DeepClusterV1, DeepClusterV1Config
from training.methods.dino import Dino, DinoConfig
from training.methods.method import Method
from training.methods.swav import Swav, SwavConfig
from training.run import job
from training.run.job import Job
from training.run.plan import Plan
from training.views import multi_crop
from training.views.edited_pairs import EditRecipe
from training.views.multi_crop import Recipe

Command = Callable[..., Any]
Decorator = Callable[[Command], click.Command]
EXISTING = click.Path(exists=True, path_type=Path)
FILES = (
    click.argument("source", metavar="DATA", type=EXISTING),
    click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of the run; one there goes on."),
    click.option("--cache", type=click.Path(path_type=Path), help="Decoded pictures. Default: ~/.cache/copysight."),
    click.option(
        "--probe",
        "probes",
        multiple=True,
        type=EXISTING,
        help="Labelled set for a k-NN probe (train/, val/); repeatable.",
    ),
    click.option(
        "--warm-start",
        type=EXISTING,
        help="First imitate the backbone of a RUN, released checkpoint or BUNDLE with weights (ours, not the papers').",
    ),
    click.option("--warm-start-pictures", default=50_000, show_default=True, help="Pictures to imitate on."),
    click.option("--warm-start-batch", default=32, show_default=True, help="Pictures per step of imitation."),
    click.option("--threads", default=0, show_default=True, help="Threads of torch; 0: as many as torch likes."),
    click.option("--tensorboard", is_flag=True, help="Also write events for TensorBoard (package tensorboard)."),
    click.option("--local-size", default=96, show_default=True, help="Side of the local crops in pixels."),
)


@click.group()
def train() -> None:
    """Train a backbone on your own pictures, without labels.

    DATA is a folder tree of pictures, a tar file, or a folder of tar shards.
    """


def method(config: type, crops: int, global_scale: tuple[float, float], local_scale: tuple[float, float]) -> Decorator:
    """Make a command of a function (job, views, config): with the method's defaults."""
    area = functools.partial(click.option, nargs=2, show_default=True)

    def decorate(command: Command) -> click.Command:
        @options.of(Plan)
        @options.of(config)
        @click.option("--local-crops", default=crops, show_default=True, help="Local crops per picture; 0: none.")
        @area("--global-scale", default=global_scale, help="Area of global crops, as a share of the picture.")
        @area("--local-scale", default=local_scale, help="Area of local crops, as a share of the picture.")
        @click.option(
            "--colours",
            type=click.FloatRange(min=0),
            default=1.0,
            show_default=True,
            help="Colour jitter, as a share of the method's. Ours.",
        )
        @functools.wraps(command)
        def wrapped(**given: Any) -> None:
            settings = config(**options.take(config, given))
            views = [
                given.pop(name) for name in ("local_size", "local_crops", "global_scale", "local_scale", "colours")
            ]
            command(_job(given), views, settings)

        for option in reversed(FILES):
            wrapped = option(wrapped)
        if command.__name__ in SMALL:
            wrapped = _small(SMALL[command.__name__])(wrapped)
        return train.command()(wrapped)

    return decorate


def _small(settings: Mapping[str, object]) -> Callable[[Command], Command]:
    """The option that puts ``settings`` in the place of the defaults."""

    def chosen(context: click.Context, _: click.Parameter, small: bool) -> None:
        if small:
            context.default_map = {**settings}

    return click.option(
        "--small",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=chosen,
        help="Other defaults: a small ResNet, few prototypes and small crops, for some ten thousand pictures and one "
        "machine. Options given beside it win. Ours; what they are and learned: docs/notes/methods.md.",
    )


@method(DinoConfig, 8, (0.4, 1.0), (0.05, 0.4))
def dino(given: Job, views: Any, config: DinoConfig) -> None:
    """DINO: self-distillation with no labels (Caron et al. 2021)."""
    recipe = multi_crop.dino_recipe(given.plan.image_size, *views)
    _run(given, recipe, lambda: Dino(config, given.plan.backbone, given.plan.image_size, recipe))


@method(SwavConfig, 6, (0.14, 1.0), (0.05, 0.14))
def swav(given: Job, views: Any, config: SwavConfig) -> None:
    """SwAV: swapped assignments between views (Caron et al. 2020)."""
    recipe = multi_crop.swav_recipe(given.plan.image_size, *views)
    _run(given, recipe, lambda: Swav(config, given.plan.backbone, given.plan.image_size, recipe))


@method(DeepClusterConfig, 6, (0.14, 1.0), (0.05, 0.14))
def deepcluster(given: Job, views: Any, config: DeepClusterConfig) -> None:
    """DeepCluster-v2: k-means on a memory gives the next epoch's labels (Caron et al. 2020, appendix D)."""
    recipe = multi_crop.swav_recipe(given.plan.image_size, *views)
    _run(given, recipe, lambda: DeepCluster(config, given.plan.backbone, given.plan.image_size, recipe))


@method(DeepClusterV1Config, 0, (0.08, 1.0), (0.05, 0.14))
def deepcluster_v1(given: Job, views: Any, config: DeepClusterV1Config) -> None:
    """The original DeepCluster: cluster all features, learn the clusters as classes (Caron et al. 2018).

    It sees one crop a picture, its colours left alone: --global-scale counts, --local-* and --colours do not.
    """
    recipe = multi_crop.plain_recipe(given.plan.image_size, views[2])
    _run(given, recipe, lambda: DeepClusterV1(config, given.plan.backbone, given.plan.image_size, recipe))


@train.command()
@options.of(Plan)
@options.of(CopyConfig)
@click.option("--init", type=EXISTING, help="Start from the backbone of this run (DINO, SwAV, DeepCluster, copy).")
def copy(init: Path | None, **given: Any) -> None:
    """Descriptors that find copies: contrastive, with an entropy term and strong edits (Pizzi et al. 2022)."""
    config = CopyConfig(**options.take(CopyConfig, given))
    task = _job(given)
    recipe = EditRecipe(task.plan.image_size, config.mild)

    def build() -> Method:
        method = Copy(config, task.plan.backbone, task.plan.image_size, recipe)
        if init is not None:
            method.adopt(checkpoint.load(init).backbone_state)
        return method

    _run(task, recipe, build)


for option in reversed(FILES[:-1]):
    copy = option(copy)


def _job(given: dict[str, Any]) -> Job:
    plan = Plan(**options.take(Plan, given))
    cache = given.pop("cache") or Path.home() / ".cache" / "copysight"
    return Job(plan=plan, cache=cache, **given)


def _run(given: Job, recipe: Recipe | EditRecipe, build: Callable[[], Method]) -> None:
    job.run(given, recipe, build, click.echo)


if __name__ == "__main__":
    train()
