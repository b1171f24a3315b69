"""Lay pictures over each other as they are: plain copies, at another size or compression, need no local features.

Both pictures fill the same frame, so one is laid over the other as it is. The comparison is that of `verification`, and
what it finds is judged like it; only the search for the transform, which takes ten times as long, is left out.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from copysight.duplicates.kinds import MAX_PROPORTION
from copysight.matching import alignment, details, features
from copysight.matching.alignment import Alignment
from copysight.matching.details import Details
from copysight.scoring.evidence import Evidence

COSINE = 0.9
"""Cosine of the vectors from which on a pair is looked at: nearly all plain copies have more, few other pairs do."""
MIN_CELLS, AGREEMENT, CLOSENESS = 20, 0.98, 0.95
"""Compared cells, and shares of them that show the same and show it closely, from which on a copy is plain."""


@dataclass(frozen=True)
class Laid:
    """What laying two pictures over each other says: ``aligned`` as a whole, ``detailed`` in detail."""

    aligned: Alignment
    detailed: Details

    @property
    def is_same_frame(self) -> bool:
        """Whether both fill the same frame: nearly all of it agrees."""
        return self.aligned.cells >= MIN_CELLS and self.aligned.agreement >= AGREEMENT

    def evidence(self) -> Evidence | None:
        """Even odds from the score; None if they are no plain copies.

        Each cell that shows the same closely counts as a pair of keypoints that agree.
        """
        aligned = self.aligned
        if not self.is_same_frame or aligned.closeness < CLOSENESS or self.detailed.differ:
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
            places=self.detailed.places,
            unlike=self.detailed.share,
            alone=True,
        )


def lay(query: Image.Image, reference: Image.Image) -> Laid | None:
    """Lay two RGB pictures over each other; None if their proportions differ."""
    if not same_proportions(query, reference):
        return None
    one, other = features.grey(query), features.grey(reference)
    laid = alignment.lay(one, other, _transform(one.shape, other.shape))
    return Laid(alignment.align(laid), details.compare(laid))


def same_proportions(one: Image.Image, other: Image.Image) -> bool:
    """Whether both pictures have the same ratio of width and height, but for rounding."""
    low, high = sorted(picture.width / picture.height for picture in (one, other))
    return high <= MAX_PROPORTION * low


def _transform(query: tuple[int, ...], reference: tuple[int, ...]) -> np.ndarray:
    """Reference pixels (x, y, 1) to query pixels, for pictures of these shapes (h, w) that fill the same frame."""
    down, right = query[0] / reference[0], query[1] / reference[1]
    return np.array([[right, 0, (right - 1) / 2], [0, down, (down - 1) / 2], [0, 0, 1]])
