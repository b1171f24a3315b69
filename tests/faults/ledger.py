"""The expected contents of an index: keys, bytes and vectors of all acknowledged writes."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from copysight.catalog import Item
from copysight.index import Index, verify
from copysight.model.embedder import Embedder
from copysight.pictures.decode import decode

TOLERANCE = 2e-6


@dataclass(frozen=True)
class Picture:
    """Encoded bytes and their embedding (D,), computed without the index."""

    data: bytes
    vector: np.ndarray

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


@dataclass
class Ledger:
    """``held`` are the acknowledged pictures by key.

    ``pending`` are the changes of the current write: groups of pictures by key, with None for a deleted picture. Each
    group must be done completely or not at all. After a kill, `compare` finds out which groups were done.
    """

    embedder: Embedder
    draw: Callable[[int], bytes]
    held: dict[str, Picture] = field(default_factory=dict)
    pending: list[dict[str, Picture | None]] = field(default_factory=list)

    def picture(self, seed: int) -> Picture:
        """A picture drawn from a seed, with its vector."""
        data = self.draw(seed)
        return Picture(data, self.embedder.embed([decode(data).pixels])[0])

    def acknowledged(self) -> None:
        """Record that the current write was acknowledged."""
        for group in self.pending:
            self._change(group)
        self.pending = []

    def compare(self, directory: Path) -> int:
        """Assert that the index is sound, complete, and answers like brute force. Returns the number of items."""
        with Index.open(directory) as index:
            assert index.status().fault is None
            assert verify(index) == []
            items = {item.key: item for item in index.catalog.page(limit=10_000)}
            for group in self.pending:
                if self._was_done(group, items):
                    self._change(group)
            self.pending = []
            assert {key: item.sha256 for key, item in items.items()} == {k: p.sha256 for k, p in self.held.items()}
            for picture in self.held.values():
                assert index.blobs.original(picture.sha256) == picture.data
                assert index.blobs.has_thumbnail(picture.sha256)
            ids = {key: item.id for key, item in items.items()}
            answers = index.snapshot().search(self.queries(), 5)
            self.check([[(match.id, match.similarity) for match in matches] for matches in answers], ids)
        return len(items)

    def queries(self) -> np.ndarray:
        """Query vectors (B,D): those of the newest pictures, and random ones."""
        known = [picture.vector for picture in [*self.held.values()][-6:]]
        noise = np.random.default_rng(len(self.held)).normal(size=(3, self.embedder.bundle.dimension))
        return np.concatenate([np.asarray(known, np.float64).reshape(-1, noise.shape[1]), noise])

    def check(self, answers: list[list[tuple[int, float]]], ids: dict[str, int]) -> None:
        """Assert that the answers to `queries` equal those of a loop over all held pictures."""
        for query, found in zip(self.queries(), answers, strict=True):
            unit = query / np.linalg.norm(query)
            cosines = {ids[key]: float(picture.vector @ unit) for key, picture in self.held.items()}
            best = sorted(cosines.values(), reverse=True)[: len(found)]
            assert len(found) == min(5, len(cosines))
            assert len({id_ for id_, _ in found}) == len(found)
            for (id_, similarity), expected in zip(found, best, strict=True):
                assert abs(similarity - expected) < TOLERANCE
                assert abs(cosines[id_] - similarity) < TOLERANCE

    def _was_done(self, group: dict[str, Picture | None], items: dict[str, Item]) -> bool:
        """Whether all changes of a group were made. Raises ``AssertionError`` if only some of them were."""
        done = {key: (items[key].sha256 if key in items else None) == _sha256(new) for key, new in group.items()}
        assert len(set(done.values())) == 1, f"half done: {done}"
        return all(done.values())

    def _change(self, group: dict[str, Picture | None]) -> None:
        for key, picture in group.items():
            self.held.pop(key, None)
            if picture is not None:
                self.held[key] = picture


def _sha256(picture: Picture | None) -> str | None:
    return None if picture is None else picture.sha256
