"""The command ``serve``: read the settings, open or create the index, start the HTTP server."""

import logging
import os
import signal
import socket
from typing import Any

import click
import uvicorn
from pydantic import ValidationError
from starlette.types import ASGIApp

from copysight.blobs.s3 import address as blobs_address
from copysight.catalog.engines.postgresql.address import VARIABLE as CATALOG
from copysight.errors import BundleMismatch, InvalidArgument
from copysight.index import Index
from copysight.index.generations.engines.milvus.address import VARIABLE as VECTORS
from copysight.index.generations.layout import Layout
from copysight.model import bundle as bundles
from copysight.vectors.knn import limit_threads
from service.app import create_app
from service.routes import scopes
from service.runtime import listening, malloc, open_files, threads
from service.runtime.access_log import JsonFormatter
from service.runtime.settings import Settings

SHUTDOWN_SECONDS = 30
"""Time that running requests have to finish after SIGTERM."""


def setting_options(command: Any) -> Any:
    """Add an option for every setting, with its description and its default."""
    for name, field in reversed(Settings.model_fields.items()):
        default = "" if field.default == "" else f" [default: {field.default}]"
        option = click.option(f"--{name.replace('_', '-')}", name, default=None, help=f"{field.description}{default}")
        command = option(command)
    return command


@click.command()
@setting_options
def serve(**given: str | None) -> None:
    """Start the HTTP service.

    Every option can also be set by an environment variable: COPYSIGHT_ and the option's name in capitals, for example
    COPYSIGHT_PORT. An option takes precedence over its variable.
    """
    _log_json()
    settings = read_settings({name: value for name, value in given.items() if value is not None})
    if settings.blobs:
        os.environ[blobs_address.VARIABLE] = settings.blobs
        os.environ[blobs_address.CACHE_VARIABLE] = str(settings.blobs_cache)
    for name, value in ((CATALOG, settings.catalog), (VECTORS, settings.vectors)):
        if value:
            os.environ[name] = value  # for this process and its workers
    open_files.raise_limit()
    bound = listening.bind(settings.host, settings.port)
    is_new = not Layout(settings.index).catalog.exists()
    malloc.limit_arenas()
    threads.shorten_switch_interval()
    # FAISS and matrix products are called in the threads of the pools; threads of their own would only compete: on two
    # busy processors, matching the features of two pictures takes 12 ms instead of 0.9 ms.
    limit_threads(1)
    try:
        opened = open_or_create(settings)
    except BaseException:
        listening.close(bound)
        raise
    address = listening.url(bound, settings.host) + settings.root_path
    app = create_app(settings, opened)
    click.echo(f"Copysight serves {settings.index} at {address} (API at /docs)", err=True)
    if is_new and settings.catalog and (count := opened.snapshot().count):
        click.echo(f"{settings.index} is new; the index of the catalog holds {count:,} items", err=True)
    elif is_new and settings.catalog:
        click.echo(
            f"WARNING: {settings.index.resolve()} is new, and its index in the catalog holds no items. If the "
            "directory or the schema is wrong, stop the server, and use the right --index and COPYSIGHT_CATALOG.",
            err=True,
        )
    elif is_new:
        click.echo(
            f"WARNING: there was no index at {settings.index.resolve()}; a new, empty index was created there. If the "
            "name is wrong, stop the server, remove this directory, and start with the right --index.",
            err=True,
        )
    keys = scopes.open_keys(settings)
    if keys is not None and not keys.all():
        click.echo(
            "This server needs API keys and none exists yet. Create one with: "
            f"copysight keys add NAME --scope admin --index {settings.index}",
            err=True,
        )
    listening.listen(bound, settings.host)
    _run(app, bound)


class _Server(uvicorn.Server):
    """uvicorn, with a look at the open files once a second."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._open_files = open_files.Watch()

    async def on_tick(self, counter: int) -> bool:
        """Called ten times a second. True ends the server."""
        if counter % 10 == 0:
            self._open_files.check()
        return await super().on_tick(counter)


def _run(app: ASGIApp, bound: list[socket.socket]) -> None:
    server = _Server(
        uvicorn.Config(
            app,
            access_log=False,
            log_config=None,
            server_header=False,
            proxy_headers=False,  # `service.http.forwarded` reads them
            timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        )
    )
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # `nohup` makes the process ignore it
        signal.signal(signal.SIGHUP, server.handle_exit)  # a closed terminal ends the server like SIGTERM
    server.run(sockets=bound)


def read_settings(given: dict[str, str]) -> Settings:
    """Settings from the command line and the environment. Raises ``InvalidArgument``."""
    try:
        return Settings(**given)  # type: ignore[arg-type]
    except ValidationError as error:
        parts = [f"{'.'.join(map(str, one['loc']))}: {one['msg']} (got {one['input']!r})" for one in error.errors()]
        raise InvalidArgument(f"got an invalid setting: {'; '.join(parts)}") from error


def open_or_create(settings: Settings) -> Index:
    """Open the index of the settings; create it if it does not exist, also while another process creates it.

    Raises ``BundleMismatch`` when the settings name a bundle and the index was built with another one, and
    ``InvalidArgument`` when the directory holds other files.
    """
    file = Layout(settings.index).catalog
    if settings.catalog and file.exists() and file.suffix == ".sqlite":
        raise InvalidArgument(
            f"the catalog of {settings.index} is a SQLite file, got a setting `catalog`; leave it out, or move the "
            "index: `copysight index backup`, then `copysight index restore` with COPYSIGHT_CATALOG"
        )
    if settings.blobs and file.exists() and not Layout(settings.index).blobs_elsewhere.exists():
        raise InvalidArgument(
            f"the originals and thumbnails of {settings.index} are files, got a setting `blobs`; leave it out, or move "
            "them: `copysight index migrate --blobs s3` with COPYSIGHT_BLOBS"
        )
    opened = Index.open_or_create(settings.index, settings.bundle)
    if "bundle" in settings.model_fields_set:
        wanted = bundles.load(settings.bundle)
        if wanted.id != opened.bundle.id:
            opened.close()
            raise BundleMismatch(
                f"{settings.index} was made with the bundle {opened.bundle.name!r} ({opened.bundle.id[:12]}), not with "
                f"{wanted.name!r} ({wanted.id[:12]}); leave out --bundle, or re-embed the index first"
            )
    return opened


def _log_json() -> None:
    # No line names a place in the code, so logging need not search the stack for it (logging's HOWTO, Optimization).
    logging._srcfile = None
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
