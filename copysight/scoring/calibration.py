"""Convert scores to probabilities and verdicts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from copysight.errors import InvalidArgument
from copysight.scoring import logistic
from copysight.scoring.curve import Curve
from copysight.scoring.precision import Policy
from copysight.scoring.query_views import EFFORTS, Effort

Floats = npt.NDArray[np.float64]
Verdict = Literal["exact", "copy", "uncertain", "different"]

COPY, DIFFERENT = 0.9, 0.05
"""An answer is a ``copy`` from the first probability on, and ``different`` up to the second."""


@dataclass(frozen=True)
class Line:
    """Log odds as a linear function: ``slope`` * x + ``intercept``."""

    slope: float
    intercept: float


IDENTITY = Line(1.0, 0.0)
"""Log odds as they are."""


@dataclass(frozen=True)
class Threshold:
    """The lowest score from which on answers have at least this ``precision``, and its 95 % interval (low, high)."""

    precision: float
    score: float
    low: float
    high: float


@dataclass(frozen=True)
class Calibration:
    """Probability that the best answer is a copy, as a function of its score: 1 / (1 + exp(-(slope x + intercept))).

    x is ``curve`` of the score, or the score itself without a curve. ``share`` is the assumed share of queries with a
    copy in the collection. ``samples`` is the number of queries of the fit; ``source`` is where their pictures came
    from: ``index`` or ``bundle``.
    """

    slope: float
    intercept: float
    share: float
    samples: int
    thresholds: tuple[Threshold, ...]
    source: str = "index"
    curve: Curve | None = None
    policies: tuple[Policy, ...] = ()

    def probability(self, scores: npt.ArrayLike) -> Floats:
        """Convert scores of any shape to probabilities in 0..1; monotone."""
        return logistic.sigmoid(self.slope * _apply_curve(scores, self.curve) + self.intercept)

    def threshold(self, precision: float) -> Threshold:
        """The stored threshold for a ``precision`` of 0.90, 0.95 or 0.99."""
        return next(threshold for threshold in self.thresholds if threshold.precision == precision)

    def to_json(self) -> dict[str, Any]:
        """Return plain data for ``calibration.json``."""
        return {
            "slope": self.slope,
            "intercept": self.intercept,
            "share": self.share,
            "samples": self.samples,
            "source": self.source,
            "thresholds": [vars(threshold) for threshold in self.thresholds],
            "curve": self.curve and self.curve.to_json(),
            "policies": [vars(policy) for policy in self.policies],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Calibration":
        """Read data from ``to_json``."""
        thresholds = tuple(Threshold(**threshold) for threshold in data["thresholds"])
        names = ("slope", "intercept", "share", "samples", "source")
        curve = Curve.from_json(data["curve"]) if data.get("curve") else None
        policies = tuple(Policy(**policy) for policy in data.get("policies", ()))
        return cls(**{name: data[name] for name in names}, thresholds=thresholds, curve=curve, policies=policies)


@dataclass(frozen=True)
class Verdicts:
    """An answer is a ``copy`` from this probability on, and ``different`` up to the other one. Settings of an index.

    Raises ``InvalidArgument`` unless 0 <= different < copy <= 1.
    """

    copy: float = COPY
    different: float = DIFFERENT

    def __post_init__(self) -> None:
        if not 0 <= self.different < self.copy <= 1:
            raise InvalidArgument(
                f"got verdicts `copy` from {self.copy:g} and `different` up to {self.different:g}; both are "
                "probabilities, and the first must be the larger one"
            )

    def of(self, probability: float) -> Verdict:
        """The verdict of an answer whose bytes and pixels are not equal: a function of its probability alone."""
        if probability >= self.copy:
            return "copy"
        return "different" if probability <= self.different else "uncertain"


USUAL = Verdicts()


@dataclass(frozen=True)
class VerifiedCalibration:
    """How the log odds of verified pairs are corrected for a collection, and the policies of the corrected ones.

    ``samples`` is the number of rehearsed queries.
    """

    line: Line = IDENTITY
    samples: int = 0
    policies: tuple[Policy, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return plain data for ``calibration.json``."""
        policies = [vars(one) for one in self.policies]
        return {
            "slope": self.line.slope,
            "intercept": self.line.intercept,
            "samples": self.samples,
            "policies": policies,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "VerifiedCalibration":
        """Read data from ``to_json``."""
        line = Line(data["slope"], data["intercept"])
        return cls(line, data["samples"], tuple(Policy(**one) for one in data["policies"]))


UNVERIFIED = VerifiedCalibration()
"""Of a collection whose verification was not rehearsed."""


def is_calibrated(data: Mapping[str, Any]) -> bool:
    """Whether the JSON of an index or a bundle has calibrations; that of a small index has its settings alone."""
    return "slope" in data or "low" in data


def by_effort(data: Mapping[str, Any]) -> dict[Effort, Calibration]:
    """Read a calibration for each effort from the JSON of a bundle or an index. Older JSON has one for all efforts."""
    if "slope" in data:
        return dict.fromkeys(EFFORTS, Calibration.from_json(data))
    return {effort: Calibration.from_json(data[effort]) for effort in EFFORTS}


def _apply_curve(scores: npt.ArrayLike, curve: Curve | None) -> Floats:
    return np.asarray(scores, np.float64) if curve is None else curve(scores)
