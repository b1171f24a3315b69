"""A consistent view of an index: generation, delta, tombstones and bundle at one sequence number of the catalog."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from copysight.catalog import Catalog, Changes
from copysight.errors import InvalidArgument, ItemNotFound
from copysight.index.generations import clusters
from copysight.index.generations.engines.engine import Found, Parameters, Visible
from copysight.index.generations.generation import Generation
from copysight.index.generations.tombstones import Tombstones
from copysight.index.live import search as searching
from copysight.index.live.delta import Delta
from copysight.index.live.merge_views import Hit, merge_views
from copysight.index.live.search import Match, Restriction
from copysight.model.bundle import Bundle
from copysight.scoring.judge import Judge
from copysight.vectors import exact_search

CACHED_RESTRICTIONS = 64
Collections = str | tuple[str, ...] | None
"""One collection, several, or all (None)."""


@dataclass(frozen=True)
class Membership:
    """The cluster nearest to a vector: its id, its size in the generation, and the vector's cosine to its centroid."""

    id: int
    size: int
    similarity: float


@dataclass(frozen=True)
class Cluster:
    """A cluster: id, size in the generation, and mean cosine of its members to the centroid (None: not known)."""

    id: int
    size: int
    tightness: float | None


@dataclass(frozen=True)
class Snapshot:
    """Immutable view of an index. Take one per request and use it for the whole request. All methods are thread-safe.

    ``complete`` is false if items were added that it does not contain, because another model has become live.
    """

    generation: Generation | None
    delta: Delta
    tombstones: Tombstones
    sequence: int
    bundle: Bundle
    variant: str
    catalog: Catalog
    judge: Judge
    complete: bool = True
    _restrictions: dict[str, Restriction] = field(default_factory=dict, repr=False, compare=False)

    @property
    def count(self) -> int:
        """Number of items that a search can find."""
        return (len(self.generation) if self.generation else 0) - len(self.tombstones.rows) + self.delta.count

    def search(
        self,
        queries: npt.NDArray[np.float32],
        k: int,
        *,
        collection: Collections = None,
        filter: object | None = None,  # noqa: A002 - the API's word
        parameters: Parameters | None = None,
    ) -> list[list[Match]]:
        """The k nearest items of each of ``queries (B, D)``, by descending cosine, then by ascending id.

        Queries are L2-normalised here. ``filter`` is JSON (docs/reference/index-format.md). Fewer than k matches are
        returned only if fewer items match the restriction. Raises ``InvalidArgument``.
        """
        if k < 1:
            raise InvalidArgument(f"got k = {k}; k must be at least 1")
        queries = searching.normalised(queries, self.bundle.dimension)
        restriction = self._restriction(collection, filter)
        k = min(k, max(1, self.count))
        found = zip(
            self._in_generation(queries, k, restriction, parameters or Parameters()),
            self._in_delta(queries, k, restriction),
            strict=True,
        )
        return [self._merged(in_generation, in_delta, k) for in_generation, in_delta in found]

    def search_views(
        self,
        vectors: npt.NDArray[np.float32],
        k: int,
        penalties: Sequence[float] = (0.0,),
        *,
        collection: Collections = None,
        filter: object | None = None,  # noqa: A002 - the API's word
        offsets: npt.NDArray[np.float32] | None = None,
    ) -> list[Hit]:
        """The k best items for one picture, given the vectors ``(V, D)`` and penalties ``(V,)`` of its query views.

        As `search`, but sorted by score instead of cosine. ``offsets`` (V,): those of the vectors, if they are known.
        Raises ``InvalidArgument``.
        """
        found = self.search(vectors, k, collection=collection, filter=filter)
        known = self.offsets(vectors) if offsets is None else offsets
        return merge_views(found, [float(one) + more for one, more in zip(known, penalties, strict=True)], k)

    def offsets(self, queries: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """What score normalisation subtracts from the similarities of each of ``queries (B, D)``: ``(B,)``."""
        return self.judge.offsets(searching.normalised(queries, self.bundle.dimension))

    def vector(self, id: int) -> npt.NDArray[np.float32]:  # noqa: A002
        """The stored vector ``(D,)`` of an item. Raises ``ItemNotFound``."""
        found = self._vector(id)
        if found is not None:
            return found
        raise ItemNotFound(f"there is no item {id} with a vector; it may have been deleted", id=id)

    def holds(self, id: int) -> bool:  # noqa: A002
        """Whether a search can find an item."""
        return self._vector(id) is not None

    def clustered(self) -> "Snapshot":
        """The snapshot with the clusters as people have changed them, by moving pictures from one to another."""
        moves, generation = self.catalog.moves.all(), self.generation
        if generation is None or not len(moves.ids):
            return self
        there = np.isin(moves.ids, generation.ids)
        rows = generation.rows(moves.ids[there])
        gathered = generation.searcher.gather(rows)
        to = moves.clusters[there][np.searchsorted(rows, gathered.rows)]
        changed = clusters.moved(generation.clusters, gathered.rows, to, gathered.vectors)
        return replace(self, generation=replace(generation, clusters=changed))

    def assign(self, vectors: npt.NDArray[np.float32]) -> list[Membership | None]:
        """The nearest cluster of each of ``vectors (B, D)``; None if there are no clusters."""
        vectors = searching.normalised(vectors, self.bundle.dimension)
        if self.generation is None or not len(self.generation.clusters.ids):
            return [None] * len(vectors)
        clustering = self.generation.clusters
        nearest = clusters.nearest(vectors, clustering.centroids)
        return [
            Membership(
                int(clustering.ids[i]),
                int(clustering.sizes[i]),
                float(exact_search.score(vector, clustering.centroids[i : i + 1])[0]),
            )
            for vector, i in zip(vectors, nearest, strict=True)
        ]

    def clusters(self) -> list[Cluster]:
        """All clusters, the largest first."""
        if self.generation is None:
            return []
        found = self.generation.clusters
        tightness = [None if np.isnan(one) else float(one) for one in found.tightness]
        rows = zip(found.ids.tolist(), found.sizes.tolist(), tightness, strict=True)
        return sorted((Cluster(*row) for row in rows), key=lambda cluster: (-cluster.size, cluster.id))

    def members(self, cluster: int, limit: int = 100, offset: int = 0) -> list[Match]:
        """Items of a cluster, those nearest to its centroid first. Raises ``ItemNotFound``."""
        if self.generation is None or cluster not in self.generation.clusters.ids:
            raise ItemNotFound(f"there is no cluster {cluster}; GET /clusters lists them", id=cluster)
        found = self.generation.clusters
        position = np.flatnonzero(found.ids == cluster)
        rows = np.setdiff1d(np.flatnonzero(found.assignment == position[0]), self.tombstones.rows)
        members = self.generation.searcher.gather(rows)
        scores = exact_search.score(found.centroids[position[0]], members.vectors)
        return searching.top_k(self.generation.ids[members.rows], scores, offset + limit)[offset:]

    def after(self, changes: Changes) -> "Snapshot":
        """The snapshot after more changes of the catalog."""
        changed = np.concatenate([changes.placed.ids, changes.deleted])
        rows = self.generation.rows(changed) if self.generation else np.empty(0, np.int64)
        delta = self.delta.after(changes.placed, changes.deleted)
        tombstones, restrictions = self.tombstones.after(rows), dict[str, Restriction]()
        complete = self.complete and changes.complete
        return replace(
            self,
            delta=delta,
            tombstones=tombstones,
            sequence=changes.sequence,
            complete=complete,
            _restrictions=restrictions,
        )

    def without(self, ids: npt.NDArray[np.int64]) -> "Snapshot":
        """The snapshot as if the items ``ids`` were deleted, at the same sequence."""
        rows = self.generation.rows(ids) if self.generation else np.empty(0, np.int64)
        # A replaced item has a row in the generation that already has a tombstone, and one in the delta.
        tombstones = self.tombstones.after(np.setdiff1d(rows, self.tombstones.rows))
        return replace(
            self, delta=self.delta.without(ids), tombstones=tombstones, _restrictions=dict[str, Restriction]()
        )

    def _vector(self, id: int) -> npt.NDArray[np.float32] | None:  # noqa: A002
        row = self.delta.row(id)
        if row is not None:
            return np.asarray(self.delta.vectors[row])
        if self.generation is not None:
            rows = self.generation.rows(np.asarray([id]))
            if len(rows) and not np.isin(rows, self.tombstones.rows).any():
                return np.asarray(self.generation.searcher.gather(rows).vectors[0])
        return None

    def _in_generation(
        self, queries: npt.NDArray[np.float32], k: int, restriction: Restriction | None, parameters: Parameters
    ) -> Iterable[Found]:
        if self.generation is None or not len(self.generation):
            return [Found(np.empty(0, np.int64), np.empty(0, np.float32))] * len(queries)
        if restriction is not None and restriction.few_in_generation is not None:
            return restriction.few_in_generation.search(queries, k)
        allowed = restriction.generation if restriction is not None else None
        visible = Visible.of(len(self.generation), self.tombstones, allowed)
        return self.generation.search(queries, k, visible, parameters)

    def _in_delta(self, queries: npt.NDArray[np.float32], k: int, restriction: Restriction | None) -> Iterable[Found]:
        if restriction is not None and restriction.few_in_delta is not None:
            return restriction.few_in_delta.search(queries, k)
        return searching.in_delta(self.delta, queries, k, restriction.delta if restriction is not None else None)

    def _merged(self, in_generation: Found, in_delta: Found, k: int) -> list[Match]:
        ids, similarities = self.delta.ids[in_delta.rows], in_delta.similarities
        if self.generation is not None and len(in_generation.rows):
            ids = np.concatenate([ids, self.generation.ids[in_generation.rows]])
            similarities = np.concatenate([similarities, in_generation.similarities])
        return searching.top_k(ids, similarities, k)

    def _restriction(self, collection: Collections, filter: object | None) -> Restriction | None:  # noqa: A002
        if collection is None and filter is None:
            return None
        try:
            key = json.dumps([collection, filter], sort_keys=True, default=repr)
        except RecursionError as error:
            raise InvalidArgument("got a filter that is nested too deeply; flatten it") from error
        found = self._restrictions.get(key)
        if found is None:
            names = (collection,) if isinstance(collection, str) else collection
            found = self._by_collections(names or ()) if filter is None else self._by_filter(filter, names)
            if isinstance(collection, tuple):  # the lists: each search uses them, and there is one such restriction
                found = self._gathered(found)
            if len(self._restrictions) < CACHED_RESTRICTIONS:
                self._restrictions[key] = found
        return found

    def _by_collections(self, collections: tuple[str, ...]) -> Restriction:
        mask, delta = np.empty(0, np.bool_), np.zeros(self.delta.size, np.bool_)
        if self.generation is not None:
            names = self.generation.manifest.collections
            mask = np.isin(self.generation.codes, [names.index(one) for one in collections if one in names])
        for one in collections:
            delta |= self.delta.of_collection(one)
        return Restriction(mask, delta)

    def _gathered(self, found: Restriction) -> Restriction:
        """A restriction with the vectors of its rows, where an exact search in them is right and costs less."""
        generation, few = self.generation, None
        if generation is not None and len(generation):
            visible = Visible.of(len(generation), self.tombstones, found.generation)
            if generation.gathers(visible):
                few = generation.searcher.gather(visible.rows())
        in_delta = searching.gathered_in_delta(self.delta, found.delta) if self.delta.size else None
        return replace(found, few_in_generation=few, few_in_delta=in_delta)

    def _by_filter(self, filter: object, collections: tuple[str, ...] | None) -> Restriction:  # noqa: A002
        parts = [self.catalog.matching(filter, one) for one in collections or (None,)]
        ids = np.concatenate(parts)
        mask = np.zeros(len(self.generation) if self.generation else 0, np.bool_)
        if self.generation is not None:
            mask[self.generation.rows(ids)] = True
        return Restriction(mask, np.isin(self.delta.ids, ids))
