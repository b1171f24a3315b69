"""Convex polygons, as corners (C, 2) in order, either way round: transform, intersect, area."""

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]
FRAME = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
"""Corners of a picture, as shares of its sides."""


def mapped(transform: Matrix, corners: Matrix) -> Matrix:
    """Map corners (C, 2) by a matrix (3, 3) for homogeneous points; none of them may be on the horizon."""
    found = corners @ transform[:, :2].T + transform[:, 2]
    return np.asarray(found[:, :2] / found[:, 2:])


def intersection(one: Matrix, other: Matrix) -> Matrix:
    """The corners (C, 2) that both have in common; (0, 2) if that is nothing (Sutherland and Hodgman 1974).

    Each side of ``other`` cuts ``one``. OpenCV's ``intersectConvexConvex`` is wrong by far for a few polygons that
    touch each other, and parts of pictures touch the frame.
    """
    turn = np.sign(_signed_area(other))
    for place in range(len(other)):
        start, side = other[place - 1], other[place] - other[place - 1]
        one = _cut(one, turn * (side[0] * (one[:, 1] - start[1]) - side[1] * (one[:, 0] - start[0])))
    return one


def area(corners: Matrix) -> float:
    """Area of a polygon; 0 for fewer than three corners."""
    return abs(_signed_area(corners))


def intersection_over_union(one: Matrix, other: Matrix) -> float:
    """Area of the intersection by area of the union, 0..1; 0 if both are empty."""
    shared = area(intersection(one, other))
    union = area(one) + area(other) - shared
    return shared / union if union > 0 else 0.0


def _signed_area(corners: Matrix) -> float:
    x, y = corners.T
    return float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2


def _cut(corners: Matrix, inside: Matrix) -> Matrix:
    """Cut off the corners (C, 2) for which ``inside`` (C,), a distance from the cutting line, is negative."""
    kept = []
    for place in range(len(corners)):
        here, there = inside[place - 1], inside[place]
        if here * there < 0:
            kept.append(corners[place - 1] + (corners[place] - corners[place - 1]) * here / (here - there))
        if there >= 0:
            kept.append(corners[place])
    return np.array(kept).reshape(-1, 2)
