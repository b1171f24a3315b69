"""Penalised logistic regression that always ends at its minimum: damped Newton on a strictly convex loss.

Newton's method alone can cycle between two points far from the minimum when most answers are certain; halving a step
until it lowers the loss enough (Armijo 1966; Boyd and Vandenberghe 2004, section 9.5) cannot.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
MAX_STEPS, MAX_HALVINGS = 200, 60
TOLERANCE = 1e-10
"""Half the squared Newton decrement, relative to 1 + loss, at which the fit ends."""
SUFFICIENT = 0.25
"""Share of the decrease that the gradient promises and that a step must reach."""


def fit(
    x: npt.NDArray[np.floating[Any]],
    target: npt.NDArray[np.floating[Any]],
    weights: npt.NDArray[np.floating[Any]],
    prior: Floats,
    precision: Floats,
) -> Floats:
    """Coefficients (D,) with the least loss for inputs ``x`` (N, D) and targets (N,) in 0..1, weighted by (N,).

    The loss is the weighted cross-entropy plus half of ``precision`` (D,) times the squared distances to ``prior``
    (D,): the posterior mode for normal priors. A precision must be positive, so that the loss is strictly convex.
    """
    x, target, weights = (np.asarray(one, np.float64) for one in (x, target, weights))
    beta = prior.astype(np.float64)
    loss = _loss(beta, x, target, weights, prior, precision)
    at = lambda place: _loss(place, x, target, weights, prior, precision)  # noqa: E731 - a named argument
    for _ in range(MAX_STEPS):
        p = sigmoid(x @ beta)
        gradient = x.T @ (weights * (p - target)) + precision * (beta - prior)
        hessian = (x * (weights * p * (1 - p))[:, None]).T @ x + np.diag(precision)
        step = np.asarray(np.linalg.solve(hessian, gradient), np.float64)
        decrease = float(gradient @ step)
        if decrease <= 2 * TOLERANCE * (1 + abs(loss)):
            break
        beta, loss = _descended(beta, step, decrease, loss, at)
    return beta


def sigmoid(z: npt.NDArray[np.floating[Any]]) -> Floats:
    """1 / (1 + exp(-z)) for any shape, without overflow."""
    return np.asarray(np.exp(-np.logaddexp(0, -z)), np.float64)


def _descended(
    beta: Floats, step: Floats, decrease: float, loss: float, at: Callable[[Floats], float]
) -> tuple[Floats, float]:
    share = 1.0
    for _ in range(MAX_HALVINGS):
        lower = at(beta - share * step)
        if lower <= loss - SUFFICIENT * share * decrease:
            return beta - share * step, lower
        share /= 2
    return beta, loss  # the loss cannot be lowered in floating point: this is the minimum


def _loss(beta: Floats, x: Floats, target: Floats, weights: Floats, prior: Floats, precision: Floats) -> float:
    z = x @ beta
    return float(weights @ (np.logaddexp(0, z) - target * z) + precision @ np.square(beta - prior) / 2)
