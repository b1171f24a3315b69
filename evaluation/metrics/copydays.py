"""The Copydays protocol (Douze et al. 2009) as in DINO's copy detection: blocks of edits, descriptor, whitening."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from evaluation.metrics.ranking import trapezoidal_ap

Float = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.integer]
JPEG = tuple(f"jpegqual/{quality}" for quality in (3, 5, 8, 10, 15, 20, 30, 50, 75))
CROPS = tuple(f"crops/{percent}" for percent in (10, 15, 20, 30, 40, 50, 60, 70, 80))
BLOCKS = ("original", "strong", *JPEG, *CROPS)
PREFIX = 4
"""Number of leading characters of the file name that a strong copy shares with its original."""
FLOOR = 1e-5
"""Smallest eigenvalue in the whitening, as a share of the largest."""


@dataclass(frozen=True)
class Whitening:
    """A linear whitening: (features - ``mean``) @ ``projection``.T, with ``mean`` (D,) and ``projection`` (d, D).

    Rows of ``projection`` are ordered by eigenvalue, the largest first.
    """

    mean: Float
    projection: Float

    def first(self, count: int | None) -> "Whitening":
        """Return the whitening cut to its first ``count`` dimensions. None keeps all."""
        return Whitening(self.mean, self.projection[:count])

    def apply(self, features: Float) -> Float:
        """Whiten (N, D) features and normalise the rows to length 1."""
        white = self.project(features)
        return np.asarray(white / np.maximum(np.linalg.norm(white, axis=1, keepdims=True), 1e-12), np.float32)

    def project(self, features: Float) -> Float:
        """Whiten (N, D) features without normalisation."""
        return np.asarray((features - self.mean) @ self.projection.T, np.float32)


def ap_per_query(retrieved: Ints, positives: Sequence[Ints]) -> Floats:
    """Return the trapezoidal AP (Q,) from the ids ``retrieved`` (Q, k). Positives that are not retrieved count 0."""
    return np.array(
        [
            trapezoidal_ap(np.flatnonzero(np.isin(ids, wanted)), len(wanted))
            for ids, wanted in zip(retrieved, positives, strict=True)
        ]
    )


def positives(block: str, size: int, originals: Sequence[str], strong: Sequence[str]) -> list[Ints]:
    """Return the ids of the originals of each of the ``size`` queries of a block. Ids are places in ``originals``.

    Queries are in the order of their file names. Only strong copies are matched to originals by name.
    """
    if block != "strong":
        return [np.array([number]) for number in range(size)]
    heads = np.array([name[:PREFIX] for name in originals])
    return [np.flatnonzero(heads == name[:PREFIX]) for name in strong]


def descriptor(tokens: Tensor, power: float = 4.0) -> Tensor:
    """Map the tokens of the last block, after the norm, (B, 1 + P, D) to (B, 2 D): [CLS], then GeM of the patches.

    Neither half is normalised to length 1. Values of patches below 1e-6 are raised to 1e-6.
    """
    patches = tokens[:, 1:].clamp(min=1e-6).pow(power).mean(dim=1).pow(1 / power)
    return torch.cat([tokens[:, 0], patches], dim=1)


def whitening(features: Float, centred: bool = False) -> Whitening:
    """Learn a PCA whitening from (N, D) features that are neither in the database nor among the queries.

    The mean is subtracted when the whitening is applied. But the released code takes the directions from the second
    moment WITHOUT subtracting the mean. ``centred`` takes them from the covariance instead; this changes similarities
    by up to 0.3.
    """
    mean = features.mean(axis=0, dtype=np.float64)
    x = features.astype(np.float64) - (mean if centred else 0)
    values, vectors = np.linalg.eigh(x.T @ x / len(x))
    values = np.maximum(values, FLOOR * values.max())
    projection = (vectors / np.sqrt(values)).T[::-1]
    return Whitening(mean.astype(np.float32), np.ascontiguousarray(projection, np.float32))
