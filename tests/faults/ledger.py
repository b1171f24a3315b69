"""What an index must hold, kept outside of it: keys, bytes and vectors of all acknowledged writes."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from copysight.catalog import Item
from copysight.index import Index, verify
from copysight.model.embedder import Embedder
from copysight.pictures.decode import decode

SAME = 2e-6
STRAY = "belongs to no item"  # files that were put before a killed writer could name them: no loss, swept some day


@dataclass(frozen=True)
class Picture:
    """Encoded bytes and their embedding (D,), made apart from the index."""

    data: bytes
    vector: np.ndarray

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


@dataclass
class Ledger:
    """``held`` by key is what has been acknowledged.

    ``wavering`` is what the write under way changes: groups, each of which is done whole or not at all, of pictures by
    key, None where one is deleted. After a kill a group stays as it turned out.
    """

    embedder: Embedder
    draw: Callable[[int], bytes]
    held: dict[str, Picture] = field(default_factory=dict)
    wavering: list[dict[str, Picture | None]] = field(default_factory=list)

    def picture(self, seed: int) -> Picture:
        """A picture drawn from a seed, with its vector."""
        data = self.draw(seed)
        return Picture(data, self.embedder.embed([decode(data).pixels])[0])

    def acknowledged(self) -> None:
        """The write under way was answered."""
        for group in self.wavering:
            self._change(group)
        self.wavering = []

    def compare(self, directory: Path) -> int:
        """The index opens, is sound, holds what it must and answers like brute force; returns how many it holds."""
        with Index.open(directory) as index:
            assert index.status().fault is None
            assert [fault for fault in verify(index) if STRAY not in fault] == []
            items = {item.key: item for item in index.catalog.page(limit=10_000)}
            for group in self.wavering:
                if self._was_done(group, items):
                    self._change(group)
            self.wavering = []
            assert {key: item.sha256 for key, item in items.items()} == {k: p.sha256 for k, p in self.held.items()}
            for picture in self.held.values():
                assert index.blobs.original(picture.sha256) == picture.data
                assert index.blobs.has_thumbnail(picture.sha256)
            ids = {key: item.id for key, item in items.items()}
            answers = index.snapshot().search(self.queries(), 5)
            self.check([[(match.id, match.similarity) for match in matches] for matches in answers], ids)
        return len(items)

    def queries(self) -> np.ndarray:
        """Vectors (B,D) to ask for: of the newest, of what wavered, and random ones."""
        known = [picture.vector for picture in [*self.held.values()][-6:]]
        noise = np.random.default_rng(len(self.held)).normal(size=(3, self.embedder.bundle.dimension))
        return np.concatenate([np.asarray(known, np.float64).reshape(-1, noise.shape[1]), noise])

    def check(self, answers: list[list[tuple[int, float]]], ids: dict[str, int]) -> None:
        """Answers to `queries` are those of a loop over everything that is held."""
        for query, found in zip(self.queries(), answers, strict=True):
            unit = query / np.linalg.norm(query)
            cosines = {ids[key]: float(picture.vector @ unit) for key, picture in self.held.items()}
            best = sorted(cosines.values(), reverse=True)[: len(found)]
            assert len(found) == min(5, len(cosines))
            assert len({id_ for id_, _ in found}) == len(found)
            for (id_, similarity), expected in zip(found, best, strict=True):
                assert abs(similarity - expected) < SAME
                assert abs(cosines[id_] - similarity) < SAME

    def _was_done(self, group: dict[str, Picture | None], items: dict[str, Item]) -> bool:
        """Whether the index has come to hold a group. Raises ``AssertionError`` for a part of it."""
        done = {key: (items[key].sha256 if key in items else None) == _sha256(new) for key, new in group.items()}
        assert len(set(done.values())) == 1, f"half there: {done}"
        return all(done.values())

    def _change(self, group: dict[str, Picture | None]) -> None:
        for key, picture in group.items():
            self.held.pop(key, None)
            if picture is not None:
                self.held[key] = picture


def _sha256(picture: Picture | None) -> str | None:
    return None if picture is None else picture.sha256
