"""An edited picture, and where its source lies in it."""

from dataclasses import dataclass
from functools import reduce

import numpy as np
from PIL import Image

from copysight.pictures.polygon import FRAME, Matrix, intersection, mapped


@dataclass(frozen=True)
class Edited:
    """A picture after edits, and what these did to the places of its source.

    Places are (x, y) as shares of width and height; (0, 0) and (1, 1) are the outer corners of the first and the last
    pixel. ``steps``: matrices (3, 3), in the order of the edits, which map homogeneous places before an edit to places
    after it. Edits that move nothing, resizing among them, add no step. Steps stay apart, because what leaves the
    frame in one step does not come back in a later one.
    """

    picture: Image.Image
    steps: tuple[Matrix, ...] = ()

    def then(self, later: "Edited") -> "Edited":
        """``later`` is an edit of ``picture``: the same result, as an edit of the source."""
        return Edited(later.picture, self.steps + later.steps)

    @property
    def transform(self) -> Matrix:
        """All steps in one matrix (3, 3), which maps places of the source to places of ``picture``."""
        return reduce(lambda before, step: step @ before, self.steps, np.eye(3))

    def outline(self) -> Matrix:
        """Corners (C, 2) of the part of ``picture`` that shows the source, a convex polygon; (0, 2) if none does.

        What is drawn, blended or pasted over the source counts as part of it.
        """
        corners = frame = np.array(FRAME)
        for step in self.steps:
            corners = intersection(mapped(step, corners), frame)
        return corners

    def outline_in_source(self) -> Matrix:
        """The same corners (C, 2) as places of the source: the part of the source that can be seen."""
        return mapped(np.asarray(np.linalg.inv(self.transform), np.float64), self.outline())


def moved(picture: Image.Image, before: tuple[int, int], pixels: Matrix) -> Edited:
    """An edit that maps places of a source of size ``before`` by a matrix (3, 3) in pixels."""
    return Edited(picture, (np.diag([1 / picture.width, 1 / picture.height, 1]) @ pixels @ np.diag([*before, 1.0]),))


def shifted(picture: Image.Image, before: tuple[int, int], x: int, y: int) -> Edited:
    """An edit that puts the first pixel of a source of size ``before`` at (x, y) of ``picture``, at the same scale."""
    return moved(picture, before, np.array([[1.0, 0, x], [0, 1, y], [0, 0, 1]]))
