"""Choose rows that differ from each other: farthest-point sampling."""

import numpy as np
import numpy.typing as npt


def diverse(vectors: npt.NDArray[np.float32], count: int) -> npt.NDArray[np.int64]:
    """At most ``count`` rows of ``vectors`` (N, D), L2-normalised: the first, then each time the one least like those.

    The likeness of a row to the chosen ones is its largest inner product with one of them; of equal ones the first row
    is taken (Gonzalez 1985, the greedy 2-approximation of the k-centre problem).
    """
    chosen = list(range(min(1, count, len(vectors))))
    nearest = np.full(len(vectors), -np.inf, np.float32)
    while chosen and len(chosen) < min(count, len(vectors)):
        nearest = np.maximum(nearest, vectors @ vectors[chosen[-1]])
        nearest[chosen] = np.inf
        chosen.append(int(nearest.argmin()))
    return np.array(chosen, np.int64)
