"""The command ``dedupe``: groups of copies in folders or an index, reports of them, and what to do with the copies."""

import json
import os
import time
from contextlib import ExitStack
from pathlib import Path
from typing import get_args

import click

from copysight.duplicates import keep
from copysight.duplicates.actions import undo_file
from copysight.duplicates.actions.apply import Done, apply, undo
from copysight.duplicates.actions.steps import Action, TargetOf, plan_steps
from copysight.duplicates.actions.trash import TrashOf
from copysight.duplicates.answer import Answer
from copysight.duplicates.report import Report
from copysight.errors import InvalidArgument
from copysight.index import Index
from copysight.pictures.scan import ScanOptions, scan_options
from copysight.system import stopping
from copysight.system.numbers import Real
from index_builder.dedupe import archive as archives
from index_builder.dedupe.search import Wanted, find
from index_builder.progress import Progress

PATH = click.Path(path_type=Path)
PROBABILITY = 0.9
SHOWN = 20


@click.command()
@click.argument("folders", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option("--index", "directory", default=None, type=PATH, help="Search an index instead of folders.")
@click.option("--collection", default=None, help="With --index: search only this collection.")
@click.option(
    "--probability",
    default=PROBABILITY,
    show_default=True,
    type=Real(0, 1, min_open=True),
    help="Least probability that a member is a copy of the picture that is kept.",
)
@click.option(
    "--keep",
    default=keep.DEFAULT,
    show_default=True,
    help="Which picture of a group is kept: rules separated by commas, of which a later one decides ties: resolution "
    "(most pixels), bytes (largest file), format (lossless first), date (earliest exposure), camera (one that names "
    "its camera), path=GLOB (those that match), oldest (file).",
)
@click.option(
    "--within", multiple=True, metavar="FOLDER", help="Only pairs in this folder. You can repeat this option."
)
@click.option(
    "--between",
    nargs=2,
    default=None,
    metavar="A B",
    help="Only pairs of a picture in folder A, which is kept, and one in folder B: leaks between train and test sets.",
)
@click.option("--report", type=PATH, default=None, help="Write an HTML page with the groups and their pictures.")
@click.option("--csv", "table", type=PATH, default=None, help="Write the groups as a table.")
@click.option(
    "--action",
    type=click.Choice(get_args(Action)),
    default=None,
    help="What to do with the copies: move them to --to, replace those of equal bytes by hard links to the kept file, "
    "or put them into the trash. Nothing is changed without --yes.",
)
@click.option("--to", "target", type=PATH, default=None, help="With --action move: the folder to move copies to.")
@click.option("--yes", is_flag=True, help="Make the changes. Without it, the command only says what it would do.")
@click.option(
    "--undo-file", "written", type=PATH, default=None, help="File that undoes the changes. The default has the date."
)
@click.option("--undo", "undone", type=PATH, default=None, help="Undo the changes of this file, and nothing else.")
@click.option(
    "--cache",
    type=PATH,
    default=None,
    help="Folder that keeps embeddings and thumbnails between calls. The default is ~/.cache/copysight/dedupe.",
)
@click.option("--bundle", default=None, help="Bundle for folders: its directory, or `default`.")
@click.option("--threads", type=click.IntRange(0, 4096), default=0, help="Threads that run the model; 0: all cores.")
@scan_options
@click.option("--json", "as_json", is_flag=True, help="Print the groups as JSON.")
def dedupe(
    folders: tuple[Path, ...],
    directory: Path | None,
    collection: str | None,
    report: Path | None,
    table: Path | None,
    action: Action | None,
    target: Path | None,
    yes: bool,
    written: Path | None,
    undone: Path | None,
    cache: Path | None,
    bundle: str | None,
    threads: int,
    reading: ScanOptions,
    as_json: bool,
    **wanted: object,
) -> None:
    """Find groups of copies in FOLDERS, or in an index.

    Every member of a group was compared with the picture that is kept. Members are `exact` (equal bytes or pixels),
    `resized`, `edited`, or a `part` of the kept picture. Nothing is changed without --action and --yes. Of an index,
    pictures that people decided to be no duplicates, or to keep, are in no group.
    """
    if undone is not None:
        _say(undo(undo_file.read(undone)), "undone", as_json)
        return
    if bool(folders) == (directory is not None):
        raise click.UsageError("give FOLDERS or --index, and not both")
    if (action == "move") != (target is not None):
        raise click.UsageError("--action move needs --to, and --to needs --action move")
    _check_target(target, folders)
    progress = Progress()
    with ExitStack() as held:
        held.enter_context(stopping.stoppable())
        if directory is not None:
            archive = archives.of_index(held.enter_context(Index.open(directory)), collection)
        else:
            archives.check_folders(folders)
            archive = archives.of_folders(folders, cache or _cache(), bundle, reading, threads, progress, held)
        answer = find(archive, Wanted(**wanted), folders, reading, progress)  # type: ignore[arg-type]
        if table is not None:
            table.write_text(answer.to_csv(), errors="surrogateescape")
        if report is not None:
            Report(answer, archive.contents(reading).thumbnail).write(report)
    click.echo(json.dumps(answer.to_json()) if as_json else "\n".join(answer.lines()))
    if action is not None:
        _act(answer, action, target, yes, written, as_json)


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    place = Path(base) / "copysight" / "dedupe"
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    return place


def _check_target(target: Path | None, folders: tuple[Path, ...]) -> None:
    for folder in folders:
        if target is not None and target.resolve().is_relative_to(folder.resolve()):
            raise InvalidArgument(f"got --to {target}, which lies in {folder}; give a folder outside of it")


def _act(answer: Answer, action: Action, target: Path | None, yes: bool, written: Path | None, as_json: bool) -> None:
    targets = TargetOf(target.absolute()) if target is not None else TrashOf(os.environ)
    plan = plan_steps(answer, action, targets)
    for one in plan.skipped[:SHOWN]:
        click.echo(f"left alone: {one.path}: {one.reason}", err=True)
    if len(plan.skipped) > SHOWN:
        click.echo(f"left alone: {len(plan.skipped) - SHOWN:,} more", err=True)
    if not yes or not plan.steps:
        would = f"{action}: {len(plan.steps):,} files would change; nothing was changed, add --yes to do it"
        click.echo(would if plan.steps else f"{action}: there is nothing to do", err=True)
        return
    file = written or Path(time.strftime("copysight-undo-%Y%m%d-%H%M%S.jsonl"))
    undo_file.write(file, plan.steps)
    click.echo(f"to undo: copysight dedupe --undo {file}", err=True)
    _say(apply(plan.steps), action, as_json)


def _say(done: Done, what: str, as_json: bool) -> None:
    for one in done.skipped:
        click.echo(f"left alone: {one.path}: {one.reason}", err=True)
    click.echo(f"{what}: {done.count:,} files, {len(done.skipped):,} left alone", err=as_json)
    if done.skipped:
        raise click.exceptions.Exit(1)
