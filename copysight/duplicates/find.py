"""Find the verified pairs among many pictures: join, verify, then the pairs that the join missed."""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import numpy as np
from threadpoolctl import threadpool_limits

from copysight.duplicates import closing
from copysight.duplicates.candidates import Scorer, find_candidates
from copysight.duplicates.pair import Kind, Pair
from copysight.duplicates.pair_cache import PairCache, Stored
from copysight.duplicates.scope import Scope
from copysight.duplicates.verify import Contents, Verifier
from copysight.system import processors

ROUNDS = 3
"""Rounds of closing. Two reach every pair of a group of 900 copies."""
BLOCK = 2048
"""Pairs that wait for a processor at a time."""
Numbers = tuple[int, int]


class Progress(Protocol):
    """Called with a stage, the number of finished pictures or pairs, and the number of all."""

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Report progress."""


def find_pairs(
    sha256s: Sequence[str],
    scorer: Scorer,
    contents: Contents,
    scope: Scope,
    minimum: float,
    cache: PairCache,
    progress: Progress,
) -> list[Pair]:
    """The pairs of N pictures whose probability of being copies is at least ``minimum``, from comparing both.

    Pictures ``sha256s`` (N,) of equal bytes are pairs of probability 1. Verified pairs are kept in ``cache``.
    """
    verifier = Verifier(contents, scorer)
    tested: set[Numbers] = set()
    found = list(_equal_bytes(sha256s, scope))
    tested |= {(pair.one, pair.other) for pair in found}
    candidates = find_candidates(scorer, scope, lambda done, total: progress("compare", done, total))
    rows = zip(candidates.pairs.tolist(), candidates.scores.tolist(), strict=True)
    waiting = [(one, other, score) for (one, other), score in rows if (one, other) not in tested]
    for _ in range(1 + ROUNDS):
        tested |= {(one, other) for one, other, _ in waiting}
        found += _verified(waiting, sha256s, verifier, cache, minimum, progress)
        missing = [pair for pair in closing.missing(found, minimum, tested) if scope.allows(*pair)]
        if not missing:
            break
        scores = scorer.scores(np.array(missing))
        waiting = [(one, other, score) for (one, other), score in zip(missing, scores.tolist(), strict=True)]
    return found


def _equal_bytes(sha256s: Sequence[str], scope: Scope) -> Iterable[Pair]:
    """Pairs of equal bytes; of more than two, each is paired with all others."""
    same: dict[str, list[int]] = {}
    for number, sha256 in enumerate(sha256s):
        same.setdefault(sha256, []).append(number)
    for numbers in same.values():
        for place, other in enumerate(numbers):
            yield from (Pair(one, other, 1.0, "exact") for one in numbers[:place] if scope.allows(one, other))


def _verified(
    waiting: Sequence[tuple[int, int, float]],
    sha256s: Sequence[str],
    verifier: Verifier,
    cache: PairCache,
    minimum: float,
    progress: Progress,
) -> list[Pair]:
    def verify(candidate: tuple[int, int, float]) -> Pair:
        one, other, score = candidate
        known = cache.get(sha256s[one], sha256s[other])
        if known is not None:
            return _recalled(known, one, other, sha256s)
        pair = verifier.verify(one, other, score)
        cache.put(_stored(pair, sha256s))
        return pair

    found: list[Pair] = []
    try:
        # Products of few keypoints: BLAS threads of several pictures would take ten times as long.
        with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(processors.available()) as pool:
            for start in range(0, len(waiting), BLOCK):
                block = waiting[start : start + BLOCK]
                found += [pair for pair in pool.map(verify, block) if pair.probability >= minimum]
                progress("verify", start + len(block), len(waiting))
    finally:
        cache.flush()
    return found


def _stored(pair: Pair, sha256s: Sequence[str]) -> Stored:
    one, other = sorted((sha256s[pair.one], sha256s[pair.other]))
    return Stored(one, other, pair.probability, pair.kind, None if pair.part is None else sha256s[pair.part])


def _recalled(known: Stored, one: int, other: int, sha256s: Sequence[str]) -> Pair:
    part = None if known.part is None else one if sha256s[one] == known.part else other
    kinds: dict[str, Kind] = {"exact": "exact", "resized": "resized", "edited": "edited", "part": "part"}
    return Pair(one, other, known.probability, kinds[known.kind], part)
