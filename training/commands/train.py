"""The command ``train``, with one sub-command for each training method."""

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click
import torch

from copysight.model.bundle import load
from copysight.pictures.scan import scan_options
from copysight.system.numbers import Real, rising
from copysight.system.stopping import stoppable
from training.commands import command_line, options
from training.commands.job_options import FILES, grouped
from training.commands.option_groups import GroupedCommand
from training.commands.presets import SMALL
from training.config_field import SIDE
from training.methods.copy import Copy, CopyConfig
from training.methods.deepcluster import DeepCluster, DeepClusterConfig
from training.methods.deepcluster_v1 import DeepClusterV1, DeepClusterV1Config
from training.methods.dino import Dino, DinoConfig
from training.methods.distil import Distil, DistilConfig, Teachers
from training.methods.method import Method
from training.methods.swav import Swav, SwavConfig
from training.run import job as jobs
from training.run.job import Job
from training.run.plan import Plan
from training.views import multi_crop
from training.views.edited_pairs import EditRecipe
from training.views.multi_crop import Recipe

Command = Callable[..., Any]
Decorator = Callable[[Command], click.Command]
EPILOG = (
    "DATA is a folder tree of pictures, a tar file, a folder of tar shards, or a list of them: a text file (.txt) with "
    "one path a line, relative to the list."
)


@click.group(short_help="Train a backbone on your own pictures, without labels.")
def train() -> None:
    """Train a backbone on your own pictures, without labels.

    DATA is a folder tree of pictures, a tar file, a folder of tar shards, or a list of them: a text file (.txt) with
    one path a line, relative to the list.
    """


def method(config: type, crops: int, global_scale: tuple[float, float], local_scale: tuple[float, float]) -> Decorator:
    """Make a command of a function (job, views, config), with the method's defaults for multi-crop."""
    option = functools.partial(grouped, show_default=True, group="Method")
    scale = functools.partial(option, nargs=2, type=Real(0, 1, min_open=True), callback=rising)

    def decorate(command: Command) -> click.Command:
        @scan_options
        @options.config_options(Plan)
        @options.config_options(config)
        @option(
            "--local-crops",
            type=click.IntRange(0, 100),
            default=crops,
            help="Number of local crops per picture; 0 uses only global crops.",
        )
        @option(
            "--local-size",
            type=options.number(SIDE, whole=True),
            default=96,
            help="Side of the local crops in pixels, or height and width as in 96x64.",
        )
        @scale("--global-scale", default=global_scale, help="Area of global crops as a share of the picture.")
        @scale("--local-scale", default=local_scale, help="Area of local crops as a share of the picture.")
        @option(
            "--colours",
            type=Real(0, 10),
            default=1.0,
            help="Strength of the colour jitter as a share of the method's own. The default is ours.",
        )
        @functools.wraps(command)
        def wrapped(**given: Any) -> None:
            settings = config(**options.pop_config(config, given))
            views = [
                given.pop(name) for name in ("local_size", "local_crops", "global_scale", "local_scale", "colours")
            ]
            job = _job(given)
            _check_together(job.plan, settings)
            command(job, views, settings)

        for file in reversed(FILES):
            wrapped = file(wrapped)
        if command.__name__ in SMALL:
            wrapped = _preset_option(SMALL[command.__name__])(wrapped)
        return _subcommand(wrapped)

    return decorate


def _subcommand(command: Command) -> click.Command:
    """Add a command to ``train``. Its summary is the first line of its docstring, which click would cut."""
    summary = (command.__doc__ or "").strip().splitlines()[0]
    return train.command(cls=GroupedCommand, short_help=summary, epilog=EPILOG)(command)


def _preset_option(settings: Mapping[str, object]) -> Callable[[Command], Command]:
    """The option ``--small``, which replaces the defaults by ``settings``."""

    def replace_defaults(context: click.Context, _: click.Parameter, small: bool) -> None:
        if small:
            context.default_map = {**settings}

    return grouped(
        "--small",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=replace_defaults,
        help="Use defaults for some ten thousand pictures on one machine: a small ResNet, few prototypes and small "
        "crops. Other options take precedence. The values and their results are in docs/notes/methods.md.",
        group="Common",
    )


@method(DinoConfig, 8, (0.4, 1.0), (0.05, 0.4))
def dino(job: Job, views: Any, config: DinoConfig) -> None:
    """Train a student to match its own moving average on other crops (DINO, 2021).

    Source: Caron et al. 2021, self-distillation with no labels.
    """
    recipe = multi_crop.dino_recipe(job.plan.image_size, *views)
    _run(job, recipe, lambda: Dino(config, job.plan.backbone, job.plan.image_size, recipe))


@method(SwavConfig, 6, (0.14, 1.0), (0.05, 0.14))
def swav(job: Job, views: Any, config: SwavConfig) -> None:
    """Predict the prototypes of one crop from the other crops (SwAV, 2020).

    Source: Caron et al. 2020, swapped assignments between views.
    """
    recipe = multi_crop.swav_recipe(job.plan.image_size, *views)
    _run(job, recipe, lambda: Swav(config, job.plan.backbone, job.plan.image_size, recipe))


@method(DeepClusterConfig, 6, (0.14, 1.0), (0.05, 0.14))
def deepcluster(job: Job, views: Any, config: DeepClusterConfig) -> None:
    """Learn clusters of stored embeddings as classes (DeepCluster-v2, 2020).

    Source: Caron et al. 2020, appendix D.
    """
    recipe = multi_crop.swav_recipe(job.plan.image_size, *views)
    _run(job, recipe, lambda: DeepCluster(config, job.plan.backbone, job.plan.image_size, recipe))


@method(DeepClusterV1Config, 0, (0.08, 1.0), (0.05, 0.14))
def deepcluster_v1(job: Job, views: Any, config: DeepClusterV1Config) -> None:
    """Learn clusters of all features as classes (the original DeepCluster, 2018).

    Source: Caron et al. 2018. The method uses one crop per picture without colour jitter: --global-scale has an effect,
    the options --local-* and --colours have none.
    """
    recipe = multi_crop.plain_recipe(job.plan.image_size, views[2])
    _run(job, recipe, lambda: DeepClusterV1(config, job.plan.backbone, job.plan.image_size, recipe))


def on_edits(config: type) -> Decorator:
    """Make a command of a function (job, config) for methods that train on edited pictures."""

    def decorate(command: Command) -> click.Command:
        @scan_options
        @options.config_options(Plan)
        @options.config_options(config)
        @functools.wraps(command)
        def wrapped(**given: Any) -> None:
            settings = config(**options.pop_config(config, given))
            command(_job(given), settings)

        for file in reversed(FILES):
            wrapped = file(wrapped)
        return _subcommand(wrapped)

    return decorate


@on_edits(CopyConfig)
def copy(job: Job, config: CopyConfig) -> None:
    """Train descriptors that find edited copies of pictures (SSCD, 2022).

    Source: Pizzi et al. 2022. The loss is contrastive with an entropy term, and the views have strong edits.
    """
    recipe = EditRecipe(job.plan.image_size, config.mild)
    _run(job, recipe, lambda: Copy(config, job.plan.backbone, job.plan.image_size, recipe))


@on_edits(DistilConfig)
def distil(job: Job, config: DistilConfig) -> None:
    """Train a network to give the embeddings of bundles, for example one view of a large one's many.

    The papers have no such step. --global-size is the size of the student's view; --init starts from another run.
    """
    recipe = EditRecipe(job.plan.image_size, config.mild)
    bundles = [load(path) for path in config.teachers]
    _run(job, recipe, lambda: Distil(config, Teachers(bundles, recipe), job.plan.backbone, job.plan.image_size, recipe))


def _job(given: dict[str, Any]) -> Job:
    plan = Plan(**options.pop_config(Plan, given))
    cache = given.pop("cache") or Path.home() / ".cache" / "copysight"
    return Job(plan=plan, cache=cache, command=command_line.of(click.get_current_context()), **given)


def _run(job: Job, recipe: Recipe | EditRecipe, build: Callable[[], Method]) -> None:
    # In the loop a signal asks for a checkpoint; before it, while pictures are decoded, it ends the command.
    with stoppable():
        jobs.run(job, recipe, build, click.echo)


def _check_together(plan: Plan, config: Any) -> None:
    """Fail with a usage error for values that make no sense together."""
    try:
        torch.device("cpu" if plan.device == "auto" else plan.device)
    except RuntimeError as error:
        raise click.BadParameter(
            f"'{plan.device}' is no device; use auto, cpu, cuda or cuda:1.", param_hint="'--device'"
        ) from error
    warmup, queue = getattr(config, "warmup_epochs", 0), getattr(config, "queue_length", 0)
    if warmup > plan.epochs:
        raise click.UsageError(
            f"got a warm-up of {warmup:g} epochs in a training of {plan.epochs:g} epochs; lower --warmup-epochs or "
            "raise --epochs"
        )
    if 0 < queue < plan.batch:
        raise click.UsageError(
            f"got --queue-length {queue} for a --batch of {plan.batch}; the queue holds whole batches"
        )


if __name__ == "__main__":
    train()
