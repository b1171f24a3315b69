"""Quality of a segmentation mask: region similarity J and boundary accuracy F (Perazzi et al. 2016, section 4)."""

import math

import numpy as np
import numpy.typing as npt
from scipy.ndimage import distance_transform_edt

Mask = npt.NDArray[np.bool_]
TOLERANCE = 0.008
"""Largest distance at which two boundaries still match, as a share of the diagonal of the picture."""


def region(found: Mask, truth: Mask) -> float:
    """Return J: the intersection over union of two masks (height, width). It is 1 if both are empty."""
    union = np.count_nonzero(found | truth)
    return np.count_nonzero(found & truth) / union if union else 1.0


def boundary(found: Mask, truth: Mask) -> float:
    """Return F: the harmonic mean of boundary precision and recall. It is 1 if neither mask has a boundary."""
    tolerance = math.ceil(TOLERANCE * math.hypot(*found.shape))
    found_outline, true_outline = outline(found), outline(truth)
    if not found_outline.any() or not true_outline.any():
        return float(found_outline.any() == true_outline.any())
    precision = float((_distance(true_outline)[found_outline] <= tolerance).mean())
    recall = float((_distance(found_outline)[true_outline] <= tolerance).mean())
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def outline(mask: Mask) -> Mask:
    """Return the boundary of a mask (height, width), one pixel wide.

    A boundary pixel differs from the pixel to the right, below, or diagonally below.
    """
    edge = np.zeros_like(mask)
    edge[:, :-1] |= mask[:, :-1] ^ mask[:, 1:]
    edge[:-1] |= mask[:-1] ^ mask[1:]
    edge[:-1, :-1] |= mask[:-1, :-1] ^ mask[1:, 1:]
    return edge


def _distance(edge: Mask) -> npt.NDArray[np.float64]:
    """Return the distance of every pixel to ``edge``. Distances <= r equal a dilation by a disk of radius r."""
    return np.asarray(distance_transform_edt(~edge), np.float64)
