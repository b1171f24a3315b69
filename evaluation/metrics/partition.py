"""Agreement of two partitions of the same items: NMI, adjusted Rand index, purity. Labels (N,) are any integers."""

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def nmi(first: Ints, second: Ints) -> float:
    """Return the mutual information divided by the arithmetic mean of both entropies. 1: the same partition."""
    joint = contingency_table(first, second) / len(first)
    rows, columns = _entropy(joint.sum(axis=1)), _entropy(joint.sum(axis=0))
    mean = (rows + columns) / 2
    return float((rows + columns - _entropy(joint.ravel())) / mean) if mean > 0 else 1.0


def adjusted_rand(first: Ints, second: Ints) -> float:
    """Return the adjusted Rand index (Hubert and Arabie 1985): 0 by chance, 1 for the same partition."""
    counts = contingency_table(first, second)
    both, rows, columns = (_pairs(part) for part in (counts, counts.sum(axis=1), counts.sum(axis=0)))
    every = len(first) * (len(first) - 1) / 2
    expected = rows * columns / every if every else 0.0
    largest = (rows + columns) / 2
    return float((both - expected) / (largest - expected)) if largest != expected else 1.0


def purity(clusters: Ints, labels: Ints) -> float:
    """Return the share of items whose label is the most frequent label of their cluster."""
    return float(contingency_table(clusters, labels).max(axis=1).sum() / len(labels))


def contingency_table(first: Ints, second: Ints) -> Floats:
    """Return the counts of label pairs: (distinct labels of ``first``, distinct labels of ``second``)."""
    a, b = (np.unique(x, return_inverse=True)[1] for x in (first, second))
    counts = np.zeros((a.max() + 1, b.max() + 1))
    np.add.at(counts, (a, b), 1)
    return counts


def _entropy(p: Floats) -> float:
    p = p[p > 0]
    return float(-(p * np.log(p)).sum())


def _pairs(counts: Floats) -> float:
    return float((counts * (counts - 1) / 2).sum())
