"""Embed stored originals with another bundle."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

from copysight.blobs import Blobs
from copysight.catalog import Item
from copysight.errors import PictureError
from copysight.model.embedder import Embedder, Inputs
from copysight.pictures.decode import Limits, decode
from copysight.pictures.formats import readers
from index_builder.stages import embedding
from index_builder.stages.records import Float

ORIGINAL_MISSING = "the original is missing"
ACCEPTED = Limits(2**40, 2**40, 1, tuple(kind for kind in readers.READERS if readers.installed(kind)))
"""Originals were within the limits when they were added, which may have been higher ones than the usual."""


class Originals:
    """A ``VectorSupply`` that embeds originals. ``failed`` maps an item id to the reason why it cannot be embedded.

    A failed item is not tried again.
    """

    def __init__(self, blobs: Blobs, embedder: Embedder, threads: int) -> None:
        self.failed: dict[int, str] = {}
        self._blobs, self._embedder = blobs, embedder
        self._threads = threads or embedding.cores()

    def __call__(self, items: Sequence[Item]) -> Mapping[str, Float]:
        """Vectors (D,) by sha256, for those ``items`` whose originals can be read."""
        by_sha256: dict[str, list[Item]] = {}
        for item in items:
            if item.id not in self.failed:
                by_sha256.setdefault(item.sha256, []).append(item)
        size = embedding.BATCH_SIZE[self._embedder.runtime.provider]
        with ThreadPoolExecutor(self._threads + 1) as read, ThreadPoolExecutor(self._threads) as run:
            prepared = embedding.ordered_map(read, self._prepare, by_sha256.values(), 2 * size * (self._threads + 1))
            found = ((sha256, inputs) for sha256, inputs in zip(by_sha256, prepared, strict=True) if inputs is not None)
            batches = iter(lambda: list(islice(found, size)), [])
            parts = embedding.ordered_map(run, self._embed, batches, self._threads + 1)
            return {sha256: vector for part in parts for sha256, vector in part.items()}

    def _prepare(self, items: Sequence[Item]) -> Inputs | None:
        """Decode one picture for all ``items`` of equal bytes. The source path of any of them may still exist."""
        reason = ORIGINAL_MISSING
        for item in items:
            data = self._blobs.original(item.sha256, item.source)
            if data is None:
                continue
            try:
                picture = decode(data, ACCEPTED, self._embedder.bundle.at_least)
            except PictureError as error:
                reason = error.message
                break
            return self._embedder.prepare(picture.pixels)
        self.failed |= dict.fromkeys((item.id for item in items), reason)
        return None

    def _embed(self, batch: list[tuple[str, Inputs]]) -> dict[str, Float]:
        found = self._embedder.run([inputs for _, inputs in batch]).embedding
        rows = () if found is None else found
        return {sha256: vector for (sha256, _), vector in zip(batch, rows, strict=True)}
