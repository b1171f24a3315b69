"""Verify a match: find the reference, or a part of it, in the query; say where in both, and what was changed.

``prepare`` is done once a picture; ``verify`` once a pair. All functions are pure and release the interpreter lock in
OpenCV. Coordinates in results are shares of width and height, so that they hold for the picture at any size.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from copysight.matching import alignment, details, features, geometry
from copysight.matching.alignment import Alignment
from copysight.matching.details import Details
from copysight.matching.features import Bytes, Features
from copysight.pictures.polygon import FRAME, Matrix, area, intersection, mapped

MIN_AGREEING = 3
"""Pairs of keypoints that must agree with a transform in place, angle and size; fewer come by chance."""

WHOLE = 0.9
"""Share of both pictures from which on each is a copy of the whole other."""
OVERLAY_AGREEMENT, OVERLAY_SHARE = 0.5, 0.25
"""Cells of two unrelated photographs agree by chance in one of six."""
MIRROR = np.array([[-1.0, 0, 1], [0, 1, 0], [0, 0, 1]])
"""Left and right swapped, for points as shares of the sides."""


class Prepared:
    """A picture ready to be matched: its ``features``, and its grey pixels (h, w), reduced, which few pairs need."""

    def __init__(self, features: Features, load: Callable[[], Bytes]) -> None:
        """``load`` returns the grey pixels; it is called when they are needed first."""
        self.features = features
        self._load = load

    @cached_property
    def grey(self) -> Bytes:
        """The grey pixels (h, w) at the size of the features."""
        return self._load()

    @cached_property
    def mirrored(self) -> "Prepared":
        """The mirror image, left and right swapped."""
        return Prepared(self.features.mirrored(), lambda: np.ascontiguousarray(self.grey[:, ::-1]))

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.features.width, self.features.height


@dataclass(frozen=True)
class Part:
    """A part of a picture: the corners of a convex ``polygon`` (C, 2), and its ``share`` of the picture's area, 0..1.

    Corners are (x, y) as shares of width and height.
    """

    polygon: npt.NDArray[np.float64]
    share: float


@dataclass(frozen=True)
class Verification:
    """The reference laid over the query.

    ``transform`` (3, 3) maps homogeneous points of the reference, as shares of its sides, to the query; it includes
    the mirroring if the query is ``mirrored``. ``pairs``: keypoints whose places follow it; ``agreeing``: those whose
    angles and sizes do too. ``query`` and ``reference``: the parts that both show. ``alignment`` and
    ``details``: see there.
    """

    transform: Matrix
    mirrored: bool
    pairs: int
    agreeing: int
    query: Part
    reference: Part
    alignment: Alignment
    details: Details

    @property
    def part(self) -> Literal["whole", "part", "overlay"]:
        """``whole``: each picture shows nearly all of the other. ``overlay``: both share little but what lies on them.

        A logo, a watermark or a caption on two photographs gives a true transform; the rest of the overlap differs.
        """
        if self.alignment.agreement < OVERLAY_AGREEMENT and self.shown < OVERLAY_SHARE:
            return "overlay"
        return "whole" if min(self.query.share, self.reference.share) >= WHOLE else "part"

    @property
    def shown(self) -> float:
        """Share of the query's area on which both pictures show the same."""
        cells = self.alignment.compared
        return float((cells & ~self.alignment.differs).sum()) / max(cells.size, 1)

    def changes(self) -> list[tuple[float, float, float, float]]:
        """Boxes (left, top, right, bottom; shares of the query's sides) around what differs, the largest first."""
        boxes = self.alignment.changes()
        return [(1 - right, top, 1 - left, bottom) for left, top, right, bottom in boxes] if self.mirrored else boxes


def prepare(picture: Image.Image) -> Prepared:
    """Find the features of an RGB picture of any size."""
    pixels = features.grey(picture)
    return Prepared(features.extract(pixels), lambda: pixels)


def preparing(picture: Callable[[int], Image.Image]) -> Callable[[int], Prepared]:
    """``prepare`` for RGB pictures by their number: finds the features of each once, and keeps them, but no pixels."""
    found = cache(lambda number: features.extract(features.grey(picture(number))))
    return lambda number: Prepared(found(number), lambda: features.grey(picture(number)))


def verify(query: Prepared, reference: Prepared) -> Verification | None:
    """Find the reference in the query, mirrored or not; None if too few keypoints agree on any transform."""
    found = [_fit(one, reference, mirrored) for mirrored, one in ((False, query), (True, query.mirrored))]
    best = max(found, key=lambda fit: fit.strength if fit else (0, 0))
    if best is None or best.agreeing < MIN_AGREEING:
        return None
    return _described(best, query.mirrored if best.mirrored else query, reference)


def where(found: Verification) -> dict[str, Any]:
    """As JSON: ``query`` and ``match`` (polygon, share), transform, mirrored, inliers, ``changed``, ``part``."""
    return {
        "query": _json(found.query),
        "match": _json(found.reference),
        "transform": [[round(float(number), 6) for number in row] for row in found.transform],
        "mirrored": found.mirrored,
        "inliers": found.agreeing,
        "changed": {
            "share": round(1 - found.alignment.agreement, 4),
            "regions": [[round(side, 4) for side in box] for box in found.changes()],
        },
        "part": found.part,
    }


def _json(part: Part) -> dict[str, Any]:
    corners = [[round(float(x), 4), round(float(y), 4)] for x, y in part.polygon]
    return {"polygon": corners, "share": round(part.share, 4)}


@dataclass(frozen=True)
class _Fit:
    transform: Matrix
    mirrored: bool
    pairs: int
    agreeing: int

    @property
    def strength(self) -> tuple[int, int]:
        return self.agreeing, self.pairs


def _fit(query: Prepared, reference: Prepared, mirrored: bool) -> _Fit | None:
    rows = geometry.pairs(query.features, reference.features)
    found = geometry.estimate(query.features.points[rows[0]], reference.features.points[rows[1]])
    if found is None:
        return None
    transform, inliers = found
    if not geometry.is_plausible(transform, reference.size):
        return None
    kept = rows[0][inliers], rows[1][inliers]
    agreeing = geometry.agreeing(transform, query.features, reference.features, kept)
    return _Fit(transform, mirrored, int(inliers.sum()), int(agreeing.sum()))


def _described(fit: _Fit, query: Prepared, reference: Prepared) -> Verification:
    shares = np.diag([1 / query.size[0], 1 / query.size[1], 1.0]) @ fit.transform @ np.diag([*reference.size, 1.0])
    transform = np.asarray((MIRROR @ shares if fit.mirrored else shares) / shares[2, 2], np.float64)
    frame = np.array(FRAME)
    in_query = intersection(mapped(transform, frame), frame)
    # From what is visible in the query: the inverse of its whole frame may reach behind the horizon.
    in_reference = mapped(np.asarray(np.linalg.inv(transform), np.float64), in_query)
    laid = alignment.lay(query.grey, reference.grey, fit.transform)
    return Verification(
        transform,
        fit.mirrored,
        fit.pairs,
        fit.agreeing,
        _part(in_query),
        _part(in_reference),
        alignment.align(laid),
        details.compare(laid),
    )


def _part(corners: Matrix) -> Part:
    return Part(np.clip(corners, 0, 1), area(corners))
