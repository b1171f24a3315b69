"""Options that several commands of ``copysight index`` share, as decorators."""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar, cast

import click

from copysight.pictures.scan import scan_options
from copysight.scoring.calibration import COPY, DIFFERENT
from copysight.system.numbers import Real
from index_builder.stages.calibration import ProbabilityOptions

F = TypeVar("F", bound=Callable[..., Any])
PATH = click.Path(path_type=Path)


def directory(command: F) -> F:
    """Add the option ``--index``, which every command has."""
    return click.option("--index", "directory", required=True, type=PATH, help="Directory of the index.")(command)


def as_json(command: F) -> F:
    """Add the option ``--json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")(command)


def probabilities(command: F) -> F:
    """Add the options of the probabilities, which all commands that publish have, as one argument."""

    @wraps(command)
    def with_options(
        *args: Any, share: float | None, copy_from: float | None, different_to: float | None, **more: Any
    ) -> Any:
        return command(*args, probabilities=ProbabilityOptions(share, copy_from, different_to), **more)

    for option in reversed(
        (
            click.option(
                "--share",
                type=Real(0, 1, min_open=True, max_open=True),
                default=None,
                help="Expected share of queries that have a copy in this index, which calibrates the probabilities. "
                "The default is that of the live generation, or 0.5 for a new index.",
            ),
            click.option(
                "--copy-from",
                type=Real(0, 1, min_open=True),
                default=None,
                help="Probability from which on the verdict is `copy`. The default is that of the live generation, or "
                f"{COPY:g} for a new index.",
            ),
            click.option(
                "--different-to",
                type=Real(0, 1, max_open=True),
                default=None,
                help="Probability up to which the verdict is `different`. The default is that of the live generation, "
                f"or {DIFFERENT:g} for a new index.",
            ),
        )
    ):
        with_options = option(with_options)
    return cast("F", with_options)


def clusters(command: F) -> F:
    """Add the option ``--clusters``, which all commands that publish have."""
    return click.option(
        "--clusters",
        type=click.IntRange(1),
        default=None,
        help="Number of clusters. The default depends on the number of pictures.",
    )(command)


def machine(command: F) -> F:
    """Add the options of the commands that run the model."""
    threads = click.option(
        "--threads",
        type=click.IntRange(0, 4096),
        default=0,
        help="Threads that run the model. The default is one per core.",
    )
    provider = click.option(
        "--provider",
        type=click.Choice(["cpu", "cuda"]),
        default="cpu",
        show_default=True,
        help="Where the model runs.",
    )
    return threads(provider(command))


def pictures(command: F) -> F:
    """Add the argument and the options of the commands that read pictures."""
    for option in reversed(
        (
            click.argument("images", type=click.Path(exists=True, path_type=Path)),
            directory,
            click.option(
                "--bundle",
                default=None,
                help="Bundle for a new index: its directory, or `default`. An existing index keeps its bundle.",
            ),
            click.option(
                "--collection", default="default", show_default=True, help="Collection to add the pictures to."
            ),
            click.option(
                "--originals",
                type=click.Choice(["keep", "reference", "discard"]),
                default="keep",
                show_default=True,
                help="For a new index: copy the original files into it, remember only their paths, or store neither.",
            ),
            click.option("--replace", is_flag=True, help="Replace items whose picture file has changed."),
            machine,
            click.option(
                "--chunk",
                type=click.IntRange(1),
                default=256,
                show_default=True,
                help="Pictures per durable step. A build that is killed loses at most this many.",
            ),
            scan_options,
            as_json,
        )
    ):
        command = option(command)
    return command
