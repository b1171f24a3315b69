"""Originals of items that are in the index already, embedded by another bundle."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

from copysight.blobs import Blobs
from copysight.catalog import Item
from copysight.errors import PictureError
from copysight.model.embedder import Embedder, Inputs
from copysight.pictures.decode import decode
from index_builder.stages import embedding
from index_builder.stages.records import Float

GONE = "the original is gone"


class Originals:
    """A ``Supply`` of vectors. ``lost`` gives, by item id, the reason why a picture cannot be embedded any more.

    What was lost once is not tried again.
    """

    def __init__(self, blobs: Blobs, embedder: Embedder, threads: int) -> None:
        self.lost: dict[int, str] = {}
        self._blobs, self._embedder = blobs, embedder
        self._threads = threads or embedding.cores()

    def __call__(self, items: Sequence[Item]) -> Mapping[str, Float]:
        """Vectors (D,) by sha256 of those ``items`` whose originals can be read."""
        showing: dict[str, list[Item]] = {}
        for item in items:
            if item.id not in self.lost:
                showing.setdefault(item.sha256, []).append(item)
        size = embedding.BATCHES[self._embedder.runtime.provider]
        with ThreadPoolExecutor(self._threads + 1) as read, ThreadPoolExecutor(self._threads) as run:
            prepared = embedding.ordered(read, self._prepare, showing.values(), 2 * size * (self._threads + 1))
            found = ((sha256, inputs) for sha256, inputs in zip(showing, prepared, strict=True) if inputs is not None)
            batches = iter(lambda: list(islice(found, size)), [])
            parts = embedding.ordered(run, self._embed, batches, self._threads + 1)
            return {sha256: vector for part in parts for sha256, vector in part.items()}

    def _prepare(self, items: Sequence[Item]) -> Inputs | None:
        """Of items that show the same bytes, which any of their sources may still have."""
        reason = GONE
        for item in items:
            data = self._blobs.original(item.sha256, item.source)
            if data is None:
                continue
            try:
                picture = decode(data, at_least=self._embedder.bundle.at_least)
            except PictureError as error:
                reason = error.message
                break
            return self._embedder.prepare(picture.pixels)
        self.lost |= dict.fromkeys((item.id for item in items), reason)
        return None

    def _embed(self, batch: list[tuple[str, Inputs]]) -> dict[str, Float]:
        found = self._embedder.run([inputs for _, inputs in batch]).embedding
        rows = () if found is None else found
        return {sha256: vector for (sha256, _), vector in zip(batch, rows, strict=True)}
