"""The commands ``index backup``, ``restore``, ``export`` and ``import``: an index into files and back."""

import json
import time
from dataclasses import asdict
from pathlib import Path

import click

from copysight.curation.derived import derive
from copysight.index import Index, backup, export_items, import_items, restore
from index_builder.options import as_json, directory

PATH = click.Path(path_type=Path)


@click.command("backup")
@directory
@click.argument("target", type=PATH)
@as_json
def backup_command(directory: Path, target: Path, as_json: bool) -> None:
    """Back up an index to a new directory.

    TARGET is new or empty. The copy is consistent, even if others search or change the index at the same time. Exits
    with code 1 if items lack their files; the copy then holds everything else.
    """
    with Index.open(directory) as opened:
        missing = backup(opened, target)
        count = opened.catalog.count()
    text = json.dumps({"target": str(target), "count": count, "missing": missing})
    click.echo(text if as_json else "\n".join([f"{target}: {count:,} pictures", *missing]))
    if missing:
        raise click.exceptions.Exit(1)


@click.command("restore")
@directory
@click.argument("source", type=click.Path(exists=True, path_type=Path))
@click.option("--allow-missing", is_flag=True, help="Restore a backup that lacks originals or thumbnails, too.")
@as_json
def restore_command(directory: Path, source: Path, allow_missing: bool, as_json: bool) -> None:
    """Create an index from a backup.

    SOURCE is the directory of the backup; it is checked and not changed. The directory given by --index must be new or
    empty; it may be a mount point or a link.
    """
    missing = restore(source, directory, allow_missing)
    with Index.open(directory) as opened:
        count = opened.catalog.count()
    text = json.dumps({"index": str(directory), "count": count, "missing": missing})
    click.echo(text if as_json else "\n".join([f"{directory}: {count:,} pictures", *missing]))


@click.command("export")
@directory
@click.argument("target", type=PATH)
@click.option("--collection", default=None, help="Export only the items of this collection.")
@click.option(
    "--derived",
    is_flag=True,
    help="Also export id, cluster and its name, duplicate group and role, and outlier score. CSV always has them.",
)
@click.option(
    "--map", "with_map", is_flag=True, help="With --derived or CSV: also a place on a 2-D map (needs copysight[map])."
)
@as_json
def export_command(
    directory: Path, target: Path, collection: str | None, derived: bool, with_map: bool, as_json: bool
) -> None:
    """Export keys, vectors and metadata.

    TARGET must not exist. If its name ends in .parquet it becomes one Parquet file, in .csv a table without vectors,
    else a directory with a NumPy array and JSON lines. A CSV file cannot be imported.
    """
    if with_map and not derived and target.suffix != ".csv":
        raise click.UsageError("--map needs --derived, or a TARGET that ends in .csv")
    with Index.open(directory) as opened:
        wanted = derived or target.suffix == ".csv"
        count = export_items(opened, target, collection, derive(opened, collection, with_map) if wanted else None)
    text = json.dumps({"target": str(target), "count": count})
    click.echo(text if as_json else f"{target}: {count:,} items")


@click.command("import")
@directory
@click.argument("source", type=click.Path(exists=True, path_type=Path))
@click.option("--replace", is_flag=True, help="Replace items that have the same key and other bytes.")
@as_json
def import_command(directory: Path, source: Path, replace: bool, as_json: bool) -> None:
    """Add the items of an export to an index.

    SOURCE is a directory or a .parquet file. Items that the index already has, with the same key and bytes, stay as
    they are.
    """
    began = time.monotonic()
    with Index.open(directory) as opened:
        found = asdict(import_items(opened, source, replace))
    rate = round(sum(found.values()) / (time.monotonic() - began), 1)
    text = ", ".join(f"{count:,} {name}" for name, count in found.items())
    click.echo(json.dumps({**found, "vectors_per_second": rate}) if as_json else f"{text}; {rate:,} vectors/s")
