"""Within-class whitening: what edits change is shrunk, what tells pictures apart keeps its length."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from copysight.errors import InvalidArgument

Float = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Whitening:
    """``(x - mean) @ matrix`` of a descriptor x (D,): mean (D,), matrix (D, d). Normalise before and after."""

    mean: Float
    matrix: Float

    def __call__(self, descriptors: Float) -> Float:
        """(N, D), L2-normalised, to (N, d), L2-normalised."""
        white = (descriptors - self.mean) @ self.matrix
        return np.asarray(white / np.linalg.norm(white, axis=1, keepdims=True), np.float32)

    def module(self) -> nn.Linear:
        """The same map without the normalisation, as the last layer of a graph."""
        inputs, outputs = self.matrix.shape
        linear = nn.Linear(inputs, outputs)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(self.matrix.T))
            linear.bias.copy_(torch.from_numpy(-(self.mean @ self.matrix)))
        return linear.requires_grad_(False)


def fit(originals: Float, copies: Float, dimension: int, ridge: float = 0.05) -> Whitening:
    """Whitening from N pictures (N, D) and one edited copy of each (N, D), all L2-normalised.

    With C the covariance of half the differences: C^(-1/2), each eigenvalue raised by ``ridge`` of their mean, then the
    ``dimension`` main directions of the originals so whitened. Jégou and Chum 2012, section 4, learn it from matching
    pairs alike. Raises ``InvalidArgument`` for fewer pictures than ``dimension``.
    """
    if len(originals) < dimension or originals.shape[1] < dimension:
        raise InvalidArgument(
            f"got {len(originals)} pictures with {originals.shape[1]} dimensions to fit a whitening to {dimension}; "
            "needed are as many at least: give more pictures, or ask for fewer dimensions"
        )
    x = originals.astype(np.float64)
    differences = (x - copies) / np.sqrt(2)
    values, vectors = np.linalg.eigh(differences.T @ differences / len(x))
    within = (vectors / np.sqrt(values + ridge * values.mean())) @ vectors.T
    mean = x.mean(axis=0)
    _, directions = np.linalg.eigh(np.cov(((x - mean) @ within).T))
    matrix = within @ directions[:, ::-1][:, :dimension]
    return Whitening(mean.astype(np.float32), np.ascontiguousarray(matrix, np.float32))
