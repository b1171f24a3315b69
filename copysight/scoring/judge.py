"""From similarities to judgements: score normalisation, then the calibration's probability and verdict."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from copysight.model.bundle import Bundle
from copysight.scoring import calibration
from copysight.scoring.calibration import Calibration, Verdict
from copysight.scoring.curve import Curve
from copysight.scoring.query_views import Effort
from copysight.vectors.knn import exact

Float = npt.NDArray[np.float32]
SAME = 0.999
"""Cosine of two whole pictures from which on neither is merely a part of the other."""


def curves_of(bundle: Bundle) -> dict[Effort, Curve | None]:
    """The shapes that a bundle brings for the calibrations of its indexes, by effort; empty if it has none."""
    found = calibration.by_effort(bundle.calibration) if bundle.calibration else {}
    return {effort: one.curve for effort, one in found.items()}


def offsets(queries: Float, background: Float, weight: float = 1.0, first: int = 0, last: int = 2) -> Float:
    """What score normalisation takes from every similarity of a query: (Q,) from queries (Q, D), background (M, D).

    ``weight`` times the mean similarity to the query's background neighbours number ``first`` to ``last`` (counted from
    0, both included): a query that resembles everything must resemble its match more (Pizzi et al. 2022, section 5.3).
    With an empty background nothing is taken.
    """
    near = exact(queries, background, last + 1).similarities[:, first:]
    if near.shape[1] == 0:
        return np.zeros(len(queries), np.float32)
    return np.asarray(np.float32(weight) * near.mean(axis=1), np.float32)


def normalise(
    similarities: Float, queries: Float, background: Float, weight: float = 1.0, first: int = 0, last: int = 2
) -> Float:
    """Similarities (Q, k) of queries (Q, D) to scores (Q, k) that can be compared between queries; see ``offsets``."""
    return np.asarray(similarities - offsets(queries, background, weight, first, last)[:, None], np.float32)


@dataclass(frozen=True)
class Judgement:
    """What is said of one answer. ``probability`` is ``None`` as long as there is no calibration."""

    similarity: float
    score: float
    probability: float | None
    verdict: Verdict


@dataclass(frozen=True)
class Judge:
    """Similarities to judgements: normalisation by a ``background`` (M, D), which may be empty, and calibrations.

    Without calibrations nothing but equality is certain.
    """

    background: Float
    calibrations: Mapping[Effort, Calibration] = field(default_factory=dict)

    @classmethod
    def of(cls, bundle: Bundle, fitted: Mapping[str, Any] | None = None) -> "Judge":
        """With a bundle's background, and the calibrations ``fitted``, as JSON, or else the bundle's own."""
        found = fitted or bundle.calibration
        return cls(bundle.background_vectors(), calibration.by_effort(found) if found else {})

    def offsets(self, queries: Float) -> Float:
        """What normalisation takes from the similarities of each query: (Q,) from L2-normalised (Q, D)."""
        return offsets(queries, self.background)

    def judge(self, similarity: float, offset: float, equal: bool = False, effort: Effort = "low") -> Judgement:
        """Judge an answer of cosine ``similarity`` to a query with that ``offset``; ``equal``: same bytes or pixels.

        ``effort`` is how hard the query was looked at; ``offset`` includes the handicap of the look that found it.
        """
        score, known = similarity - offset, self.calibrations.get(effort)
        if known is None:
            return Judgement(similarity, score, 1.0 if equal else None, "exact" if equal else "uncertain")
        probability = 1.0 if equal else float(known.probability(score))
        return Judgement(similarity, score, probability, known.verdict(score, equal))

    def compare(
        self,
        one: Float,
        other: Float,
        penalties: tuple[Sequence[float], Sequence[float]],
        equal: bool = False,
        effort: Effort = "low",
    ) -> "Compared":
        """Judge two pictures by looks at them, (L, D) and (M, D), the whole pictures first.

        Each look at either is compared with the whole of the other; ``penalties`` are the looks' of both. ``equal``:
        same bytes or pixels.
        """
        first = self._pairs(one, other[0], penalties[0], 1)
        second = self._pairs(other, one[0], penalties[1], 2)[1:]
        whole = first[0]
        pairs = [whole] if equal or whole[0] >= SAME else first + second
        similarity, offset, picture, view = max(pairs, key=_score)
        return Compared(self.judge(1.0 if equal else similarity, offset, equal, effort), picture, view)

    def _pairs(self, views: Float, whole: Float, penalties: Sequence[float], picture: int) -> list["_Pair"]:
        taken = self.offsets(views) + np.asarray(penalties, np.float32)
        similarities = (views @ whole).tolist()
        return [
            (similarity, float(offset), picture, view)
            for view, (similarity, offset) in enumerate(zip(similarities, taken, strict=True))
        ]


@dataclass(frozen=True)
class Compared:
    """Two pictures' ``judgement``, and the look that it rests on: number ``view`` at ``picture`` 1 or 2."""

    judgement: Judgement
    picture: int
    view: int


_Pair = tuple[float, float, int, int]


def _score(pair: _Pair) -> float:
    return pair[0] - pair[1]
