"""The command ``serve``."""

import logging
from pathlib import Path
from typing import Any

import click
import uvicorn
from pydantic import ValidationError

from copysight.errors import BundleMismatch, IndexNotFound, InvalidArgument
from copysight.index import Index
from copysight.model import bundle as bundles
from copysight.vectors.knn import limit_threads
from service.app import create_app
from service.routes import scopes
from service.runtime import malloc, threads
from service.runtime.access_log import JsonFormatter
from service.runtime.settings import Settings

GRACE = 30


def options(command: Any) -> Any:
    """An option for every setting, with its own explanation."""
    for name, field in reversed(Settings.model_fields.items()):
        text = f"{field.description} [default: {field.default}]"
        command = click.option(f"--{name.replace('_', '-')}", name, default=None, help=text)(command)
    return command


@click.command()
@options
def serve(**given: str | None) -> None:
    """Answer over HTTP. Every option also comes from COPYSIGHT_ and its name in capitals, COPYSIGHT_PORT say."""
    settings = read_settings({name: value for name, value in given.items() if value is not None})
    _log_json()
    malloc.limit_arenas()
    threads.take_short_turns()
    # FAISS runs in the threads of the pools; threads of its own inside them would only compete.
    limit_threads(1)
    opened = open_or_create(settings)
    app = create_app(settings, opened)
    click.echo(
        f"Copysight serves {settings.index} on http://{settings.host}:{settings.port} (docs under /docs)", err=True
    )
    keys = scopes.opened(settings)
    if keys is not None and not keys.all():
        click.echo(f"No key exists yet: copysight keys add NAME --scope admin --index {settings.index}", err=True)
    uvicorn.run(
        app,
        host=settings.host,
        port=settings.port,
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=GRACE,
    )


def read_settings(given: dict[str, str]) -> Settings:
    """Settings from the command line and the environment. Raises ``InvalidArgument``."""
    try:
        return Settings(**given)  # type: ignore[arg-type]
    except ValidationError as error:
        parts = [f"{'.'.join(map(str, one['loc']))}: {one['msg']} (got {one['input']!r})" for one in error.errors()]
        raise InvalidArgument(f"a setting is wrong: {'; '.join(parts)}") from error


def open_or_create(settings: Settings) -> Index:
    """The index of the settings, made if it is not there.

    Raises ``BundleMismatch`` when a bundle was asked for by name and the index was made with another.
    """
    try:
        opened = Index.open(settings.index)
    except IndexNotFound:
        _check_empty(settings.index)
        return Index.create(settings.index, settings.bundle)
    if "bundle" in settings.model_fields_set:
        wanted = bundles.load(settings.bundle)
        if wanted.id != opened.bundle.id:
            opened.close()
            raise BundleMismatch(
                f"{settings.index} was made with the bundle {opened.bundle.name!r} ({opened.bundle.id[:12]}), not with "
                f"{wanted.name!r} ({wanted.id[:12]}); leave out --bundle, or re-embed the index first"
            )
    return opened


def _check_empty(directory: Path) -> None:
    if directory.exists() and any(directory.iterdir()):
        raise IndexNotFound(f"{directory} is no index and is not empty; name an index, or a directory to be made")


def _log_json() -> None:
    # No line names a place in the code, which logging would look for in the stack (logging's HOWTO, Optimization).
    logging._srcfile = None
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
