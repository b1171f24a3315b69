"""Turn picture files into records on a Ray cluster: actors read, decode and embed, this process stages the records.

An actor runs the code of a local build (`embedding.embed_entries`) on a few files at a time, so the records are the
same. Chunks are written here, so a build that was killed continues from them, on the cluster or without it.
"""

import socket
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from copysight.errors import InvalidArgument
from copysight.model import bundle as bundles
from copysight.model.embedder import Embedder, Runtime
from copysight.pictures.decode import Limits
from copysight.pictures.scan import Entry
from copysight.system.imports import extras
from copysight.system.version import version
from index_builder.stages import embedding
from index_builder.stages.embedding import EmbedContext
from index_builder.stages.records import Record

FILES = 16
"""Files of one task: some tenths of a second of work, whose records travel together."""
CONNECT_SECONDS = 5.0
WAITING = 2
"""Tasks per actor that are running or queued, so that no actor waits for this process."""
CPUS = 0.9
"""Processors that an actor reserves. With whole ones, actors on all of them would leave nothing for other tasks of the
cluster, which then waits for ever."""


@dataclass(frozen=True)
class Model:
    """What an actor needs to embed as this process would: where the bundle is, and how it runs."""

    bundle: Path
    runtime: Runtime
    version: str


@dataclass(frozen=True)
class Options:
    """The parts of an `EmbedContext` that are the same for all files."""

    replace: bool
    keep: bool
    limits: Limits
    stored: Collection[str]


@dataclass(frozen=True)
class Done:
    """Records of some files, in their order, and the blobs that belong to them, by name."""

    records: list[Record]
    blobs: Mapping[str, bytes]


class Worker:
    """An actor: the model, loaded once. Ray starts it again elsewhere if its process or its machine ends."""

    def __init__(self, model: Model, options: Options) -> None:
        if model.version != version():
            raise InvalidArgument(f"got a Ray worker with copysight {version()}; install {model.version} on all nodes")
        self._embedder = Embedder(bundles.load(model.bundle), model.runtime)
        self._options = options

    def embed(self, entries: list[Entry], known: Mapping[str, str]) -> Done:
        """Embed files. ``known``: the sha256 of those whose keys are in the catalog, by key."""
        blobs: dict[str, bytes] = {}
        context = EmbedContext(
            embedder=self._embedder, known=known, put=blobs.__setitem__, threads=1, **vars(self._options)
        )
        return Done(list(embedding.embed_entries(entries, context)), blobs)


def embed_entries(entries: Iterable[Entry], context: EmbedContext, address: str) -> Iterator[Record]:
    """Yield one record per entry, in the order of the entries, from the Ray cluster at ``address``.

    All nodes need the files and the index at the same paths, and the same version of Copysight. Raises
    ``InvalidArgument`` if there is no cluster.
    """
    with _connected(address) as ray:
        count = context.threads or max(1, int(ray.cluster_resources().get("CPU", 1) / CPUS))
        workers = [_start(ray, context) for _ in range(count)]
        pending: deque[Any] = deque()
        turn = 0
        source = (replace(entry, file=entry.file.absolute()) for entry in entries)
        while batch := list(islice(source, FILES)):
            known = {one.key: context.known[one.key] for one in batch if one.key in context.known}
            pending.append(workers[turn % count].embed.remote(batch, known))
            turn += 1
            if len(pending) >= WAITING * count:
                yield from _stored(ray.get(pending.popleft()), context)
        while pending:
            yield from _stored(ray.get(pending.popleft()), context)


def _stored(done: Done, context: EmbedContext) -> list[Record]:
    for name, data in done.blobs.items():
        context.put(name, data)
    return done.records


def _start(ray: Any, context: EmbedContext) -> Any:
    # A worker that ends is started again, and its tasks run again: they only return values.
    actor = ray.remote(num_cpus=CPUS, max_restarts=-1, max_task_retries=-1)(Worker)
    runtime = replace(context.embedder.runtime, threads=1)
    options = Options(context.replace, context.keep, context.limits, frozenset(context.stored))
    return actor.remote(Model(context.embedder.bundle.path.resolve(), runtime, version()), options)


@contextmanager
def _connected(address: str) -> Iterator[Any]:
    ray = extras.load("ray", "--ray", "ray", "ray")
    try:
        _knock(address)
        ray.init(address=address, log_to_driver=False, logging_level="error", configure_logging=False)
    except (OSError, ValueError, RuntimeError) as error:
        raise InvalidArgument(f"there is no Ray cluster at {address!r:.80} ({_first_line(error)})") from error
    try:
        yield ray
    finally:
        ray.shutdown()


def _knock(address: str) -> None:
    """Raise ``OSError`` if nothing listens at HOST:PORT: Ray would end this process, and say so in its own words."""
    host, _, port = address.rpartition(":")
    if host and port.isdigit() and "/" not in host:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
