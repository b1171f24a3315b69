"""Turn picture files into records: some threads read, decode and preprocess while others run the model."""

import hashlib
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from copysight.blobs import THUMBNAIL_SUFFIX, encode_thumbnail
from copysight.errors import KeyConflict, PictureError
from copysight.model.embedder import Embedder, Inputs
from copysight.pictures.decode import Limits, decode
from copysight.pictures.information import information
from copysight.pictures.scan import Entry
from copysight.pictures.scan.entry import failure
from copysight.system import processors
from index_builder.stages.records import Embedded, Float, Present, Record, Unreadable

A = TypeVar("A")
B = TypeVar("B")
BATCH_SIZE = {"cpu": 4, "cuda": 64}
"""Pictures per model call, by provider. A CPU runs them one by one anyway, and small batches keep all threads busy."""


@dataclass(frozen=True)
class Prepared:
    """A decoded and preprocessed picture, ready for the model."""

    key: str
    stamp: str
    sha256: str
    width: int
    height: int
    source: str | None
    information: float
    bytes: int
    taken: str | None
    camera: str | None
    inputs: Inputs


@dataclass(frozen=True)
class EmbedContext:
    """The model and the options of a build.

    ``known`` maps the keys in the catalog to the sha256 of their pictures. ``replace``: replace the picture of a known
    key if its sha256 differs. ``keep``: store originals. ``put`` stores a blob by name and bytes; it is thread-safe.
    ``limits``: those of a picture. ``stored``: the sha256 of pictures that are not embedded again, whatever their key.
    """

    embedder: Embedder
    known: Mapping[str, str]
    replace: bool
    keep: bool
    put: Callable[[str, bytes], None]
    threads: int
    limits: Limits
    stored: Collection[str] = frozenset()


def cores() -> int:
    """Number of processor cores that this process may use."""
    return processors.available()


def embed_entries(entries: Iterable[Entry], context: EmbedContext) -> Iterator[Record]:
    """Yield one record per entry, in the order of the entries. Only a few batches are in memory at a time."""
    provider = context.embedder.runtime.provider
    size, runners = BATCH_SIZE[provider], context.threads if provider == "cpu" else 2
    # One reader thread more than there are cores, because some of them wait for the disk.
    with ThreadPoolExecutor(context.threads + 1) as read, ThreadPoolExecutor(runners) as run:
        prepared = ordered_map(read, lambda entry: _prepare(entry, context), entries, 2 * size * (runners + 1))
        batches = iter(lambda: list(islice(prepared, size)), [])
        for records in ordered_map(run, lambda batch: _run(batch, context.embedder), batches, runners + 1):
            yield from records


def _prepare(entry: Entry, context: EmbedContext) -> Prepared | Unreadable | Present:
    try:
        data = entry.read()
        sha256 = hashlib.sha256(data).hexdigest()
        known = context.known.get(entry.key)
        if known == sha256 or sha256 in context.stored:
            return Present(entry.key, entry.stamp, sha256)
        picture = decode(data, context.limits, context.embedder.bundle.at_least)
    except (PictureError, OSError) as error:
        found = failure(entry.key, error)
        return Unreadable(entry.key, entry.stamp, found.code, found.detail)
    if known is not None and not context.replace:
        return Unreadable(entry.key, entry.stamp, KeyConflict.code, "the key belongs to another picture")
    context.put(sha256 + THUMBNAIL_SUFFIX, encode_thumbnail(picture.pixels))
    if context.keep:
        context.put(sha256, data)
    inputs, held = context.embedder.prepare(picture.pixels), information(picture.pixels)
    return Prepared(
        entry.key, entry.stamp, sha256, picture.width, picture.height, entry.source, held, len(data), picture.taken,
        picture.camera, inputs,
    )  # fmt: skip


def _run(batch: list[Prepared | Unreadable | Present], embedder: Embedder) -> list[Record]:
    waiting = [picture.inputs for picture in batch if isinstance(picture, Prepared)]
    vectors = embedder.run(waiting).embedding if waiting else None
    rows = iter(vectors if vectors is not None else ())
    return [_with_vector(picture, next(rows)) if isinstance(picture, Prepared) else picture for picture in batch]


def _with_vector(picture: Prepared, vector: Float) -> Embedded:
    return Embedded(
        key=picture.key,
        stamp=picture.stamp,
        sha256=picture.sha256,
        width=picture.width,
        height=picture.height,
        source=picture.source,
        vector=vector,
        information=picture.information,
        bytes=picture.bytes,
        taken=picture.taken,
        camera=picture.camera,
    )


def ordered_map(pool: ThreadPoolExecutor, function: Callable[[A], B], items: Iterable[A], limit: int) -> Iterator[B]:
    """``map`` over a pool, in order, with at most ``limit`` items in progress."""
    pending: deque[Future[B]] = deque()
    for item in items:
        pending.append(pool.submit(function, item))
        if len(pending) >= limit:
            yield pending.popleft().result()
    while pending:
        yield pending.popleft().result()
