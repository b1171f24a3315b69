"""Within-class whitening: shrink the directions that edits change, keep those that tell pictures apart."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from copysight.errors import InvalidArgument

Float = npt.NDArray[np.float32]
RIDGE = 0.05
"""Suits networks that were not trained for copies, or shortly."""


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


def fit(originals: Float, copies: Float, dimension: int, ridge: float = RIDGE) -> Whitening:
    """Fit on the descriptors of N pictures (N, D) and of one edited copy of each (N, D), all L2-normalised.

    C is the covariance of the differences / sqrt(2). The originals are multiplied by C^(-1/2), with ``ridge`` times the
    mean eigenvalue added to each eigenvalue, and projected to their first ``dimension`` principal components. A larger
    ridge whitens less, until only the projection is left. Jégou and Chum 2012, section 4, also learn a whitening from
    matching pairs. Raises ``InvalidArgument`` for fewer pictures than ``dimension``.
    """
    if len(originals) < dimension or originals.shape[1] < dimension:
        raise InvalidArgument(
            f"got {len(originals)} pictures with {originals.shape[1]} dimensions for a whitening to {dimension} "
            "dimensions; it needs at least as many of both: add pictures or lower --whiten"
        )
    x = originals.astype(np.float64)
    differences = (x - copies) / np.sqrt(2)
    values, vectors = np.linalg.eigh(differences.T @ differences / len(x))
    within = (vectors / np.sqrt(values + ridge * values.mean())) @ vectors.T
    mean = x.mean(axis=0)
    _, directions = np.linalg.eigh(np.cov(((x - mean) @ within).T))
    matrix = within @ directions[:, ::-1][:, :dimension]
    return Whitening(mean.astype(np.float32), np.ascontiguousarray(matrix, np.float32))
