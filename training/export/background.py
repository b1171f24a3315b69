"""The background of a bundle: embeddings of pictures that queries resemble by chance, for score normalisation."""

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

from copysight.model.embedder import Embedder
from copysight.vectors.knn import exact

Float = npt.NDArray[np.float32]
LARGEST, NEAREST = 15_000, 3
"""Number of pictures in a background: their embeddings take 512 bytes each, and are searched with every query. Number
of nearest neighbours that count when these are chosen; ten choose worse."""


def make(embedder: Embedder, candidates: Iterable[Sequence[Image.Image]]) -> npt.NDArray[np.float16]:
    """Embeddings (N, D) float16 of the background, as a bundle stores them, chosen from batches of candidates."""
    embeddings = np.concatenate([embedder.embed_parallel(pictures) for pictures in candidates])
    return embeddings[hubs(embeddings, LARGEST)].astype(np.float16)


def hubs(embeddings: Float, count: int) -> npt.NDArray[np.int64]:
    """Rows (at most ``count``, in order) of ``embeddings`` (N, D) that are among the nearest of most other rows.

    Few pictures are near to many others in high dimensions (Radovanovic et al. 2010, "Hubs in space"), and these are
    the ones that decide about a query. All rows are returned if there are no more than ``count``.
    """
    if len(embeddings) <= count:
        return np.arange(len(embeddings))
    near = exact(embeddings, embeddings, NEAREST + 1).ids
    others = near != np.arange(len(near))[:, None]
    others[others.all(axis=1), -1] = False  # equal rows have filled the places before the row itself
    times = np.bincount(near[others], minlength=len(embeddings))
    return np.sort(np.argsort(-times, kind="stable")[:count])
