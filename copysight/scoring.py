"""From similarities to judgements: score normalisation, then the calibration's probability and verdict."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from copysight.bundle import Bundle
from copysight.calibration import Calibration, Verdict
from copysight.curve import Curve
from copysight.knn import exact

Float = npt.NDArray[np.float32]


def curve_of(bundle: Bundle) -> Curve | None:
    """The shape that a bundle brings for the calibrations of its indexes; None if it has none."""
    return Calibration.from_json(bundle.calibration).curve if bundle.calibration else None


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
    """Similarities to judgements: normalisation by a ``background`` (M, D), which may be empty, and a calibration.

    Without a calibration nothing but equality is certain.
    """

    background: Float
    calibration: Calibration | None = None

    @classmethod
    def of(cls, bundle: Bundle, calibration: Mapping[str, Any] | None = None) -> "Judge":
        """With a bundle's background, and ``calibration`` as JSON or else the bundle's own."""
        found = calibration or bundle.calibration
        return cls(bundle.background_vectors(), Calibration.from_json(found) if found else None)

    def offsets(self, queries: Float) -> Float:
        """What normalisation takes from the similarities of each query: (Q,) from L2-normalised (Q, D)."""
        return offsets(queries, self.background)

    def judge(self, similarity: float, offset: float, equal: bool = False) -> Judgement:
        """Judge an answer of cosine ``similarity`` to a query with that ``offset``; ``equal``: same bytes or pixels."""
        score = similarity - offset
        if self.calibration is None:
            return Judgement(similarity, score, 1.0 if equal else None, "exact" if equal else "uncertain")
        probability = 1.0 if equal else float(self.calibration.probability(score))
        return Judgement(similarity, score, probability, self.calibration.verdict(score, equal))
