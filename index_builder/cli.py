"""The commands ``copysight index …``."""

import json
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar, get_args

import click

from copysight.errors import InvalidArgument
from copysight.index import Generation, Index, backup, export_items, import_items, prune, remarks, restore, verify
from copysight.index.generations.index_type import Kind
from index_builder import rebuild_policy, reembedding
from index_builder.build import build
from index_builder.progress import Progress
from index_builder.reembedding import Wanted
from index_builder.stages import publishing
from index_builder.stages.plan import Plan

F = TypeVar("F", bound=Callable[..., Any])
PATH = click.Path(path_type=Path)


@click.group()
def index() -> None:
    """Make a collection of pictures searchable."""


def directory(command: F) -> F:
    """The option that every command has."""
    return click.option("--index", "directory", required=True, type=PATH, help="Directory of the index.")(command)


def as_json(command: F) -> F:
    """The option of every command that prints a result."""
    return click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")(command)


def share(command: F) -> F:
    """The option of the commands that publish."""
    return click.option(
        "--share",
        type=click.FloatRange(0, 1, min_open=True, max_open=True),
        default=None,
        help="Assumed share of queries with a copy here, for probabilities. Default: the live generation's, or .5.",
    )(command)


def pictures(command: F) -> F:
    """The arguments of the commands that read pictures."""
    for option in reversed(
        (
            click.argument("images", type=click.Path(exists=True, path_type=Path)),
            directory,
            click.option("--bundle", default=None, help="Bundle of a new index: a directory, or `default`."),
            click.option("--collection", default="default", show_default=True, help="Collection of the new items."),
            click.option(
                "--originals",
                type=click.Choice(["keep", "reference", "discard"]),
                default="keep",
                show_default=True,
                help="What becomes of the originals in a new index: copied, found again by path, or let go.",
            ),
            click.option("--replace", is_flag=True, help="Take over keys whose pictures have changed."),
            click.option("--threads", default=0, help="Threads of the model. Default: one for each core."),
            click.option("--provider", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True),
            click.option("--chunk", default=256, show_default=True, help="Pictures between two durable steps."),
            as_json,
        )
    ):
        command = option(command)
    return command


@index.command("build")
@pictures
@click.option("--clusters", type=click.IntRange(1), default=None, help="How many clusters. Default: by the count.")
@share
def build_command(images: Path, directory: Path, originals: str, as_json: bool, **options: Any) -> None:
    """Index IMAGES, a folder tree or tar shards, and publish. A build that was stopped goes on."""
    _build(Plan(images, directory, policy=originals, **options), as_json)


@index.command("add")
@pictures
def add_command(images: Path, directory: Path, originals: str, as_json: bool, **options: Any) -> None:
    """Add IMAGES without publishing: found at once, folded in by the next rebuild."""
    _build(Plan(images, directory, policy=originals, publish=False, **options), as_json)


def _build(plan: Plan, as_json: bool) -> None:
    summary = build(plan, Progress())
    click.echo(summary.to_json() if as_json else "\n".join(summary.lines()))


@index.command("remove")
@directory
@click.option("--id", "ids", type=int, multiple=True, help="Id of an item; repeatable.")
@click.option("--key", "keys", multiple=True, help="Key of an item; repeatable.")
@click.option("--collection", default="default", show_default=True, help="Collection of the keys.")
@as_json
def remove(directory: Path, ids: tuple[int, ...], keys: tuple[str, ...], collection: str, as_json: bool) -> None:
    """Remove items by id or key. Gone at once from every answer."""
    if not ids and not keys:
        raise click.UsageError("name at least one --id or --key")
    with Index.open(directory) as opened:
        found = opened.catalog.find_many(collection, keys)
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
    """How an index stands."""
    with Index.open(directory) as opened:
        found = asdict(opened.status()) | {"bundle": opened.bundle.name, "policy": opened.catalog.policy()}
        found["collections"] = opened.catalog.collections()
        found["jobs"] = [asdict(job) for job in opened.catalog.jobs.list(5)]
    if as_json:
        click.echo(json.dumps(found))
        return
    latest = found.pop("jobs")
    for name, value in found.items():
        click.echo(f"{name:12} {_in_words(name, value)}")
    for job in latest:
        click.echo(f"job {job['id']:<8} {job['kind']}: {job['state']}, {job['progress']:,} of {job['total']:,}")


def _in_words(name: str, value: Any) -> Any:
    """What people read more easily than the number of the JSON."""
    if name == "built_at" and value is not None:
        at, hours = datetime.fromtimestamp(value, UTC), (time.time() - value) / 3600
        return f"{at:%Y-%m-%d %H:%M} UTC, {f'{hours:.1f} hours' if hours < 48 else f'{hours / 24:.0f} days'} ago"
    return f"{value / 1e6:,.1f} MB" if name == "bytes" else value


@index.command("verify")
@directory
@as_json
def verify_command(directory: Path, as_json: bool) -> None:
    """Compare everything with its checksums and counts; exit 1 when something is wrong."""
    with Index.open(directory) as opened:
        faults, noted = verify(opened), remarks(opened)
    text = "\n".join([*(faults or ["all is well"]), *noted])
    click.echo(json.dumps({"faults": faults, "remarks": noted}) if as_json else text)
    if faults:
        raise click.exceptions.Exit(1)


@index.command("rebuild")
@directory
@click.option("--bundle", default=None, help="Go over to this bundle: embed every picture again from its original.")
@click.option("--allow-missing", is_flag=True, help="With --bundle: leave out pictures whose originals are gone.")
@click.option("--clusters", type=click.IntRange(1), default=None, help="How many clusters. Default: by the count.")
@share
@click.option("--type", "kind", type=click.Choice(get_args(Kind)), default=None, help="FAISS type. Default: by size.")
@click.option("--threads", default=0, help="Threads of the model. Default: one for each core.")
@click.option("--provider", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True)
@click.option("--job", type=int, default=None, help="Row of the catalog that hears of the progress.")
@click.option("--if-due", is_flag=True, help="Only when delta and tombstones have outgrown their share; for cron.")
@as_json
def rebuild(
    directory: Path,
    bundle: str | None,
    clusters: int | None,
    share: float | None,
    kind: str | None,
    job: int | None,
    if_due: bool,
    as_json: bool,
    **more: Any,
) -> None:
    """Publish a new generation of everything in the catalog.

    With --bundle all vectors are made anew while the old bundle goes on answering; stopped, it goes on where it was.
    """
    if bundle is not None and if_due:
        raise click.UsageError("--if-due asks for a rebuild of what is there; leave --bundle out")
    with Index.open(directory) as opened:
        decision = rebuild_policy.decide(opened.status())
        if if_due and not decision.due:
            text = json.dumps({"generation": None, "reason": decision.reason})
            click.echo(text if as_json else f"not rebuilt: {decision.reason}")
            return

        def work(hear: publishing.Hear | None = None) -> Generation:
            if bundle is None:
                return publishing.rebuild(opened, clusters, Progress(), hear, kind, share)
            wanted = Wanted(bundle, clusters=clusters, kind=kind, share=share, **more)
            return reembedding.reembed(opened, wanted, Progress(), hear)

        made = work() if job is None else publishing.as_job(opened, job, work)
        _tell(made.name, opened, as_json)


@index.command("rollback")
@directory
@click.option("--to", default=None, help="Name of the generation. Default: the one before the live one.")
@as_json
def rollback_command(directory: Path, to: str | None, as_json: bool) -> None:
    """Make an earlier generation live again; of another bundle, after embedding what came since by that one."""
    with Index.open(directory) as opened:
        _tell(reembedding.go_back(opened, to).name, opened, as_json)


@index.command("prune")
@directory
@click.option("--keep", type=click.IntRange(1), default=3, show_default=True, help="Generations to keep, at least.")
@as_json
def prune_command(directory: Path, keep: int, as_json: bool) -> None:
    """Remove old generations, and what killed writers have left. The live generation always stays."""
    with Index.open(directory) as opened:
        gone = prune(opened, keep)
    click.echo(json.dumps({"removed": gone}) if as_json else f"removed {', '.join(gone) or 'no generation'}")


@index.command("backup")
@directory
@click.argument("target", type=PATH)
@as_json
def backup_command(directory: Path, target: Path, as_json: bool) -> None:
    """Copy an index, as of now, to TARGET, which must not exist. Adds and searches go on meanwhile."""
    with Index.open(directory) as opened:
        backup(opened, target)
        count = opened.catalog.count()
    text = json.dumps({"target": str(target), "count": count})
    click.echo(text if as_json else f"{target}: {count:,} pictures")


@index.command("restore")
@directory
@click.argument("source", type=click.Path(exists=True, path_type=Path))
@as_json
def restore_command(directory: Path, source: Path, as_json: bool) -> None:
    """Make an index from the backup SOURCE, after checking it."""
    restore(source, directory)
    with Index.open(directory) as opened:
        count = opened.catalog.count()
    text = json.dumps({"index": str(directory), "count": count})
    click.echo(text if as_json else f"{directory}: {count:,} pictures")


@index.command("export")
@directory
@click.argument("target", type=PATH)
@click.option("--collection", default=None, help="Only the items of this collection.")
@as_json
def export_command(directory: Path, target: Path, collection: str | None, as_json: bool) -> None:
    """Write keys, vectors and metadata to TARGET: one file if it ends in .parquet, else a directory for NumPy."""
    with Index.open(directory) as opened:
        count = export_items(opened, target, collection)
    text = json.dumps({"target": str(target), "count": count})
    click.echo(text if as_json else f"{target}: {count:,} items")


@index.command("import")
@directory
@click.argument("source", type=click.Path(exists=True, path_type=Path))
@click.option("--replace", is_flag=True, help="Take over keys whose bytes differ.")
@as_json
def import_command(directory: Path, source: Path, replace: bool, as_json: bool) -> None:
    """Add the items of an export, SOURCE, a directory or .parquet file. What is there by key and bytes stays."""
    began = time.monotonic()
    with Index.open(directory) as opened:
        found = asdict(import_items(opened, source, replace))
    rate = round(sum(found.values()) / (time.monotonic() - began), 1)
    text = ", ".join(f"{count:,} {name}" for name, count in found.items())
    click.echo(json.dumps({**found, "vectors_per_second": rate}) if as_json else f"{text}; {rate:,} vectors/s")


@index.command("fields")
@directory
@click.option("--add", "added", multiple=True, help="Declare a metadata field that filters may name; repeatable.")
@click.option("--remove", "removed", multiple=True, help="Take a field back; repeatable.")
@as_json
def fields(directory: Path, added: tuple[str, ...], removed: tuple[str, ...], as_json: bool) -> None:
    """List the fields that filters may name, after declaring or taking back some."""
    with Index.open(directory) as opened:
        for name in added:
            opened.catalog.fields.declare(name)
        for name in removed:
            opened.catalog.fields.remove(name)
        names = opened.catalog.fields.names()
    click.echo(json.dumps({"fields": list(names)}) if as_json else "\n".join(names) or "no fields")


def _tell(generation: str, opened: Index, as_json: bool) -> None:
    count = opened.status().count
    text = json.dumps({"generation": generation, "count": count})
    click.echo(text if as_json else f"generation {generation} is live, {count:,} pictures")
