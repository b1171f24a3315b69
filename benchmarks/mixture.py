"""Draw vectors like those of a picture collection: a Gaussian mixture on the sphere with planted near-duplicates."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

CHUNK = 50_000


@dataclass(frozen=True)
class Mixture:
    """``vectors`` (N, D); ``duplicates`` (P, D) at cosine 0.97 to the rows ``originals`` (P,); ``unseen`` (Q, D).

    All have length 1. ``unseen`` are further members of the same centres. Members of one centre have a cosine of about
    0.8 to each other.
    """

    vectors: Floats
    duplicates: Floats
    originals: npt.NDArray[np.int64]
    unseen: Floats


def mixture(count: int, dimension: int, centres: int = 20_000, planted: int = 1000, seed: int = 0) -> Mixture:
    """Draw a mixture of ``count`` vectors."""
    rng = np.random.default_rng(seed)
    centre_vectors = cluster_centres(centres, dimension, rng)
    vectors = np.empty((count, dimension), np.float32)
    for start in range(0, count, CHUNK):
        part = vectors[start : start + CHUNK]
        part[:] = members(centre_vectors, rng.integers(centres, size=len(part)), rng)
    originals = rng.choice(count, min(planted, count), replace=False)
    unseen = members(centre_vectors, rng.integers(centres, size=planted), rng)
    return Mixture(vectors, rotate_to_cosine(vectors[originals], 0.97, rng), originals, unseen)


def cluster_centres(centres: int, dimension: int, rng: np.random.Generator) -> Floats:
    """Return the centres (centres, D): the first numbers that ``mixture`` draws from ``rng``."""
    return unit(rng.standard_normal((centres, dimension), dtype=np.float32))


def members(centre_vectors: Floats, assignment: npt.NDArray[np.int64], rng: np.random.Generator) -> Floats:
    """Draw members (N, D) of the centres ``assignment`` (N,): cosine sqrt(0.8) to the centre, so 0.8 to each other."""
    return rotate_to_cosine(centre_vectors[assignment], 0.8**0.5, rng)


def rotate_to_cosine(vectors: Floats, cosine: float, rng: np.random.Generator) -> Floats:
    """Rotate each of ``vectors`` (N, D) in a random direction to the given cosine."""
    noise = rng.standard_normal(vectors.shape, dtype=np.float32)
    noise -= np.einsum("nd,nd->n", noise, vectors)[:, None] * vectors
    return unit(np.float32(cosine) * vectors + np.float32((1 - cosine**2) ** 0.5) * unit(noise))


def unit(vectors: Floats) -> Floats:
    """Normalise rows to length 1."""
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)
