"""The commands ``keys add|list|revoke``."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from copysight.index import Index
from copysight.system.numbers import Real
from service.auth.keys import SCOPES, Keys, Scope
from service.auth.meter import day_of

INDEX = click.option(
    "--index", "directory", type=click.Path(path_type=Path), default=Path("index"), show_default=True,
    envvar="COPYSIGHT_INDEX", help="Directory of the index.",
)  # fmt: skip


@click.group()
def keys() -> None:
    """Manage the API keys of a service. Changes apply to a running service at once."""


@keys.command()
@click.argument("name")
@click.option(
    "--scope",
    type=click.Choice(SCOPES),
    default="read",
    show_default=True,
    help="What the key may do. Each scope includes the scopes before it.",
)
@click.option(
    "--days",
    type=Real(0.0001, 36500),
    default=None,
    help="Days after which the key expires. Default: never.",
)
@click.option(
    "--quota",
    type=click.IntRange(1, 2**53),
    default=None,
    help="Requests that the key may make in a day (UTC). Default: any number.",
)
@INDEX
def add(name: str, scope: Scope, days: float | None, quota: int | None, directory: Path) -> None:
    """Create a key for NAME and print it. It is not shown again: only its checksum is stored."""
    expires = None if days is None else time.time() + days * 86400
    with _opened(directory) as index:
        made = Keys(directory).add(name, scope, expires, quota)
        about = {"key": made.split("_")[1], "name": name, "scope": scope, "expires": expires, "quota": quota}
        index.catalog.audit.note("key.add", about)
    click.echo(made)
    click.echo("Store this key now. It is not shown again.", err=True)


@keys.command(name="list")
@INDEX
def listing(directory: Path) -> None:
    """List id, scope, creation date, name, expiry and usage of every key. Days are in UTC."""
    with _opened(directory) as index:
        usage = index.catalog.usage.read(day_of(time.time()))
    for key in Keys(directory).all():
        used = usage.get(key.id)
        about = [] if key.expires is None else [_expiry(key.expires)]
        about += [f"at most {key.quota:,} a day"] if key.quota is not None else []
        about += [f"{used.today:,} requests today, {used.total:,} in all"] if used else ["not used yet"]
        click.echo(f"{key.id}  {key.scope:<5}  {_date(key.created)}  {key.name}  ({', '.join(about)})")


@keys.command()
@click.argument("number", metavar="ID")
@INDEX
def revoke(number: str, directory: Path) -> None:
    """Revoke the key with this ID."""
    with _opened(directory) as index:
        revoked = Keys(directory).revoke(number)
        index.catalog.audit.note("key.revoke", {"key": number, "name": revoked.name})
    click.echo(f"Revoked the key {revoked.id} of {revoked.name}.")


def _expiry(seconds: float) -> str:
    return f"{'expired' if seconds <= time.time() else 'until'} {_date(seconds)}"


def _date(seconds: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(seconds))


@contextmanager
def _opened(directory: Path) -> Iterator[Index]:
    """The index; raises if there is none."""
    index = Index.open(directory)
    try:
        yield index
    finally:
        index.close()
