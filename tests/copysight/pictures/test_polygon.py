"""Intersections of convex polygons, compared with counted points and in the positions where polygons touch."""

import numpy as np
import pytest

from copysight.pictures.polygon import area, intersection, intersection_over_union, mapped

SQUARE = np.array([[0.0, 0], [1, 0], [1, 1], [0, 1]])
POINTS = (np.stack(np.meshgrid(*[np.arange(300)] * 2), axis=-1).reshape(-1, 2) + 0.5) / 300


def random_polygon(rng):
    angles = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(3, 9))))
    corners = rng.uniform(0.2, 0.8, 2) + rng.uniform(0.1, 0.5) * np.stack([np.cos(angles), np.sin(angles)], 1)
    return corners[::-1] if rng.random() < 0.5 else corners


def inside(points, corners):
    """Which points lie on the same side of all sides."""
    sides = []
    for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        x, y = end - start
        sides.append(x * (points[:, 1] - start[1]) - y * (points[:, 0] - start[0]) > 0)
    return np.all(sides, axis=0) | ~np.any(sides, axis=0)


@pytest.mark.parametrize("seed", range(40))
def test_the_intersection_has_the_area_of_the_points_in_both(seed):
    rng = np.random.default_rng(seed)
    one, other = (intersection(random_polygon(rng), SQUARE) for _ in range(2))
    in_one, in_other = inside(POINTS, one), inside(POINTS, other)
    assert area(intersection(one, other)) == pytest.approx((in_one & in_other).mean(), abs=0.01)
    shares = (in_one & in_other).sum() / max((in_one | in_other).sum(), 1)
    assert intersection_over_union(one, other) == pytest.approx(shares, abs=0.03)


def test_polygons_that_are_equal_touch_or_are_apart():
    turned = np.roll(SQUARE[::-1], 1, axis=0)
    assert intersection_over_union(SQUARE, SQUARE) == intersection_over_union(SQUARE, turned) == 1
    assert area(intersection(SQUARE, SQUARE + np.array([1, 0]))) == 0
    assert intersection(SQUARE, SQUARE + np.array([1.5, 0])).shape == (0, 2)
    assert intersection(np.zeros((0, 2)), SQUARE).shape == (0, 2)
    assert intersection_over_union(SQUARE, np.zeros((0, 2))) == 0
    assert intersection_over_union(SQUARE, SQUARE * 0.5) == pytest.approx(0.25)


def test_a_polygon_that_nearly_touches_the_frame_is_not_the_frame():
    """One of the polygons for which OpenCV 5.0 returns the whole frame."""
    corners = [
        (0.6319526598350322, 0.40876223808521595), (0.6297910040537966, 0.4147256110180848),
        (0.08377780155985806, 0.6221170016162678), (0.4800497514992804, 0.0),
        (0.5240986098447792, 3.469446951953614e-18), (0.6184591192536545, 0.11700293309003357),
        (0.6411125040764372, 0.17988038736363687),
    ]  # fmt: skip
    assert area(intersection(np.array(corners), SQUARE)) == pytest.approx(0.1545, abs=1e-4)


def test_corners_are_mapped_in_perspective():
    transform = np.array([[2.0, 0, 1], [0, 2, 0], [0, 1, 1]])
    assert mapped(transform, SQUARE) == pytest.approx(np.array([[1, 0], [3, 0], [1.5, 1], [0.5, 1]]))
