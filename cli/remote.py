"""Get the answers of ``embed``, ``search`` and ``compare`` from a running server (``--server URL``)."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import click

from copysight.client import Client, Fault, Options
from copysight.errors import PictureError

F = TypeVar("F", bound=Callable[..., Any])
BATCH = 32


def options(command: F) -> F:
    """Add the options ``--server`` and ``--key``."""
    key = click.option(
        "--key",
        default=None,
        envvar="COPYSIGHT_KEY",
        show_envvar=True,
        help="API key for --server, if it requires one.",
    )
    server = click.option("--server", default=None, help="Use this running server, for example http://127.0.0.1:8000.")
    return server(key(command))


def embed(client: Client, files: Sequence[Path]) -> dict[str, Any]:
    """Embed files on the server. Raises a ``PictureError`` that names the first unusable file."""
    items: list[dict[str, Any]] = []
    model, dimension = "", 0
    for start in range(0, len(files), BATCH):
        part = files[start : start + BATCH]
        answer = client.embed(part)
        model, dimension = answer.model, answer.dimension
        for path, one in zip(part, answer.items, strict=True):
            if isinstance(one, Fault):
                raise PictureError(f"{path}: {one.detail}")
            items.append({"path": str(path), "embedding": one.tolist()})
    return {"model": model, "dimension": dimension, "items": items}


def search(client: Client, picture: Path, options: Options) -> dict[str, Any]:
    """Search the server's collection for a file. Raises ``PictureError`` for an unusable file."""
    found = client.search([picture], options)
    [matches] = found.items
    if isinstance(matches, Fault):
        raise PictureError(f"{picture}: {matches.detail}")
    about = {"model": found.model, "generation": found.generation, "policy": found.policy}
    return {**about, "matches": [asdict(match) for match in matches]}


def compare(client: Client, one: Path, other: Path, effort: str, verify: str) -> dict[str, Any]:
    """Compare two files on the server."""
    answer = asdict(client.compare(one, other, effort, verify))
    return {name: value for name, value in answer.items() if name != "explanation"}
