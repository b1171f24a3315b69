"""The commands ``index build``, ``index add`` and ``index sync``, which read pictures."""

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import click

from copysight.system.numbers import Real
from index_builder.build import build
from index_builder.options import clusters, pictures, probabilities
from index_builder.progress import Progress
from index_builder.stages.plan import Plan, SyncOptions
from index_builder.sync import guard
from index_builder.sync.preview import preview

F = TypeVar("F", bound=Callable[..., Any])


def sync_options(command: F) -> F:
    """Add the options ``--dry-run`` and ``--most-missing``."""
    dry_run = click.option(
        "--dry-run", is_flag=True, help="Say what a sync would move, replace, add and remove, and change nothing."
    )
    most_missing = click.option(
        "--most-missing",
        type=Real(0, 1),
        default=None,
        metavar="SHARE",
        help="Share of the items that may leave because their files have vanished. If more have, a sync changes "
        f"nothing: perhaps a disk is not mounted. The default is {guard.MOST:g}; 1 allows all.",
    )
    return dry_run(most_missing(command))


@click.command("build")
@pictures
@click.option(
    "--ray",
    default=None,
    metavar="ADDRESS",
    help="Embed on the Ray cluster at this address (HOST:PORT, or `auto` on one of its nodes), with one worker per "
    "processor or --threads workers. All nodes need the pictures and the index at the same paths.",
)
@click.option(
    "--sync",
    is_flag=True,
    help="Make the collection equal to IMAGES: files that were moved or renamed keep their item, vanished files leave, "
    "and overwritten ones are replaced.",
)
@sync_options
@clusters
@probabilities
def build_command(
    images: Path,
    directory: Path,
    originals: str,
    as_json: bool,
    sync: bool,
    dry_run: bool,
    most_missing: float | None,
    **options: Any,
) -> None:
    """Add pictures to an index, and publish.

    IMAGES is a folder, with its subfolders, or tar shards. The index is created if it does not exist. Run the same
    command again to continue a build that was stopped.
    """
    plan = Plan(images, directory, policy=originals, **options)
    if sync:
        _sync(plan, dry_run, most_missing, as_json)
    elif dry_run or most_missing is not None:
        raise click.UsageError("--dry-run and --most-missing need --sync")
    else:
        run(plan, as_json)


@click.command("add")
@pictures
def add_command(images: Path, directory: Path, originals: str, as_json: bool, **options: Any) -> None:
    """Add pictures to an index without publishing.

    IMAGES is a folder, with its subfolders, or tar shards. Searches find the pictures at once. The next `rebuild` moves
    them into a generation, which makes searches faster.
    """
    run(Plan(images, directory, policy=originals, publish=False, **options), as_json)


@click.command("sync")
@pictures
@sync_options
def sync_command(
    images: Path,
    directory: Path,
    originals: str,
    as_json: bool,
    dry_run: bool,
    most_missing: float | None,
    **options: Any,
) -> None:
    """Make a collection equal to a folder, without publishing.

    Files that were moved or renamed keep their item with its id and metadata; vanished files leave; overwritten ones
    are replaced; new ones are added. Searches see all this at once. Like `index build --sync`, but a generation is
    published by the next `index rebuild`.
    """
    _sync(Plan(images, directory, policy=originals, publish=False, **options), dry_run, most_missing, as_json)


def run(plan: Plan, as_json: bool) -> None:
    """Build, and print the summary."""
    summary = build(plan, Progress())
    _print(summary.to_json() if as_json else "\n".join(summary.lines()))


def _sync(plan: Plan, dry_run: bool, most_missing: float | None, as_json: bool) -> None:
    most = guard.MOST if most_missing is None else most_missing
    if not dry_run:
        run(replace(plan, replace=True, sync=SyncOptions(most)), as_json)
        return
    found = preview(plan, most, Progress())
    _print(json.dumps(found.to_json()) if as_json else "\n".join(found.lines()))


def _print(text: str) -> None:
    # A terminal may be unable to show a name; the build is done all the same.
    click.echo(text.encode(sys.stdout.encoding or "utf-8", "backslashreplace"))
