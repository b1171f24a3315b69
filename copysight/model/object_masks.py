"""Find the object of a picture by the features of its places, without training: manifold ranking, TokenCut, LOST.

Features after a ReLU are all positive, so that any two places are alike; the mean over the places is subtracted first.
Each function maps features (rows, columns, D) to values (rows, columns) that are positive on the object.
"""

import math
from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
from PIL import Image

from copysight.model.embedder import Embedder

Float = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
RANKING = "ranking"
LINES = 320
"""Shortest side in pixels of the pictures from which objects are taken; about 20 places at a stride of 16."""
MOST = 1200
"""Most places of a picture: the time of a cut grows with the cube of their number. A panorama gets fewer lines."""
EDGE, NO_EDGE = 0.2, 1e-5
"""TokenCut: two places have an edge of weight 1 from this cosine on; all others one of nearly 0."""
CENTRE = 0.45
"""Ranking: standard deviation of the Gaussian at the centre, in halves of the sides."""
ALIKE, SPREAD = 0.1, 0.9
"""Ranking: edges are exp((cosine - 1) / ``ALIKE``); the share of a place's rank that comes from its neighbours."""
OUTSIDE = 5
"""Ranking: a place is as far from the border as from the mean of so many places there that resemble it most."""
LEAST = 0.45
"""Ranking: share of the largest value from which on a place belongs to the object."""
SEEDS = 0.1
"""LOST: share of the places, those with the fewest similar ones, that may join the seed (in the paper 100 of 900)."""


def places(embedder: Embedder, picture: Image.Image, lines: int = LINES) -> Float:
    """Features (rows, columns, D) of a whole RGB picture whose shortest side is resized to about ``lines`` pixels.

    There are about ``MOST`` places at most. Raises ``OutputMissing`` for a bundle without patches of any size.
    """
    about = embedder.bundle.patches
    if about is None or about.stride is None:
        raise embedder.bundle.missing("patches of any size")
    preprocess = embedder.bundle.graphs[about.graph].preprocess
    rows, columns = grid(*picture.size, about.stride, lines)
    width, height = columns * about.stride, rows * about.stride
    pixels = np.asarray(picture.resize((width, height), Image.Resampling.BICUBIC), np.float32) / np.float32(255)
    mean, std = np.asarray(preprocess.mean, np.float32), np.asarray(preprocess.std, np.float32)
    return embedder.places(np.ascontiguousarray(((pixels - mean) / std).transpose(2, 0, 1)))


def grid(width: int, height: int, stride: int, lines: int = LINES) -> tuple[int, int]:
    """Rows and columns of the places of a picture: at least 2 each, and about ``MOST`` together at most."""
    scale = min(lines / min(width, height), stride * math.sqrt(MOST / (width * height))) / stride
    columns, rows = (min(max(round(side * scale), 2), MOST // 2) for side in (width, height))
    return rows, columns


def object_map(embedder: Embedder, picture: Image.Image) -> Float:
    """The object of a whole RGB picture by ``ranking``: (rows, columns), 0 off the object, 1 at the largest value.

    Raises ``OutputMissing`` for a bundle without patches of any size.
    """
    values = np.maximum(ranking(places(embedder, picture)), np.float32(0))
    return np.asarray(values / max(float(values.max()), 1e-12), np.float32)


def ranking(features: Float) -> Float:
    """How strongly places are tied to the centre, times how little they resemble the border; minus the threshold.

    A Gaussian at the centre is ranked on the graph of the places (Zhou et al. 2004, equation 3; for salient objects
    Yang et al. 2013, section 3): each place takes over the ranks of those that resemble it. The distance to the border
    is the background prior of Wei et al. 2012. Both are scaled to 0..1, and so is their product.
    """
    rows, columns = features.shape[:2]
    flat = centred(features)
    cosines = flat @ flat.T
    weights = np.exp((cosines - 1) / ALIKE)
    np.fill_diagonal(weights, 0)
    scale = 1 / np.sqrt(np.maximum(weights.sum(axis=1), 1e-12))
    prior = centre(rows, columns).ravel()
    ranks = np.linalg.solve(np.eye(len(flat)) - SPREAD * scale[:, None] * weights * scale, prior - prior.mean())
    outside = np.sort(cosines[:, border(rows, columns).ravel()], axis=1)[:, -OUTSIDE:]
    product = scaled(scaled(ranks) * scaled(1 - outside.mean(axis=1)))
    return np.asarray((product - LEAST).reshape(rows, columns), np.float32)


def token_cut(features: Float) -> Float:
    """TokenCut (Wang et al. 2022, section 3): the second eigenvector of the normalised cut, minus its mean.

    The object is the side of the cut that holds less of the picture's border. (The paper takes the side of the largest
    value; the border does better here.) Its size is the largest value, scaled to 1.
    """
    rows, columns = features.shape[:2]
    flat = centred(features)
    weights = np.where(flat @ flat.T > EDGE, 1.0, NO_EDGE)
    scale = 1 / np.sqrt(weights.sum(axis=1))
    # The second smallest eigenvector of the normalised Laplacian is the second largest of this matrix.
    _, vectors = np.linalg.eigh(scale[:, None] * weights * scale)
    cut = scale * vectors[:, -2]
    cut = (cut - cut.mean()).reshape(rows, columns)
    edge = border(rows, columns)
    inverted = (cut[edge] > 0).mean() > (cut[~edge] > 0).mean()
    return np.asarray((-cut if inverted else cut) / max(float(np.abs(cut).max()), 1e-12), np.float32)


def lost(features: Float) -> Float:
    """LOST (Siméoni et al. 2021, section 3): the mean cosine to the seed and to the places that resemble it.

    The seed is the place that resembles the fewest others.
    """
    flat = centred(features)
    alike = flat @ flat.T
    degree = (alike > 0).sum(axis=1)
    seed = int(np.argmin(degree))
    few = np.argsort(degree, kind="stable")[: max(round(SEEDS * len(degree)), 1)]
    members = few[alike[seed, few] >= 0]
    return np.asarray(alike[:, members].mean(axis=1).reshape(features.shape[:2]), np.float32)


METHODS: Mapping[str, Callable[[Float], Float]] = {RANKING: ranking, "tokencut": token_cut, "lost": lost}


def component(values: Float) -> Mask:
    """The positive places that are connected with the largest value, by their sides."""
    positive = values > 0
    found = np.zeros_like(positive)
    found.flat[int(np.argmax(values))] = True
    while True:
        grown = found.copy()
        grown[1:] |= found[:-1]
        grown[:-1] |= found[1:]
        grown[:, 1:] |= found[:, :-1]
        grown[:, :-1] |= found[:, 1:]
        grown &= positive
        if (grown == found).all():
            return np.asarray(found & positive)
        found = grown | (found & positive)


def centred(features: Float) -> Floats:
    """Features (rows, columns, D) as (P, D): minus their mean, L2-normalised."""
    flat = features.reshape(-1, features.shape[-1]).astype(np.float64)
    flat = flat - flat.mean(axis=0)
    return np.asarray(flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-12))


def scaled(values: Floats) -> Floats:
    """Values from their smallest, 0, to their largest, 1; zeros if all are equal."""
    values = values - values.min()
    return np.asarray(values / max(float(values.max()), 1e-12))


def centre(rows: int, columns: int) -> Floats:
    """A Gaussian at the centre of a grid, with the shape of the picture."""
    y, x = ((np.arange(count) + 0.5) / count * 2 - 1 for count in (rows, columns))
    return np.asarray(np.exp(-(y[:, None] ** 2 + x**2) / (2 * CENTRE**2)))


def border(rows: int, columns: int) -> Mask:
    """The outermost places of a grid."""
    edge = np.ones((rows, columns), bool)
    edge[1:-1, 1:-1] = False
    return edge
