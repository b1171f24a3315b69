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
@INDEX
def add(name: str, scope: Scope, directory: Path) -> None:
    """Create a key for NAME and print it. It is not shown again: only its checksum is stored."""
    click.echo(_open_keys(directory).add(name, scope))
    click.echo("Store this key now. It is not shown again.", err=True)


@keys.command(name="list")
@INDEX
def listing(directory: Path) -> None:
    """List id, scope, creation date and name of every key."""
    for key in _open_keys(directory).all():
        click.echo(f"{key.id}  {key.scope:<5}  {time.strftime('%Y-%m-%d', time.gmtime(key.created))}  {key.name}")


@keys.command()
@click.argument("number", metavar="ID")
@INDEX
def revoke(number: str, directory: Path) -> None:
    """Revoke the key with this ID."""
    revoked = _open_keys(directory).revoke(number)
    click.echo(f"Revoked the key {revoked.id} of {revoked.name}.")


def _open_keys(directory: Path) -> Keys:
    Index.open(directory).close()  # raises if there is no index
    return Keys(directory)
