"""The commands ``copysight index …``: build, maintain, back up and inspect an index."""

import json
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar, get_args

import click

from copysight.errors import InvalidArgument
from copysight.index import Generation, Index, prune, remarks, verify
from copysight.index.generations.index_type import Kind
from copysight.system import stopping
from index_builder import rebuild_policy, reembedding
from index_builder.build_commands import add_command, build_command, sync_command
from index_builder.dedupe.decisions import decisions_command
from index_builder.dedupe.storing import duplicates_command
from index_builder.migrate_command import migrate_command
from index_builder.options import as_json, clusters, directory, machine, probabilities
from index_builder.progress import Progress
from index_builder.reembedding import ReembedOptions
from index_builder.stages import former_keys, publishing
from index_builder.stages.calibration import ProbabilityOptions
from index_builder.transfer_commands import (
    backup_command,
    export_command,
    import_command,
    restore_command,
)

F = TypeVar("F", bound=Callable[..., Any])


@click.group()
def index() -> None:
    """Build and maintain an index of pictures."""
    click.get_current_context().with_resource(stopping.stoppable())


COMMANDS = (
    build_command, add_command, sync_command, duplicates_command, decisions_command, backup_command, restore_command,
    export_command, import_command, migrate_command,
)  # fmt: skip
for command in COMMANDS:
    index.add_command(command)


@index.command("remove")
@directory
@click.option(
    "--id",
    "ids",
    type=click.IntRange(0, 2**63 - 1),
    multiple=True,
    help="Id of an item to remove. You can repeat this option.",
)
@click.option("--key", "keys", multiple=True, help="Key of an item to remove. You can repeat this option.")
@click.option("--collection", default="default", show_default=True, help="Collection that the keys belong to.")
@as_json
def remove(directory: Path, ids: tuple[int, ...], keys: tuple[str, ...], collection: str, as_json: bool) -> None:
    """Remove items by id or key.

    Searches no longer find them from this moment on. If one item does not exist, nothing is removed.
    """
    if not ids and not keys:
        raise click.UsageError("give at least one --id or --key")
    with Index.open(directory) as opened:
        found = former_keys.find(opened.catalog, collection, keys)
        there = opened.catalog.get_many(ids)
        missing = [key for key in keys if key not in found] + [str(number) for number in ids if number not in there]
        if missing:
            raise InvalidArgument(f"there is no item {', '.join(missing)}; nothing was removed")
        removed = opened.delete({*ids, *(item.id for item in found.values())})
    click.echo(json.dumps({"removed": removed}) if as_json else f"removed {removed:,} items")


@index.command("status")
@directory
@as_json
def status(directory: Path, as_json: bool) -> None:
    """Show the state of an index and its latest jobs."""
    with Index.open(directory) as opened:
        found = asdict(opened.status()) | {"bundle": opened.bundle.name, "policy": opened.catalog.policy()}
        found["collections"] = opened.catalog.collections()
        found["jobs"] = [asdict(job) for job in opened.catalog.jobs.list(5)]
    if as_json:
        click.echo(json.dumps(found))
        return
    latest = found.pop("jobs")
    for name, value in found.items():
        click.echo(f"{name:12} {_readable(name, value)}")
    for job in latest:
        click.echo(f"job {job['id']:<8} {job['kind']}: {job['state']}, {job['progress']:,} of {job['total']:,}")


def _readable(name: str, value: Any) -> Any:
    """Format a value for people: times as dates with their age, sizes in MB."""
    if name == "built_at" and value is not None:
        at, hours = datetime.fromtimestamp(value, UTC), (time.time() - value) / 3600
        return f"{at:%Y-%m-%d %H:%M} UTC, {f'{hours:.1f} hours' if hours < 48 else f'{hours / 24:.0f} days'} ago"
    return f"{value / 1e6:,.1f} MB" if name == "bytes" else value


@index.command("verify")
@directory
@as_json
def verify_command(directory: Path, as_json: bool) -> None:
    """Check all files of an index against their checksums.

    The check also compares the live generation with the catalog. Exits with code 1 if it finds a fault.
    """
    with Index.open(directory) as opened:
        faults, noted = verify(opened), remarks(opened)
    text = "\n".join([*(faults or ["no faults found"]), *noted])
    click.echo(json.dumps({"faults": faults, "remarks": noted}) if as_json else text)
    if faults:
        raise click.exceptions.Exit(1)


@index.command("rebuild")
@directory
@click.option("--bundle", default=None, help="Change to this bundle: embed every picture again from its original.")
@click.option("--allow-missing", is_flag=True, help="With --bundle: leave out pictures whose originals are missing.")
@clusters
@probabilities
@click.option(
    "--type",
    "kind",
    type=click.Choice(get_args(Kind)),
    default=None,
    help="FAISS index type. The default depends on the number of vectors.",
)
@machine
@click.option("--job", type=click.IntRange(0), default=None, hidden=True, help="Job id to update (internal).")
@click.option(
    "--if-due",
    is_flag=True,
    help="Rebuild only if more than 1000 items, and more than 10 %, have changed since the last rebuild. For cron.",
)
@as_json
def rebuild(
    directory: Path,
    bundle: str | None,
    clusters: int | None,
    probabilities: ProbabilityOptions,
    kind: str | None,
    job: int | None,
    if_due: bool,
    as_json: bool,
    **more: Any,
) -> None:
    """Publish a new generation of all items.

    With --bundle, every picture is embedded again with the new bundle. Searches use the old bundle until the new
    generation is live. Run the same command again to continue a rebuild that was stopped.
    """
    if bundle is not None and if_due:
        raise click.UsageError("--if-due cannot be combined with --bundle; leave one of them out")
    with Index.open(directory) as opened:
        decision = rebuild_policy.decide(opened.status())
        if if_due and not decision.due:
            text = json.dumps({"generation": None, "reason": decision.reason})
            click.echo(text if as_json else f"not rebuilt: {decision.reason}")
            return

        def work(on_progress: publishing.ProgressCallback | None = None) -> Generation:
            if bundle is None:
                return publishing.rebuild(opened, clusters, Progress(), on_progress, kind, probabilities)
            options = ReembedOptions(bundle, clusters=clusters, kind=kind, probabilities=probabilities, **more)
            return reembedding.reembed(opened, options, Progress(), on_progress)

        made = work() if job is None else publishing.run_as_job(opened, job, work)
        _print_live_generation(made.name, opened, as_json)


@index.command("rollback")
@directory
@click.option("--to", default=None, help="Name of the generation. The default is the one before the live one.")
@as_json
def rollback_command(directory: Path, to: str | None, as_json: bool) -> None:
    """Make an earlier generation live again.

    Items that were added or removed since then stay added or removed. If the generation belongs to another bundle,
    newer items are first embedded with that bundle.
    """
    with Index.open(directory) as opened:
        _print_live_generation(reembedding.rollback_and_embed(opened, to).name, opened, as_json)


@index.command("prune")
@directory
@click.option(
    "--removed",
    type=click.IntRange(0),
    default=None,
    metavar="DAYS",
    help="Also free the files of pictures that were removed as copies at least this many days ago. They cannot be "
    "restored afterwards.",
)
@click.option(
    "--keep", type=click.IntRange(1), default=3, show_default=True, help="Number of latest generations to keep."
)
@as_json
def prune_command(directory: Path, keep: int, removed: int | None, as_json: bool) -> None:
    """Remove old generations and leftover files.

    Leftover files are those of commands that were killed. The live generation is never removed.
    """
    with Index.open(directory) as opened:
        freed = 0 if removed is None else opened.catalog.curation.purge(time.time() - 86400 * removed)
        pruned = prune(opened, keep)
    text = f"removed {', '.join(pruned) or 'no generation'}" + f", freed {freed:,} pictures" * (removed is not None)
    click.echo(json.dumps({"removed": pruned} | ({} if removed is None else {"freed": freed})) if as_json else text)


@index.command("fields")
@directory
@click.option("--add", "added", multiple=True, help="Make this metadata field filterable. You can repeat this option.")
@click.option("--remove", "removed", multiple=True, help="Make this field not filterable. You can repeat this option.")
@as_json
def fields(directory: Path, added: tuple[str, ...], removed: tuple[str, ...], as_json: bool) -> None:
    """List, add or remove filterable metadata fields.

    Searches can filter only by these fields. The list is printed after the changes.
    """
    with Index.open(directory) as opened:
        for name in added:
            opened.catalog.fields.declare(name)
        for name in removed:
            opened.catalog.fields.remove(name)
        names = opened.catalog.fields.names()
    click.echo(json.dumps({"fields": list(names)}) if as_json else "\n".join(names) or "no fields")


def _print_live_generation(generation: str, opened: Index, as_json: bool) -> None:
    count = opened.status().count
    text = json.dumps({"generation": generation, "count": count})
    click.echo(text if as_json else f"generation {generation} is live, {count:,} pictures")
