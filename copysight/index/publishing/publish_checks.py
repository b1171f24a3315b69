"""Check a new generation before it becomes live: recall, self-retrieval, count and order of its rows."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from copysight.errors import GateFailed
from copysight.index.generations.generation import Generation
from copysight.index.live import exact_search, search
from copysight.index.live.search import Parameters
from copysight.index.live.tombstones import Tombstones

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


def measure(generation: Generation, sample: int, seed: int) -> float:
    """Recall@10 against exact search. The queries are stored vectors with noise, at a cosine of about 0.9."""
    queries = _queries(generation, sample, seed)
    if generation.faiss is None or not len(queries):
        return 1.0
    k = min(RECALL_AT, len(generation))
    found = search.in_generation(generation, Tombstones.none(len(generation)), queries, k, None, Parameters())
    truth = exact_search.nearest(queries, generation.vectors, k)
    hits = [_hits(generation, *case, k) for case in zip(queries, found, truth, strict=True)]
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
    rows = _rows(generation, sample, seed)
    if not len(rows):
        return 1.0
    queries = generation.vectors[rows]
    tombstones = Tombstones.none(len(generation))
    found = search.in_generation(generation, tombstones, queries, 1, None, Parameters())
    best = [exact_search.score(q, generation.vectors[c]).max(initial=-1) for q, c in zip(queries, found, strict=True)]
    own = [exact_search.score(query, query[None])[0] for query in queries]
    return float(np.mean(np.asarray(best) >= np.asarray(own) - TIE_TOLERANCE))


def _hits(
    generation: Generation,
    query: npt.NDArray[np.float32],
    found: npt.NDArray[np.int64],
    truth: npt.NDArray[np.int64],
    k: int,
) -> int:
    border = np.sort(exact_search.score(query, generation.vectors[truth]))[-k]
    return min(k, int(np.count_nonzero(exact_search.score(query, generation.vectors[found]) >= border - TIE_TOLERANCE)))


def _queries(generation: Generation, sample: int, seed: int) -> npt.NDArray[np.float32]:
    # Stored vectors plus noise, at a cosine of about 0.9, resemble edited copies better than the stored vectors do.
    chosen = generation.vectors[_rows(generation, sample, seed)]
    noise = np.random.default_rng(seed + 1).normal(size=chosen.shape).astype(np.float32)
    noise /= np.maximum(np.linalg.norm(noise, axis=1, keepdims=True), 1e-12)
    turned = 0.9 * chosen + 0.436 * noise
    unit: npt.NDArray[np.float32] = turned / np.maximum(np.linalg.norm(turned, axis=1, keepdims=True), 1e-12)
    return unit.astype(np.float32, copy=False)


def _rows(generation: Generation, sample: int, seed: int) -> npt.NDArray[np.int64]:
    count = len(generation)
    return np.sort(np.random.default_rng(seed).choice(count, min(sample, count), replace=False))
