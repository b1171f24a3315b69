"""The command ``index migrate``: parts of an index from files to servers, or back."""

import json
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import click

from copysight.index import Generation, Index, publish, verify
from copysight.index.publishing.writer import Calibrated
from copysight.index.upkeep.moving_blobs import move_blobs
from index_builder.options import as_json, directory
from index_builder.progress import Progress
from index_builder.stages import publishing


@click.command("migrate")
@directory
@click.option("--blobs", type=click.Choice(["s3", "files"]), default=None, help="Where originals and thumbnails go.")
@click.option("--vectors", type=click.Choice(["milvus", "files"]), default=None, help="Where the vectors go.")
@as_json
def migrate_command(
    directory: Path, blobs: Literal["s3", "files"] | None, vectors: Literal["milvus", "files"] | None, as_json: bool
) -> None:
    """Move files to S3 or vectors to Milvus, or back.

    COPYSIGHT_BLOBS names the place on S3, and COPYSIGHT_VECTORS the Milvus server, in both directions.

    Blobs: all files are compared after the copy. Adds wait meanwhile; restart servers of the index afterwards. The old
    copies stay, to be removed by hand.

    Vectors: a generation of the catalog is made there, with the same calibration and cluster ids, and the whole index
    is verified. Servers go on. Older generations stay where they are for a rollback, until they are pruned. Exits with
    code 1 if the check finds a fault.
    """
    if blobs is None and vectors is None:
        raise click.UsageError("give --blobs or --vectors, or both")
    with Index.open(directory) as opened:
        found: dict[str, Any] = {"index": str(directory)}
        if blobs is not None:
            found |= {"blobs": blobs} | _move_blobs(opened, blobs == "s3")
        if vectors is not None:
            found |= {"vectors": vectors} | _move_vectors(opened, vectors)
    click.echo(json.dumps(found) if as_json else "\n".join(_lines(found)))
    if found.get("faults"):
        raise click.exceptions.Exit(1)


def _move_blobs(opened: Index, to_s3: bool) -> dict[str, Any]:
    with ExitStack() as held:
        step = held.enter_context(Progress().stage("copy files", sum(1 for _ in opened.blobs.store.names())))
        return asdict(move_blobs(opened, to_s3, step))


def _move_vectors(opened: Index, target: Literal["milvus", "files"]) -> dict[str, Any]:
    made = _generation(opened, target)
    return {"generation": made.name, "count": len(made), "faults": verify(opened)}


def _generation(opened: Index, target: Literal["milvus", "files"]) -> Generation:
    engine = opened.engines.files if target == "files" else opened.engines.milvus
    live = opened.snapshot().generation
    if live is None:
        return publishing.rebuild(opened, None, Progress(), engine=engine)
    kept = None if live.calibration is None else Calibrated(live.calibration, live.representatives)
    return publish(opened, engine=engine, calibrate=lambda _: kept, progress=_say)


def _say(stage: str, done: int, _total: int) -> None:
    if not done:
        Progress().print_line(f"publish: {stage}")


def _lines(found: dict[str, Any]) -> list[str]:
    lines = []
    if "blobs" in found:
        known = f"{found['files']:,} files were copied, {found['present']:,} were there already"
        lines.append(f"{found['index']}: {known}; restart its servers")
    if "vectors" in found:
        lines.append(f"generation {found['generation']} is live in {found['vectors']}, {found['count']:,} pictures")
        lines += found["faults"] or ["no faults found"]
    return lines
