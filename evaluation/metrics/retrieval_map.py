"""Mean average precision of revisited Oxford and Paris (Radenovic et al. 2018): easy, medium and hard protocols."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from evaluation.metrics.ranking import trapezoidal_ap

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.integer]


@dataclass(frozen=True)
class Truth:
    """Database ids that show the landmark of one query: ``easy``, ``hard``, and ``junk``, which is ignored."""

    easy: Ints
    hard: Ints
    junk: Ints


@dataclass(frozen=True)
class Scores:
    """``ap`` (Q,) and ``precision`` (Q, len(kappas)). Queries without positives are NaN and not part of the means."""

    ap: Floats
    precision: Floats

    @property
    def map(self) -> float:
        """Mean AP."""
        return _mean(self.ap)

    @property
    def mean_precision(self) -> list[float]:
        """Mean precision at each kappa."""
        return [_mean(column) for column in self.precision.T]


def protocols(ranks: Ints, truths: Sequence[Truth], kappas: Sequence[int] = (1, 5, 10)) -> dict[str, Scores]:
    """Return the scores of the protocols ``E``, ``M`` and ``H``.

    ``ranks`` (N, Q) holds database ids by decreasing similarity, one column per query.
    """
    none = np.empty(0, np.int64)
    parts = {
        "E": [(truth.easy, np.concatenate([none, truth.junk, truth.hard])) for truth in truths],
        "M": [(np.concatenate([none, truth.easy, truth.hard]), truth.junk) for truth in truths],
        "H": [(truth.hard, np.concatenate([none, truth.junk, truth.easy])) for truth in truths],
    }
    return {
        name: score(ranks, [positive for positive, _ in pairs], [junk for _, junk in pairs], kappas)
        for name, pairs in parts.items()
    }


def score(ranks: Ints, positives: Sequence[Ints], junk: Sequence[Ints], kappas: Sequence[int]) -> Scores:
    """Return the AP and precision of each query. ``junk`` is removed from the ranking first.

    Precision at k divides by k, or by the rank of the last positive if that is smaller, as in the released code.
    """
    ap = np.full(len(positives), np.nan)
    precision = np.full((len(positives), len(kappas)), np.nan)
    for query, (wanted, ignored) in enumerate(zip(positives, junk, strict=True)):
        if not len(wanted):
            continue
        places = np.flatnonzero(np.isin(ranks[:, query], wanted))
        skipped = np.flatnonzero(np.isin(ranks[:, query], ignored))
        places = places - np.searchsorted(skipped, places)
        ap[query] = trapezoidal_ap(places, len(wanted))
        precision[query] = [_precision(places + 1, kappa) for kappa in kappas]
    return Scores(ap, precision)


def _precision(places: Ints, kappa: int) -> float:
    if not len(places):
        return 0.0
    cut = min(int(places.max()), kappa)
    return float((places <= cut).sum() / cut)


def _mean(values: Floats) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")
