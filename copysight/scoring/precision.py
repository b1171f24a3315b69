"""Precision policies: from which probability on are answers right often enough, and how many copies are still found."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
PRECISIONS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.97, 0.98, 0.99, 0.995, 0.999)
"""Precisions that a table holds. A policy between two of them is the stricter one."""
ROUNDING = 1e-9


@dataclass(frozen=True)
class Policy:
    """Answers of at least ``probability`` are right with an expected ``precision``.

    ``recall``: the share of copies that the best answer then still finds; None if it was not measured.
    """

    precision: float
    probability: float
    recall: float | None


def table(probabilities: Floats, correct: npt.NDArray[np.bool_], weights: Floats, share: float) -> tuple[Policy, ...]:
    """A policy for each of ``PRECISIONS``, from the best answers (Q,) of rehearsed queries.

    Among the answers from a policy's probability on, both the share of correct ones and the mean probability, weighted
    by ``weights`` (Q,), reach its precision: the first is what was seen, the second what can be said where few answers
    were seen. A precision that none reaches has a probability of 1 and finds nothing. ``share`` is the weight of the
    queries that have a copy.
    """
    order = np.argsort(-probabilities, kind="stable")
    p, right, mass = probabilities[order], correct[order] * weights[order], np.cumsum(weights[order])
    seen, stated = np.cumsum(right) / mass, np.cumsum(p * weights[order]) / mass
    # Equal probabilities stand or fall together, so only the last of them may be the end of a policy.
    last = np.append(p[1:] < p[:-1], True)
    policies = []
    for precision in PRECISIONS:
        enough = np.flatnonzero(last & (np.minimum(seen, stated) >= precision - ROUNDING))
        found = min(1.0, float(right[: enough[-1] + 1].sum()) / share) if len(enough) else 0.0
        policies.append(Policy(precision, float(p[enough[-1]]) if len(enough) else 1.0, found))
    return tuple(policies)


def policy(policies: Sequence[Policy], precision: float) -> Policy:
    """The policy of a ``precision``: the next stricter one of the table.

    Without one, the answers that are right with this probability each, which keeps the precision, too.
    """
    stricter = [one for one in policies if one.precision >= precision]
    return min(stricter, key=lambda one: one.precision) if stricter else Policy(precision, precision, None)
