"""The command ``index duplicates``: find the copies in an index, and keep the pairs for ``GET /duplicates``."""

import json
import os
import time
from contextlib import nullcontext
from pathlib import Path

import click

from copysight.duplicates.find import Progress as Note
from copysight.duplicates.review import result
from copysight.duplicates.review.result import Result
from copysight.duplicates.scope import Scope
from copysight.index import Index
from copysight.pictures.scan import ScanOptions, limits_of_environment
from copysight.system.numbers import Real
from index_builder.dedupe import archive as archives
from index_builder.dedupe.search import Lines, find_verified, numbers_of
from index_builder.options import as_json, directory
from index_builder.progress import SECONDS, Progress

MINIMUM = 0.5
NOTE_SECONDS = SECONDS / 10


@click.command("duplicates")
@directory
@click.option("--collection", default=None, help="Search only this collection.")
@click.option(
    "--probability",
    default=MINIMUM,
    show_default=True,
    type=Real(0, 1, min_open=True),
    help="Least probability of the pairs that are kept.",
)
@click.option("--job", type=click.IntRange(0), default=None, hidden=True, help="Job id to update (internal).")
@as_json
def duplicates_command(
    directory: Path, collection: str | None, probability: float, job: int | None, as_json: bool
) -> None:
    """Find the copies in an index, for the Duplicates view.

    The verified pairs are kept in the index. `GET /duplicates` and the web page form groups of them, by what was
    decided and what was deleted since. A search that was stopped goes on where it was.
    """
    with Index.open(directory) as opened:
        jobs = opened.catalog.jobs
        with nullcontext() if job is None else jobs.running(job):
            note = Lines(Progress()) if job is None else _note(opened, job)
            found = search(opened, collection, probability, note)
            result.write(opened.layout.duplicates, found)
            if job is not None:
                jobs.update(job, message=f"{len(found.pairs):,} pairs")
    counts = {"pictures": found.searched, "pairs": len(found.pairs)}
    click.echo(
        json.dumps(counts) if as_json else f"{counts['pictures']:,} pictures, {counts['pairs']:,} pairs of copies"
    )


def search(opened: Index, collection: str | None, minimum: float, note: Note) -> Result:
    """The pairs of a collection, or of all. Raises ``NoPictures`` and ``InvalidArgument``."""
    began, now = time.time(), opened.snapshot()
    archive = archives.of_index(opened, collection, with_collection=False)
    reading = ScanOptions(limits=limits_of_environment(os.environ))
    pairs = find_verified(archive, Scope.everything(len(archive.found)), minimum, reading, note)
    numbers = numbers_of(pairs)
    facts, places = archive.with_facts(numbers), {number: place for place, number in enumerate(numbers)}
    return Result(
        collection=collection,
        made=began,
        generation=None if now.generation is None else now.generation.name,
        sequence=now.sequence,
        model=now.bundle.id,
        minimum=minimum,
        searched=len(archive.found),
        ids=tuple(archive.found[number].item.id for number in numbers),
        pictures=tuple(facts[number] for number in numbers),
        pairs=tuple(pair.renumbered(places) for pair in pairs),
    )


def _note(opened: Index, job: int) -> Note:
    """Write the progress into the row of the job, once a second."""
    last = 0.0

    def note(stage: str, done: int, total: int) -> None:
        nonlocal last
        if done == total or time.monotonic() - last >= NOTE_SECONDS:
            last = time.monotonic()
            opened.catalog.jobs.update(job, progress=done, total=total, message=stage)

    return note
