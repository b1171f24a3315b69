"""Linear maps of descriptors to fewer dimensions, with and without whitening.

Within-class whitening shrinks the directions that edits change and keeps those that tell pictures apart. It helps
networks that were not trained to find copies. A descriptor that was trained long needs no more than the reduction,
which leaves its similarities as they are.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from copysight.errors import InvalidArgument

Float = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Whitening:
    """The map ``(x - mean) @ matrix``: mean (D,), matrix (D, d). Descriptors are L2-normalised before and after."""

    mean: Float
    matrix: Float

    def __call__(self, descriptors: Float) -> Float:
        """L2-normalised descriptors (N, D) to L2-normalised whitened descriptors (N, d)."""
        white = (descriptors - self.mean) @ self.matrix
        return np.asarray(white / np.linalg.norm(white, axis=1, keepdims=True), np.float32)

    @property
    def bias(self) -> Float:
        """The constant (d,) of the map: ``x @ matrix + bias``."""
        return np.asarray(-(self.mean @ self.matrix), np.float32)


def reduction(descriptors: Float, dimension: int) -> Whitening:
    """The projection of L2-normalised descriptors (N, D) to the ``dimension`` directions of most energy.

    They are the first right singular vectors, without subtracting the mean: so inner products change as little as a
    projection can change them (Eckart and Young 1936). Raises ``InvalidArgument`` as `fit`.
    """
    _check(descriptors, dimension, "reduction", "--reduce")
    x = descriptors.astype(np.float64)
    _, directions = np.linalg.eigh(x.T @ x)
    matrix = np.ascontiguousarray(directions[:, ::-1][:, :dimension], np.float32)
    return Whitening(np.zeros(x.shape[1], np.float32), matrix)


def fit(originals: Float, copies: Float, dimension: int, ridge: float = 0.05) -> Whitening:
    """Fit on the descriptors of N pictures (N, D) and of one edited copy of each (N, D), all L2-normalised.

    C is the covariance of the differences / sqrt(2). The originals are multiplied by C^(-1/2), with ``ridge`` times the
    mean eigenvalue added to each eigenvalue, and projected to their first ``dimension`` principal components. Jégou and
    Chum 2012, section 4, also learn it from matching pairs. Raises ``InvalidArgument`` for fewer pictures than
    ``dimension``.
    """
    _check(originals, dimension, "whitening", "--whiten")
    x = originals.astype(np.float64)
    differences = (x - copies) / np.sqrt(2)
    values, vectors = np.linalg.eigh(differences.T @ differences / len(x))
    within = (vectors / np.sqrt(values + ridge * values.mean())) @ vectors.T
    mean = x.mean(axis=0)
    _, directions = np.linalg.eigh(np.cov(((x - mean) @ within).T))
    matrix = within @ directions[:, ::-1][:, :dimension]
    return Whitening(mean.astype(np.float32), np.ascontiguousarray(matrix, np.float32))


def _check(descriptors: Float, dimension: int, what: str, option: str) -> None:
    count, dimensions = descriptors.shape
    if min(count, dimensions) < dimension:
        raise InvalidArgument(
            f"got {count} pictures with {dimensions} dimensions for a {what} to {dimension} dimensions; it needs at "
            f"least as many of both: add pictures or lower {option}"
        )
