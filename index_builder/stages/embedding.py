"""Files to records: reading, decoding and preprocessing in threads, while other threads run the model."""

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from copysight.blobs import THUMBNAIL_SUFFIX, encode_thumbnail
from copysight.errors import KeyConflict, PictureError
from copysight.model.embedder import Embedder, Inputs
from copysight.pictures.decode import decode
from copysight.pictures.scan import Entry
from copysight.system import processors
from index_builder.stages.records import Embedded, Float, Present, Record, Unreadable

A = TypeVar("A")
B = TypeVar("B")
BATCHES = {"cpu": 4, "cuda": 64}
"""Pictures of one call. On a CPU they run one by one anyway, and small batches keep all threads busy to the end."""


@dataclass(frozen=True)
class Prepared:
    """A picture that waits for the model."""

    key: str
    stamp: str
    sha256: str
    width: int
    height: int
    source: str | None
    inputs: Inputs


@dataclass(frozen=True)
class Workshop:
    """What a build works with. ``known``: key -> sha256 of what the catalog holds; ``replace``: take these keys over.

    ``keep`` says whether originals are stored; ``put`` takes the name and the bytes of a blob, from any thread.
    """

    embedder: Embedder
    known: Mapping[str, str]
    replace: bool
    keep: bool
    put: Callable[[str, bytes], None]
    threads: int


def cores() -> int:
    """Processors that this process may use."""
    return processors.available()


def embedded(entries: Iterable[Entry], workshop: Workshop) -> Iterator[Record]:
    """One record for every entry, in their order. Memory stays flat: only a few batches are under way."""
    provider = workshop.embedder.runtime.provider
    size, runners = BATCHES[provider], workshop.threads if provider == "cpu" else 2
    # One reader more than cores: some of them wait for the disk.
    with ThreadPoolExecutor(workshop.threads + 1) as read, ThreadPoolExecutor(runners) as run:
        prepared = ordered(read, lambda entry: _prepare(entry, workshop), entries, 2 * size * (runners + 1))
        batches = iter(lambda: list(islice(prepared, size)), [])
        for records in ordered(run, lambda batch: _run(batch, workshop.embedder), batches, runners + 1):
            yield from records


def _prepare(entry: Entry, workshop: Workshop) -> Prepared | Unreadable | Present:
    try:
        data = entry.read()
        sha256 = hashlib.sha256(data).hexdigest()
        known = workshop.known.get(entry.key, sha256)
        if known != sha256 and not workshop.replace:
            return Unreadable(entry.key, entry.stamp, KeyConflict.code, "the key is taken by another picture")
        if entry.key in workshop.known and known == sha256:
            return Present(entry.key, entry.stamp)
        picture = decode(data, at_least=workshop.embedder.bundle.at_least)
    except PictureError as error:
        return Unreadable(entry.key, entry.stamp, error.code, error.message)
    except OSError as error:
        return Unreadable(entry.key, entry.stamp, "unreadable_file", f"the file cannot be read: {error.strerror}")
    workshop.put(sha256 + THUMBNAIL_SUFFIX, encode_thumbnail(picture.pixels))
    if workshop.keep:
        workshop.put(sha256, data)
    inputs = workshop.embedder.prepare(picture.pixels)
    return Prepared(entry.key, entry.stamp, sha256, picture.width, picture.height, entry.source, inputs)


def _run(batch: list[Prepared | Unreadable | Present], embedder: Embedder) -> list[Record]:
    waiting = [picture.inputs for picture in batch if isinstance(picture, Prepared)]
    vectors = embedder.run(waiting).embedding if waiting else None
    rows = iter(vectors if vectors is not None else ())
    return [_finished(picture, next(rows)) if isinstance(picture, Prepared) else picture for picture in batch]


def _finished(picture: Prepared, vector: Float) -> Embedded:
    return Embedded(
        key=picture.key,
        stamp=picture.stamp,
        sha256=picture.sha256,
        width=picture.width,
        height=picture.height,
        source=picture.source,
        vector=vector,
    )


def ordered(pool: ThreadPoolExecutor, function: Callable[[A], B], items: Iterable[A], ahead: int) -> Iterator[B]:
    """``map`` over a pool in order, with at most ``ahead`` items under way."""
    under_way: deque[Future[B]] = deque()
    for item in items:
        under_way.append(pool.submit(function, item))
        if len(under_way) >= ahead:
            yield under_way.popleft().result()
    while under_way:
        yield under_way.popleft().result()
