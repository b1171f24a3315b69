"""Recognise plain copies, the same picture at another size or compression, without local features.

Both pictures fill the same frame, so one is laid over the other as it is. The comparison is that of `verification`, and
what it finds is judged like it; only the search for the transform, which takes ten times as long, is left out.
"""

import numpy as np
from PIL import Image

from copysight.duplicates.kinds import MAX_PROPORTION
from copysight.matching import alignment, details, features
from copysight.scoring.evidence import Evidence

COSINE = 0.9
"""Cosine of the vectors from which on a pair is looked at: nearly all plain copies have more, few other pairs do."""
MIN_CELLS, AGREEMENT, CLOSENESS = 20, 0.98, 0.95
"""Compared cells, and shares of them that show the same and show it closely, from which on a copy is plain."""


def evidence(query: Image.Image, reference: Image.Image) -> Evidence | None:
    """What laying two RGB pictures over each other says: even odds from the score; None if they are no plain copies.

    Each cell that shows the same closely counts as a pair of keypoints that agree.
    """
    if not same_proportions(query, reference):
        return None
    one, other = features.grey(query), features.grey(reference)
    laid = alignment.lay(one, other, _transform(one.shape, other.shape))
    aligned, detailed = alignment.align(laid), details.compare(laid)
    if aligned.cells < MIN_CELLS or aligned.agreement < AGREEMENT or aligned.closeness < CLOSENESS or detailed.differ:
        return None
    close = int(aligned.close.sum())
    return Evidence(
        0.0,
        0.0,
        agreeing=close,
        agreement=aligned.agreement,
        closeness=aligned.closeness,
        cells=aligned.cells,
        keypoints=close,
        places=detailed.places,
        unlike=detailed.share,
        alone=True,
    )


def same_proportions(one: Image.Image, other: Image.Image) -> bool:
    """Whether both pictures have the same ratio of width and height, but for rounding."""
    low, high = sorted(picture.width / picture.height for picture in (one, other))
    return high <= MAX_PROPORTION * low


def _transform(query: tuple[int, ...], reference: tuple[int, ...]) -> np.ndarray:
    """Reference pixels (x, y, 1) to query pixels, for pictures of these shapes (h, w) that fill the same frame."""
    down, right = query[0] / reference[0], query[1] / reference[1]
    return np.array([[right, 0, (right - 1) / 2], [0, down, (down - 1) / 2], [0, 0, 1]])
