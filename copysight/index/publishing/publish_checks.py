"""Check a new generation before it becomes live: recall, self-retrieval, count and order of its rows."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from copysight.errors import GateFailed
from copysight.index.generations.engines.engine import Floats, Found, Parameters, Visible
from copysight.index.generations.generation import Generation
from copysight.index.generations.tombstones import Tombstones
from copysight.vectors import exact_search

RECALL_AT = 10
TIE_TOLERANCE = 1e-6  # a result whose score equals that of the last true neighbour counts as correct


@dataclass(frozen=True)
class Gate:
    """The requirements for a new generation.

    ``recall`` is the minimum recall@10 against exact search, measured with ``sample`` queries. ``self_queries`` is the
    minimum share of stored vectors that find themselves, or an equal vector, as the first result.
    """

    recall: float = 0.95
    self_queries: float = 0.99
    sample: int = 200


def measure(generation: Generation, vectors: Floats, sample: int, seed: int) -> float:
    """Recall@10 against exact search in ``vectors`` (N, D), those of the generation.

    The queries are stored vectors with noise, at a cosine of about 0.9.
    """
    queries = _queries(vectors, sample, seed)
    if generation.manifest.choice.kind == "flat" or not len(queries):
        return 1.0
    k = min(RECALL_AT, len(generation))
    found = generation.search(queries, k, _all(generation), Parameters())
    truth = exact_search.nearest(queries, vectors, k)
    hits = [_hits(vectors, *case, k) for case in zip(queries, found, truth, strict=True)]
    return sum(hits) / (k * len(queries))


def check(generation: Generation, gate: Gate, count: int, seed: int) -> None:
    """Raise ``GateFailed`` if the generation fails a check. Opening ``generation`` has verified the checksums."""
    if len(generation) != count:
        raise GateFailed(f"the new generation has {len(generation)} vectors, but the catalog has {count}")
    if np.any(np.diff(generation.ids) <= 0):
        raise GateFailed("the ids of the new generation are not in ascending order")
    if generation.manifest.recall < gate.recall:
        raise GateFailed(
            f"recall@{RECALL_AT} of the new generation is {generation.manifest.recall:.3f}, needed is {gate.recall}; "
            "choose another index type, or lower `Gate.recall`",
            recall=generation.manifest.recall,
        )
    found = _self_recall(generation, gate.sample, seed)
    if found < gate.self_queries:
        raise GateFailed(
            f"a share of {found:.3f} of the stored vectors find themselves, needed is {gate.self_queries}; "
            "choose another index type, or lower `Gate.self_queries`"
        )


def _self_recall(generation: Generation, sample: int, seed: int) -> float:
    rows = _rows(len(generation), sample, seed)
    queries = generation.searcher.stored(rows)
    # Items that were replaced during the build can have a new vector already, with which the old one is not found.
    queries = queries[(queries == generation.searcher.gather(rows).vectors).all(axis=1)]
    if not len(queries):
        return 1.0
    found = generation.search(queries, 1, _all(generation), Parameters())
    best = [one.similarities.max(initial=-1) for one in found]
    own = [exact_search.score(query, query[None])[0] for query in queries]
    return float(np.mean(np.asarray(best) >= np.asarray(own) - TIE_TOLERANCE))


def _all(generation: Generation) -> Visible:
    return Visible.of(len(generation), Tombstones.none(len(generation)))


def _hits(vectors: Floats, query: Floats, found: Found, truth: npt.NDArray[np.int64], k: int) -> int:
    border = np.sort(exact_search.score(query, vectors[truth]))[-k]
    return min(k, int(np.count_nonzero(found.similarities >= border - TIE_TOLERANCE)))


def _queries(vectors: Floats, sample: int, seed: int) -> Floats:
    # Stored vectors plus noise, at a cosine of about 0.9, resemble edited copies better than the stored vectors do.
    chosen = vectors[_rows(len(vectors), sample, seed)]
    noise = np.random.default_rng(seed + 1).normal(size=chosen.shape).astype(np.float32)
    noise /= np.maximum(np.linalg.norm(noise, axis=1, keepdims=True), 1e-12)
    turned = 0.9 * chosen + 0.436 * noise
    unit: Floats = turned / np.maximum(np.linalg.norm(turned, axis=1, keepdims=True), 1e-12)
    return unit.astype(np.float32, copy=False)


def _rows(count: int, sample: int, seed: int) -> npt.NDArray[np.int64]:
    return np.sort(np.random.default_rng(seed).choice(count, min(sample, count), replace=False))
