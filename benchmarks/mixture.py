"""Vectors like those of a picture collection: a Gaussian mixture on the sphere, and near-duplicates planted in it."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

CHUNK = 50_000


@dataclass(frozen=True)
class Mixture:
    """``vectors (N,D)``; ``duplicates (P,D)`` at cosine 0.97 to the rows ``originals (P,)``; ``others (Q,D)``, unseen.

    All unit length. Members of one centre have a cosine of about 0.8 to each other.
    """

    vectors: Floats
    duplicates: Floats
    originals: npt.NDArray[np.int64]
    others: Floats


def mixture(count: int, dimension: int, centres: int = 20_000, planted: int = 1000, seed: int = 0) -> Mixture:
    """Draw a mixture of ``count`` vectors."""
    rng = np.random.default_rng(seed)
    middle = middles(centres, dimension, rng)
    vectors = np.empty((count, dimension), np.float32)
    for start in range(0, count, CHUNK):
        part = vectors[start : start + CHUNK]
        part[:] = members(middle, rng.integers(centres, size=len(part)), rng)
    originals = rng.choice(count, min(planted, count), replace=False)
    others = members(middle, rng.integers(centres, size=planted), rng)
    return Mixture(vectors, turned(vectors[originals], 0.97, rng), originals, others)


def middles(centres: int, dimension: int, rng: np.random.Generator) -> Floats:
    """Centres ``(centres,D)``; the first that `mixture` draws."""
    return unit(rng.standard_normal((centres, dimension), dtype=np.float32))


def members(middle: Floats, of: npt.NDArray[np.int64], rng: np.random.Generator) -> Floats:
    """Members (n,D) of the centres ``of (n,)``: cosine sqrt(0.8) to the centre, so 0.8 to each other."""
    return turned(middle[of], 0.8**0.5, rng)


def turned(vectors: Floats, cosine: float, rng: np.random.Generator) -> Floats:
    """``vectors (n,D)``, each turned in a random direction to the given cosine."""
    noise = rng.standard_normal(vectors.shape, dtype=np.float32)
    noise -= np.einsum("nd,nd->n", noise, vectors)[:, None] * vectors
    return unit(np.float32(cosine) * vectors + np.float32((1 - cosine**2) ** 0.5) * unit(noise))


def unit(vectors: Floats) -> Floats:
    """Rows at length 1."""
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)
