"""The background of a bundle: embeddings of pictures that queries resemble by chance, for score normalisation."""

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

from copysight.model.embedder import Embedder
from copysight.vectors.hubs import hubs

LARGEST = 5_000
"""Number of pictures in a background: their embeddings take 512 bytes each, and are searched with every query."""


def make(embedder: Embedder, candidates: Iterable[Sequence[Image.Image]]) -> npt.NDArray[np.float16]:
    """Embeddings (N, D) float16 of the background, as a bundle stores them, chosen from batches of candidates."""
    embeddings = np.concatenate([embedder.embed_parallel(pictures) for pictures in candidates])
    return embeddings[hubs(embeddings, LARGEST)].astype(np.float16)
