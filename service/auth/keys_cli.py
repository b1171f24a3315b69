"""The commands ``keys add|list|revoke``."""

import time
from pathlib import Path

import click

from copysight.index import Index
from service.auth.keys import SCOPES, Keys, Scope

INDEX = click.option(
    "--index", "directory", type=click.Path(path_type=Path), default=Path("index"), show_default=True,
    envvar="COPYSIGHT_INDEX", help="Directory of the index.",
)  # fmt: skip


@click.group()
def keys() -> None:
    """API keys of a service: a running one obeys at once."""


@keys.command()
@click.argument("name")
@click.option(
    "--scope", type=click.Choice(SCOPES), default="read", show_default=True, help="Each includes those before it."
)
@INDEX
def add(name: str, scope: Scope, directory: Path) -> None:
    """Make a key for NAME and print it, once: only its checksum is kept."""
    click.echo(_of(directory).add(name, scope))
    click.echo("This key is not shown again.", err=True)


@keys.command(name="list")
@INDEX
def listing(directory: Path) -> None:
    """Id, scope, day and name of every key."""
    for key in _of(directory).all():
        click.echo(f"{key.id}  {key.scope:<5}  {time.strftime('%Y-%m-%d', time.gmtime(key.created))}  {key.name}")


@keys.command()
@click.argument("number", metavar="ID")
@INDEX
def revoke(number: str, directory: Path) -> None:
    """Take the key ID back."""
    gone = _of(directory).revoke(number)
    click.echo(f"The key {gone.id} of {gone.name} is revoked.")


def _of(directory: Path) -> Keys:
    Index.open(directory).close()  # says clearly when there is no index
    return Keys(directory)
