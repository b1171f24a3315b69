"""What generations need of an engine that holds their vectors: files with FAISS, or a Milvus server."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from copysight.index.generations.index_type import IndexType
from copysight.index.generations.manifest import Manifest
from copysight.index.generations.tombstones import Tombstones
from copysight.vectors import exact_search

Floats = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Parameters:
    """Search parameters of one call; None uses the value of the generation."""

    probes: int | None = None
    effort: int | None = None
    candidates: int | None = None


@dataclass(frozen=True)
class Visible:
    """The rows of a generation that a search may find: ``count`` of ``total``.

    All but those with ``tombstones``; with ``allowed`` (N,) only these, among which are none with a tombstone.
    """

    total: int
    tombstones: Tombstones
    allowed: Mask | None
    count: int

    @classmethod
    def of(cls, total: int, tombstones: Tombstones, allowed: Mask | None = None) -> "Visible":
        """What a restriction to ``allowed`` rows (None: all) leaves, without tombstones."""
        if allowed is None:
            return cls(total, tombstones, None, total - len(tombstones.rows))
        allowed = tombstones.exclude_from(allowed)
        return cls(total, tombstones, allowed, int(np.count_nonzero(allowed)))

    @property
    def share(self) -> float:
        """The visible share of all rows."""
        return self.count / max(1, self.total)

    def mask(self) -> Mask | None:
        """The visible rows as a mask (N,); None if all are visible."""
        if self.allowed is None and len(self.tombstones.rows):
            return self.tombstones.exclude_from(np.ones(self.total, np.bool_))
        return self.allowed

    def rows(self) -> Rows:
        """The visible rows, ascending."""
        mask = self.mask()
        return np.arange(self.total) if mask is None else np.flatnonzero(mask)


@dataclass(frozen=True)
class Found:
    """Candidate ``rows`` (M,) of one query, and their exact cosines to it, ``similarities`` (M,), in any order."""

    rows: Rows
    similarities: Floats


@dataclass(frozen=True)
class Gathered:
    """Few ``rows`` (M,) of many, with their ``vectors`` (M, D)."""

    rows: Rows
    vectors: Floats

    def search(self, queries: Floats, k: int) -> Iterator[Found]:
        """The rows that can be among the k nearest to each of ``queries`` (B, D)."""
        for query, top in zip(queries, exact_search.nearest(queries, self.vectors, k), strict=True):
            yield Found(self.rows[top], exact_search.score(query, self.vectors[top]))


@dataclass(frozen=True)
class Contents:
    """What a new generation holds: ``ids`` (N,) ascending, and ``vectors`` (N, D), L2-normalised, row by row."""

    ids: Ids
    vectors: Floats


class Searcher(Protocol):
    """The vectors of one generation, open for searches. It is never changed, and any thread may use it."""

    def search(
        self, queries: Floats, k: int, visible: Visible, choice: IndexType, parameters: Parameters
    ) -> Iterable[Found]:
        """Candidates for each of ``queries`` (B, D), at least k if so many rows are visible.

        A larger similarity is better; it is the exact cosine, whatever the engine computes itself. Raises
        ``VectorsUnavailable``, ``IndexCorrupt``.
        """

    def gather(self, rows: Rows) -> Gathered:
        """The vectors of these rows, exactly as the catalog has or had them. Raises ``VectorsUnavailable``."""

    def gathers(self, visible: Visible, choice: IndexType) -> bool:
        """Whether an exact search in a copy of the visible vectors costs less than `search`, for many searches."""

    def stored(self, rows: Rows) -> Floats:
        """The vectors (M, D) that the engine itself holds for these rows, for checks. Raises as `search`."""


class Engine(Protocol):
    """Holds the vectors of generations. The pointer CURRENT names the live generation, whichever engine has it."""

    def choose(self, count: int, dimension: int) -> IndexType:
        """The index type for ``count`` vectors."""

    def check(self, choice: IndexType, dimension: int) -> None:
        """Raise ``InvalidArgument`` for an index type that the engine does not have."""

    def build(self, directory: Path, name: str, contents: Contents, choice: IndexType, seed: int) -> Searcher:
        """Load and index the contents of the new generation ``name``, whose files are made in ``directory``.

        It returns when the whole contents can be searched. Raises ``VectorsUnavailable``.
        """

    def seal(self, directory: Path, name: str) -> str | None:
        """Remove what only the build needed. Returns the name of the generation's collection; None: it is in files."""

    def open(self, path: Path, name: str, made: Manifest, ids: Ids, pause: float) -> Searcher:
        """Open the vectors of a generation. Raises ``IndexCorrupt`` if they are not there, ``ValueError``."""

    def promote(self, name: str | None) -> None:
        """Prepare that ``name`` is live; CURRENT is written right after. Raises ``VectorsUnavailable``.

        It may be a generation of another engine, or None: then this one has no live generation any more.
        """

    def current(self) -> str | None:
        """The generation that `promote` was called for last; None if the engine does not know."""

    def drop(self, name: str) -> None:
        """Remove what the engine holds of a generation outside its directory. Raises ``VectorsUnavailable``.

        Raises ``InvalidArgument`` for the live generation.
        """

    def rest(self, live: str | None) -> None:
        """Free the memory of generations that nobody searches: all but ``live`` and the one before it.

        Raises ``VectorsUnavailable``.
        """

    def names(self) -> list[str]:
        """The generations that the engine holds something of outside their directories."""

    def health(self) -> str | None:
        """Why the engine cannot answer now; None if it can."""
