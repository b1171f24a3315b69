"""How well a mask covers an object: region J and boundary F (Perazzi et al. 2016, section 4)."""

import math

import numpy as np
import numpy.typing as npt
from scipy.ndimage import distance_transform_edt

Mask = npt.NDArray[np.bool_]
REACH = 0.008
"""Distance at which two boundaries still agree, as a share of the picture's diagonal."""


def region(found: Mask, truth: Mask) -> float:
    """J: intersection over union of masks (height, width); 1 if both are empty."""
    union = np.count_nonzero(found | truth)
    return np.count_nonzero(found & truth) / union if union else 1.0


def boundary(found: Mask, truth: Mask) -> float:
    """F: harmonic mean of the shares of each boundary that lie near the other; 1 if both have none."""
    reach = math.ceil(REACH * math.hypot(*found.shape))
    mine, theirs = outline(found), outline(truth)
    if not mine.any() or not theirs.any():
        return float(mine.any() == theirs.any())
    precision = float((_distance(theirs)[mine] <= reach).mean())
    recall = float((_distance(mine)[theirs] <= reach).mean())
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def outline(mask: Mask) -> Mask:
    """Pixels that differ from the one to the right, below, or both: a boundary of one pixel (height, width)."""
    edge = np.zeros_like(mask)
    edge[:, :-1] |= mask[:, :-1] ^ mask[:, 1:]
    edge[:-1] |= mask[:-1] ^ mask[1:]
    edge[:-1, :-1] |= mask[:-1, :-1] ^ mask[1:, 1:]
    return edge


def _distance(edge: Mask) -> npt.NDArray[np.float64]:
    """Of every pixel to the nearest of ``edge``: within r of it is what a dilation by a disk of radius r covers."""
    return np.asarray(distance_transform_edt(~edge), np.float64)
