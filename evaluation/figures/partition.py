"""How well two ways of sorting the same N items agree: labels (N,) of any integers."""

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def nmi(first: Ints, second: Ints) -> float:
    """Normalised mutual information, over the arithmetic mean of entropies; 1: the same up to names."""
    joint = table(first, second) / len(first)
    rows, columns = _entropy(joint.sum(axis=1)), _entropy(joint.sum(axis=0))
    mean = (rows + columns) / 2
    return float((rows + columns - _entropy(joint.ravel())) / mean) if mean > 0 else 1.0


def adjusted_rand(first: Ints, second: Ints) -> float:
    """Adjusted Rand index (Hubert and Arabie 1985): 0 by chance, 1 for the same partition."""
    counts = table(first, second)
    both, rows, columns = (_pairs(part) for part in (counts, counts.sum(axis=1), counts.sum(axis=0)))
    every = len(first) * (len(first) - 1) / 2
    expected = rows * columns / every if every else 0.0
    largest = (rows + columns) / 2
    return float((both - expected) / (largest - expected)) if largest != expected else 1.0


def purity(clusters: Ints, labels: Ints) -> float:
    """Share of items whose label is the most frequent one of their cluster."""
    return float(table(clusters, labels).max(axis=1).sum() / len(labels))


def table(first: Ints, second: Ints) -> Floats:
    """Counts of each pair of values (different values of ``first``, different values of ``second``)."""
    a, b = (np.unique(x, return_inverse=True)[1] for x in (first, second))
    counts = np.zeros((a.max() + 1, b.max() + 1))
    np.add.at(counts, (a, b), 1)
    return counts


def _entropy(p: Floats) -> float:
    p = p[p > 0]
    return float(-(p * np.log(p)).sum())


def _pairs(counts: Floats) -> float:
    return float((counts * (counts - 1) / 2).sum())
