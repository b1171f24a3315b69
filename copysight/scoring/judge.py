"""Judge similarities: normalise the score, then add probability and verdict from the calibration."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from copysight.errors import InvalidArgument
from copysight.model.bundle import Bundle
from copysight.scoring import calibration
from copysight.scoring.calibration import UNVERIFIED, USUAL, Calibration, Verdict, Verdicts, VerifiedCalibration
from copysight.scoring.precision import Policy, policy
from copysight.scoring.query_views import Effort, QueryView
from copysight.vectors.representatives import Representatives
from copysight.vectors.score_normalisation import ScoreNormalisation

Float = npt.NDArray[np.float32]
SAME_PICTURE = 0.999
"""Two whole pictures with at least this cosine are the same picture; neither is only a part of the other."""


@dataclass(frozen=True)
class Judgement:
    """Similarity, score, probability and verdict of one answer. ``probability`` is None without a calibration."""

    similarity: float
    score: float
    probability: float | None
    verdict: Verdict


@dataclass(frozen=True)
class Judge:
    """Score normalisation, and a calibration for each effort.

    ``verified`` corrects the probabilities of verified answers; ``verdicts`` are those of the index. Without
    calibrations every verdict is ``uncertain``, except ``exact``.
    """

    normalisation: ScoreNormalisation
    calibrations: Mapping[Effort, Calibration] = field(default_factory=dict)
    verified: VerifiedCalibration = UNVERIFIED
    verdicts: Verdicts = USUAL

    @classmethod
    def of(
        cls, bundle: Bundle, fitted: Mapping[str, Any] | None = None, collection: Representatives | None = None
    ) -> "Judge":
        """Use the bundle's score normalisation, and the calibrations in ``fitted`` (JSON), else those of the bundle.

        ``collection``: what the calibrations of an index were fitted with, see `ScoreNormalisation.within`.
        """
        normalisation = bundle.score_normalisation()
        if collection is not None:
            normalisation = normalisation.within(collection)
        settings = fitted or {}
        verdicts = Verdicts(**settings["verdicts"]) if "verdicts" in settings else USUAL
        found = settings if calibration.is_calibrated(settings) else bundle.calibration
        if not found:
            return cls(normalisation, verdicts=verdicts)
        verified = VerifiedCalibration.from_json(found["verified"]) if "verified" in found else UNVERIFIED
        return cls(normalisation, calibration.by_effort(found), verified, verdicts)

    def share(self, effort: Effort) -> float:
        """The assumed share of queries that have a copy; a half without a calibration."""
        return self.calibrations[effort].share if effort in self.calibrations else 0.5

    def policy(self, precision: float, effort: Effort, verified: bool) -> Policy:
        """From which probability on answers keep an expected ``precision``, see `precision.policy`.

        ``verified``: whether the search verifies. Raises ``InvalidArgument`` without calibrations.
        """
        if effort not in self.calibrations:
            raise InvalidArgument(
                f"got precision = {precision:g}, but this index has no probabilities; its bundle has no calibration, "
                "and it has too few pictures for one of its own"
            )
        return policy(self.verified.policies if verified else self.calibrations[effort].policies, precision)

    def offsets(self, queries: Float) -> Float:
        """What is subtracted from the similarities of each query: (Q,), from L2-normalised ``queries`` (Q, D)."""
        return self.normalisation.offsets(queries)

    def judge(self, similarity: float, offset: float, equal: bool = False, effort: Effort = "low") -> Judgement:
        """Judge an answer by its cosine ``similarity``. ``equal``: query and answer have the same bytes or pixels.

        ``offset`` is subtracted for the score; it includes the penalty of the query view. ``effort`` is the search
        effort.
        """
        score, fitted = similarity - offset, self.calibrations.get(effort)
        if fitted is None:
            return Judgement(similarity, score, 1.0 if equal else None, "exact" if equal else "uncertain")
        probability = 1.0 if equal else float(fitted.probability(score))
        return Judgement(similarity, score, probability, "exact" if equal else self.verdicts.of(probability))

    def compare(
        self,
        one: Float,
        other: Float,
        penalties: tuple[Sequence[float], Sequence[float]],
        equal: bool = False,
        effort: Effort = "low",
    ) -> "Comparison":
        """Judge two pictures by the embeddings of their views, each (V, D) with the whole picture first.

        Each view of one picture is compared with the whole other picture. ``penalties``: of the views of both pictures.
        ``equal``: same bytes or pixels.
        """
        first = self._pairs(one, other[0], penalties[0], 1)
        second = self._pairs(other, one[0], penalties[1], 2)[1:]
        whole = first[0]
        pairs = [whole] if equal or whole[0] >= SAME_PICTURE else first + second
        similarity, offset, picture, view = max(pairs, key=_score)
        return Comparison(self.judge(1.0 if equal else similarity, offset, equal, effort), picture, view)

    def _pairs(self, views: Float, whole: Float, penalties: Sequence[float], picture: int) -> list["_Pair"]:
        offsets = self.offsets(views) + np.asarray(penalties, np.float32)
        similarities = (views @ whole).tolist()
        return [
            (similarity, float(offset), picture, view)
            for view, (similarity, offset) in enumerate(zip(similarities, offsets, strict=True))
        ]


@dataclass(frozen=True)
class Comparison:
    """The ``judgement`` of two pictures, and the view that gave the best score: ``view`` of ``picture`` 1 or 2."""

    judgement: Judgement
    picture: int
    view: int

    def views(self, of_one: Sequence[QueryView], of_other: Sequence[QueryView]) -> tuple[QueryView, QueryView]:
        """The view of each picture that was compared: the best one, and the whole other picture."""
        if self.picture == 1:
            return of_one[self.view], of_other[0]
        return of_one[0], of_other[self.view]


_Pair = tuple[float, float, int, int]


def _score(pair: _Pair) -> float:
    return pair[0] - pair[1]
