"""Verify the candidates of rehearsed queries as a search does, to see what verified probabilities are worth."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from copysight.matching import verification
from copysight.matching.verification import Prepared
from copysight.scoring import evidence, verified
from copysight.scoring.calibration import Calibration
from copysight.scoring.fitting import Answers
from copysight.scoring.query_views import Effort
from copysight.scoring.self_calibration import Queries
from copysight.scoring.verified import CANDIDATES, Candidate, Checked
from copysight.vectors.knn import exact

Float = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
MAX_NEUTRAL = 200
"""Rows that are neither right nor wrong and are passed over at most, so that memory is bounded."""
UNLIMITED = float("inf")


def answers(
    queries: Queries,
    vectors: Float,
    calibration: Calibration,
    effort: Effort,
    picture: Callable[[int], Prepared | None],
    count: int,
) -> Answers:
    """The best verified answers of ``count`` evenly spaced copies, with and without their sources, as `best_answers`.

    ``scores`` are log odds. ``picture`` returns the prepared picture of a row of ``vectors`` (N, D). There is no time
    limit, so that the result does not depend on the machine.
    """
    searched = queries.searched[effort]
    numbers = searched[np.linspace(0, len(searched) - 1, min(count, len(searched))).round().astype(np.int64)]
    chosen = np.flatnonzero(queries.included[effort] & np.isin(queries.owners, numbers))
    depth = CANDIDATES + 1 + min(MAX_NEUTRAL, max(len(queries.neutral[number]) for number in numbers))
    near = exact(queries.vectors[chosen], vectors, depth)
    penalties, penalties_without = queries.penalties[chosen, None], queries.penalties_without[chosen, None]

    def one(number: int) -> tuple[float, bool, float]:
        views = queries.owners[chosen] == number
        rows, similarities = near.ids[views], near.similarities[views]
        ranked = _ranked(rows, similarities - penalties[views])
        without = _ranked(rows, similarities - penalties_without[views])
        source, neutral = int(queries.sources[number]), set(queries.neutral[number].tolist())
        pixels = queries.copies[number].pixels
        check = cache(verified.checking(lambda: verification.prepare(pixels), picture))
        found, odds = _best([pair for pair in ranked if pair[0] not in neutral], calibration, check)
        others = [pair for pair in without if pair[0] not in neutral and pair[0] != source]
        return odds, found == source, _best(others, calibration, check)[1]

    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor() as pool:
        found = list(pool.map(one, numbers.tolist()))
    none = np.zeros(len(found), np.bool_)
    return Answers(
        scores=np.array([odds for odds, _, _ in found] + [without for _, _, without in found]),
        correct=np.concatenate([np.array([right for _, right, _ in found], np.bool_), none]),
        has_copy=np.concatenate([~none, none]),
    )


def _ranked(rows: Ints, scores: Float) -> list[tuple[int, float]]:
    """Rows (V, K) with their best score, the best first."""
    best: dict[int, float] = {}
    for row, score in zip(rows.ravel().tolist(), scores.ravel().tolist(), strict=True):
        best[row] = max(score, best.get(row, score))
    return sorted(best.items(), key=lambda pair: (-pair[1], pair[0]))


def _best(
    ranked: Sequence[tuple[int, float]], calibration: Calibration, check: Callable[[int], Checked | None]
) -> tuple[int | None, float]:
    """The row of the most probable candidate, and its log odds."""
    some = ranked[:CANDIDATES]
    by_score = calibration.probability([score for _, score in some]).tolist()
    candidates = [
        Candidate(score, probability, calibration.share) for (_, score), probability in zip(some, by_score, strict=True)
    ]
    outcomes = verified.verify(candidates, lambda place: check(some[place][0]), budget=UNLIMITED)
    odds = [evidence.odds_of(one.probability) for one in outcomes]
    if not odds:
        return None, -evidence.MAX_ODDS
    best = int(np.argmax(odds))
    return some[best][0], odds[best]
