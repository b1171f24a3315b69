"""Find the transform between two pictures from pairs of keypoints, and check that it is one that people make.

Estimation is OpenCV's USAC with MAGSAC++ scoring (Barath et al. 2020). Points are (x, y) in pixels; a transform is a
3 x 3 matrix that maps homogeneous points of the reference to the query, up to a factor.
"""

import cv2
import numpy as np
import numpy.typing as npt

from copysight.matching.features import SCALE, Features
from copysight.pictures.polygon import Matrix

Float = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

RATIO = 0.85
"""A pair is kept if its distance is below this share of the distance to the second nearest (Lowe 2004, section 7.1)."""
MIN_PAIRS = 4
TOLERANCE = 4.0
"""Pixels between a keypoint of the query and the transformed keypoint of the reference, at the size of `features`."""
ITERATIONS = 2000
MIN_SCALE, MAX_SCALE, MAX_STRETCH = 0.08, 12.0, 3.5
"""Smallest and largest factor of a length, and the largest ratio of two factors at one point."""
MIN_FOR_PERSPECTIVE = 12
"""Pairs that a perspective transform must explain; it has 8 numbers, an affine one 6."""
MAX_TURN, MAX_ZOOM = 35.0, 1.8
"""A pair agrees if its keypoints' angles and sizes follow the transform, within these degrees and this factor."""


def pairs(query: Features, reference: Features) -> tuple[Ints, Ints]:
    """Rows of query and reference whose descriptors are each other's nearest, by the ratio test: two arrays (P,)."""
    if min(len(query), len(reference)) < 2:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    product = _floats(query) @ _floats(reference).T
    nearest, back = product.argmax(axis=1), product.argmax(axis=0)
    rows = np.arange(len(product))
    best = product[rows, nearest]
    product[rows, nearest] = -1.0
    second = product.max(axis=1)
    # Squared distances of unit vectors are 2 - 2 cos; lengths differ from 1 by rounding, hence the maximum.
    unique = np.maximum(1 - best, 0) < RATIO**2 * np.maximum(1 - second, 0)
    kept = rows[unique & (back[nearest] == rows)]
    return kept, nearest[kept]


def estimate(query: Float, reference: Float) -> tuple[Matrix, Mask] | None:
    """The transform (3, 3) and the pairs (P,) that follow it, from paired points (P, 2); None if there is none."""
    if len(query) < MIN_PAIRS:
        return None
    affine, _ = cv2.estimateAffine2D(
        reference, query, method=cv2.USAC_MAGSAC, ransacReprojThreshold=TOLERANCE, maxIters=ITERATIONS, confidence=0.999
    )
    if affine is None or not np.isfinite(affine).all():
        return None
    transform = np.vstack([affine, [0.0, 0.0, 1.0]])
    inliers = errors(transform, query, reference) < TOLERANCE
    if inliers.sum() >= MIN_FOR_PERSPECTIVE:
        transform, inliers = _with_perspective(transform, inliers, query, reference)
    return (transform, inliers) if inliers.sum() >= MIN_PAIRS else None


def errors(transform: Matrix, query: Float, reference: Float) -> Matrix:
    """Distances in pixels between ``query`` (P, 2) and the transformed ``reference`` (P, 2): (P,)."""
    return np.asarray(np.linalg.norm(apply(transform, reference) - query, axis=1))


def apply(transform: Matrix, points: npt.NDArray[np.floating]) -> Matrix:
    """Transform points (P, 2); a point at infinity becomes very far away."""
    mapped = points.astype(np.float64) @ transform[:, :2].T + transform[:, 2]
    last = mapped[:, 2:]
    return np.asarray(mapped[:, :2] / np.where(np.abs(last) < 1e-9, 1e-9, last))


def is_plausible(transform: Matrix, size: tuple[int, int]) -> bool:
    """Whether people make such a copy: no fold, no extreme scale or stretch, anywhere on a picture of ``size`` (w, h).

    Mirrored copies are matched by mirrored features, so a transform that mirrors is wrong here.
    """
    width, height = size
    corners = ((0, 0), (width, 0), (0, height), (width, height), (width / 2, height / 2))
    local = derivatives(transform, np.array(corners, np.float64))
    large, little = singular_values(local)
    plausible = (little >= MIN_SCALE) & (large <= MAX_SCALE) & (large <= MAX_STRETCH * little)
    return bool((plausible & (_determinants(local) > 0)).all())


def derivatives(transform: Matrix, points: npt.NDArray[np.floating]) -> Matrix:
    """The derivative of the transform at points of the reference: (P, 2, 2) from (P, 2); NaN behind the horizon."""
    u, v, w = transform[:, :2] @ points.astype(np.float64).T + transform[:, 2:]
    w = np.where(w > 1e-6, w, np.nan)
    outer = np.stack([u / w, v / w], axis=1)[:, :, None] * transform[2, :2]
    return np.asarray((transform[:2, :2] - outer) / w[:, None, None])


def singular_values(matrices: Matrix) -> tuple[Matrix, Matrix]:
    """The larger and the smaller singular value of 2 x 2 matrices (P, 2, 2), in closed form: (P,) each."""
    a, b, c, d = matrices.reshape(-1, 4).T
    one, other = np.hypot(a + d, c - b), np.hypot(a - d, c + b)
    return (one + other) / 2, np.abs(one - other) / 2


def agreeing(transform: Matrix, query: Features, reference: Features, rows: tuple[Ints, Ints]) -> Mask:
    """Which pairs (P,) also have angles and sizes that follow the transform (weak geometric consistency).

    Chance pairs that happen to lie in the right place rarely do (Jégou et al. 2008, section 4).
    """
    q, r = rows
    local = derivatives(transform, reference.points[r])
    angles = np.radians(reference.angles[r].astype(np.float64))
    x, y = np.einsum("pij,jp->ip", local, np.stack([np.cos(angles), np.sin(angles)]))
    turn = (np.degrees(np.arctan2(y, x)) - query.angles[q] + 180) % 360 - 180
    zoom = np.sqrt(np.abs(_determinants(local))) * (reference.scales[r] / query.scales[q])
    # Comparisons with NaN are false, so no pair behind the horizon agrees.
    return np.asarray((np.abs(turn) < MAX_TURN) & (zoom > 1 / MAX_ZOOM) & (zoom < MAX_ZOOM))


def _determinants(matrices: Matrix) -> Matrix:
    a, b, c, d = matrices.reshape(-1, 4).T
    return np.asarray(a * d - b * c)


def _floats(features: Features) -> Float:
    return features.descriptors.astype(np.float32) / np.float32(SCALE)


def _with_perspective(affine: Matrix, inliers: Mask, query: Float, reference: Float) -> tuple[Matrix, Mask]:
    """The perspective transform instead, if it explains clearly more pairs (a tenth, and at least three)."""
    found, _ = cv2.findHomography(reference, query, cv2.USAC_MAGSAC, TOLERANCE, maxIters=ITERATIONS, confidence=0.999)
    if found is None or not np.isfinite(found).all():
        return affine, inliers
    perspective = np.asarray(found, np.float64)
    closer = errors(perspective, query, reference) < TOLERANCE
    if closer.sum() >= max(inliers.sum() * 1.1, inliers.sum() + 3, MIN_FOR_PERSPECTIVE):
        return perspective, closer
    return affine, inliers
