"""A map of pictures in two dimensions: PCA, then t-SNE (van der Maaten and Hinton 2008), which starts at the old map.

scikit-learn computes it, which is not installed by default.
"""

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt

from copysight.errors import InvalidArgument
from copysight.system import durable
from copysight.vectors.knn import exact

Float = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

FILE = "map.npz"
MOST = 10_000
"""Rows that t-SNE places, in a minute or two; of more, the others lie at the mean of their nearest placed ones."""
COMPONENTS, PERPLEXITY = 50, 30.0
FRESH, RENEWED = 500, 300
"""Iterations of a new map, and of one that starts at old places."""
NEAREST = 3
SPREAD = 1e-4
"""Standard deviation of the places at which t-SNE starts, as scikit-learn has it."""


@dataclass(frozen=True)
class FlatMap:
    """Places (N, 2) of the items ``ids`` (N,), ascending, within -1 and 1."""

    ids: Ints
    places: Float


def make(ids: Ints, vectors: Float, old: FlatMap | None = None, seed: int = 0) -> FlatMap:
    """The map of items with L2-normalised ``vectors`` (N, D). Raises ``InvalidArgument`` without scikit-learn.

    Items of the ``old`` map stay near their places: it is where the search begins, and the new map is turned, mirrored
    and scaled to fit it.
    """
    rng = np.random.default_rng(seed)
    rows = np.arange(len(ids)) if len(ids) <= MOST else np.sort(rng.choice(len(ids), MOST, replace=False))
    known = _known(ids[rows], vectors[rows], old)
    places = _scaled(_embedded(vectors[rows], known, rng))
    places = places if known is None else _fitted(places, known)
    found = np.empty((len(ids), 2), np.float32)
    found[rows] = places
    rest = np.setdiff1d(np.arange(len(ids)), rows)
    if len(rest):
        found[rest] = places[exact(vectors[rest], vectors[rows], NEAREST).ids].mean(axis=1)
    return FlatMap(ids, found)


def read(directory: Path) -> FlatMap | None:
    """The stored map; None if there is none, or if it is damaged."""
    try:
        with np.load(directory / FILE, allow_pickle=False) as file:
            return FlatMap(file["ids"], file["places"])
    except (OSError, ValueError, KeyError, EOFError):
        return None


def write(directory: Path, made: FlatMap) -> None:
    """Store a map. It may be removed at any time; the next one is then a fresh one. Raises ``NotWritable``."""
    out = BytesIO()
    np.savez(out, ids=made.ids, places=made.places)
    with durable.writable(directory):
        durable.write_file(directory / FILE, out.getvalue())


def _known(ids: Ints, vectors: Float, old: FlatMap | None) -> Float | None:
    """Where rows were, (n, 2): new ones near their nearest known ones; None if most are new."""
    if old is None or not len(old.ids):
        return None
    place = np.searchsorted(old.ids, ids).clip(0, len(old.ids) - 1)
    there = old.ids[place] == ids
    if 2 * there.sum() < len(ids):
        return None
    found = old.places[place].copy()
    if not there.all():
        found[~there] = found[there][exact(vectors[~there], vectors[there], NEAREST).ids].mean(axis=1)
    return np.asarray(found, np.float32)


def _embedded(vectors: Float, known: Float | None, rng: np.random.Generator) -> Float:
    try:
        from sklearn.decomposition import PCA  # noqa: PLC0415 - not installed by default
        from sklearn.manifold import TSNE  # noqa: PLC0415
    except ImportError as error:
        raise InvalidArgument(f"a map needs scikit-learn ({error}); install copysight[map]") from error
    count = len(vectors)
    if count < 4:
        return np.asarray(rng.standard_normal((count, 2)), np.float32)
    parts = PCA(min(COMPONENTS, count, vectors.shape[1]), random_state=0).fit_transform(vectors)
    start = parts[:, :2] if known is None else known
    model = TSNE(
        init=np.asarray(start / max(float(start.std()), 1e-9) * SPREAD if known is None else 20 * start, np.float32),
        perplexity=min(PERPLEXITY, (count - 1) / 3),
        max_iter=FRESH if known is None else RENEWED,
        early_exaggeration=12.0 if known is None else 1.0,
        random_state=0,
        n_jobs=1,
    )
    return np.asarray(model.fit_transform(parts), np.float32)


def _scaled(places: Float) -> Float:
    centred = places - places.mean(axis=0)
    return np.asarray(centred / max(float(np.abs(centred).max(initial=0)), 1e-9), np.float32)


def _fitted(places: Float, known: Float) -> Float:
    """The map turned, mirrored, moved and scaled so that it lies best over the known places (Procrustes)."""
    left, right = places - places.mean(axis=0), known - known.mean(axis=0)
    u, values, v = np.linalg.svd(left.T @ right)
    scale = float(values.sum()) / max(float(np.square(left).sum()), 1e-9)
    return np.asarray((scale * left @ (u @ v) + known.mean(axis=0)).clip(-1, 1), np.float32)
