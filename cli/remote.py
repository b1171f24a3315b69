"""The offline commands' answers, from a running server: ``--server URL``."""

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
    """Where the server is, and the key that it may ask for."""
    key = click.option(
        "--key",
        default=None,
        envvar="COPYSIGHT_KEY",
        show_envvar=True,
        help="API key for --server, if it asks for one.",
    )
    return click.option("--server", default=None, help="Ask this server, http://127.0.0.1:8000 say.")(key(command))


def embed(client: Client, files: Sequence[Path]) -> dict[str, Any]:
    """Embeddings of files. Raises ``PictureError`` that names the file which cannot be used."""
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


def search(client: Client, picture: Path, asked: Options) -> dict[str, Any]:
    """Matches of a file."""
    found = client.search([picture], asked)
    [matches] = found.items
    if isinstance(matches, Fault):
        raise PictureError(f"{picture}: {matches.detail}")
    return {"model": found.model, "generation": found.generation, "matches": [asdict(match) for match in matches]}


def compare(client: Client, one: Path, other: Path, effort: str) -> dict[str, Any]:
    """How alike two files are."""
    return asdict(client.compare(one, other, effort))
