"""The Copydays protocol (Douze et al. 2009) as DINO's copy detection has it: blocks of edits, descriptor, whitening."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from evaluation.figures.ranking import trapezoidal_ap

Float = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.integer]
JPEG = tuple(f"jpegqual/{quality}" for quality in (3, 5, 8, 10, 15, 20, 30, 50, 75))
CROPS = tuple(f"crops/{percent}" for percent in (10, 15, 20, 30, 40, 50, 60, 70, 80))
BLOCKS = ("original", "strong", *JPEG, *CROPS)
PREFIX = 4
"""Leading characters of a file name that a strong copy shares with its original."""
FLOOR = 1e-5
"""Least eigenvalue in whitening, as a share of the largest."""


@dataclass(frozen=True)
class Whitening:
    """Subtract ``mean`` (D,), multiply with ``projection`` (d, D) from the right: the largest direction first."""

    mean: Float
    projection: Float

    def first(self, count: int | None) -> "Whitening":
        """To the ``count`` largest directions alone; None: to all."""
        return Whitening(self.mean, self.projection[:count])

    def apply(self, features: Float) -> Float:
        """(N, D) whitened, rows of length 1."""
        white = self.project(features)
        return np.asarray(white / np.maximum(np.linalg.norm(white, axis=1, keepdims=True), 1e-12), np.float32)

    def project(self, features: Float) -> Float:
        """(N, D) whitened, of any length."""
        return np.asarray((features - self.mean) @ self.projection.T, np.float32)


def ap_per_query(retrieved: Ints, positives: Sequence[Ints]) -> Floats:
    """Trapezoidal AP of each query from its first ids ``retrieved`` (Q, k); positives beyond them count 0."""
    return np.array(
        [
            trapezoidal_ap(np.flatnonzero(np.isin(ids, wanted)), len(wanted))
            for ids, wanted in zip(retrieved, positives, strict=True)
        ]
    )


def positives(block: str, size: int, originals: Sequence[str], strong: Sequence[str]) -> list[Ints]:
    """For each of the ``size`` queries of a block the ids of its originals, which stand in the order of ``originals``.

    Queries stand in the order of their file names; only strong ones are told by name.
    """
    if block != "strong":
        return [np.array([number]) for number in range(size)]
    heads = np.array([name[:PREFIX] for name in originals])
    return [np.flatnonzero(heads == name[:PREFIX]) for name in strong]


def descriptor(tokens: Tensor, power: float = 4.0) -> Tensor:
    """Normalised tokens of the last block (B, 1 + P, D) to (B, 2 D): [CLS], then the generalised mean of the patches.

    Neither half is brought to length 1 first; negative values of patches count as 1e-6.
    """
    patches = tokens[:, 1:].clamp(min=1e-6).pow(power).mean(dim=1).pow(1 / power)
    return torch.cat([tokens[:, 0], patches], dim=1)


def whitening(features: Float, centred: bool = False) -> Whitening:
    """PCA-whitening learned from (N, D) features that are neither in the database nor among the queries.

    The mean is subtracted when it is applied, but the released code takes the directions from the second moment
    WITHOUT subtracting it; ``centred`` takes them from the covariance instead, which moves similarities by up to .3.
    """
    mean = features.mean(axis=0, dtype=np.float64)
    x = features.astype(np.float64) - (mean if centred else 0)
    values, vectors = np.linalg.eigh(x.T @ x / len(x))
    values = np.maximum(values, FLOOR * values.max())
    projection = (vectors / np.sqrt(values)).T[::-1]
    return Whitening(mean.astype(np.float32), np.ascontiguousarray(projection, np.float32))
