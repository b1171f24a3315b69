"""Singular values against a decomposition, derivatives against differences, agreement of turned keypoints."""

import numpy as np
import pytest

from copysight.matching.features import Features
from copysight.matching.geometry import agreeing, apply, derivatives, is_plausible, singular_values

SIZE = (320, 240)
TILTED = np.array([[0.9, 0.1, 4], [-0.2, 1.1, 7], [0.0008, -0.0005, 1]])
HORIZON = np.array([[1.0, 0, 0], [0, 1, 0], [-0.01, 0, 1]])
"""Maps x = 100 to infinity."""


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_singular_values_are_those_of_a_decomposition(rng):
    matrices = rng.standard_normal((200, 2, 2)) * 10.0 ** rng.integers(-6, 6, (200, 1, 1))
    assert np.stack(singular_values(matrices), axis=1) == pytest.approx(
        np.linalg.svd(matrices, compute_uv=False), rel=1e-9
    )


@pytest.mark.parametrize("matrix", [np.eye(2), np.zeros((2, 2)), np.array([[2.0, 0], [0, -3]]), np.ones((2, 2))])
def test_singular_values_of_simple_matrices(matrix):
    large, little = singular_values(matrix[None])
    assert [*large, *little] == pytest.approx(np.linalg.svd(matrix, compute_uv=False), abs=1e-12)


def test_derivatives_are_limits_of_differences(rng):
    points, step = rng.uniform(0, SIZE, (50, 2)), 1e-4
    sides = [(apply(TILTED, points + move) - apply(TILTED, points - move)) / (2 * step) for move in np.eye(2) * step]
    assert derivatives(TILTED, points) == pytest.approx(np.stack(sides, axis=2), rel=1e-5, abs=1e-7)


def test_nothing_behind_the_horizon():
    local = derivatives(HORIZON, np.array([[50.0, 10], [100, 10], [150, 10]]))
    assert np.isfinite(local).all(axis=(1, 2)).tolist() == [True, False, False]
    assert not is_plausible(HORIZON, SIZE)


@pytest.mark.parametrize(
    ("turn", "zoom", "agrees"),
    [(0, 1, True), (34, 1, True), (-34, 1, True), (36, 1, False), (180, 1, False), (0, 1.7, True), (0, 1 / 1.9, False)],
)
def test_pairs_agree_if_angles_and_sizes_follow(rng, turn, zoom, agrees):
    points = rng.uniform(0, SIZE, (20, 2)).astype(np.float32)
    angles, scales = rng.uniform(0, 360, 20).astype(np.float32), rng.uniform(2, 20, 20).astype(np.float32)
    nothing = np.zeros((20, 128), np.uint8)
    reference = Features(*SIZE, points, scales, angles, nothing)
    turned = np.array([[0, -2.0, 500], [2, 0, 0], [0, 0, 1]])  # by 90 degrees, and twice as large
    query = Features(
        *SIZE, apply(turned, points).astype(np.float32), scales * 2 / zoom, (angles + 90 - turn) % 360, nothing
    )
    rows = np.arange(20)
    assert agreeing(turned, query, reference, (rows, rows)).all() == agrees
    assert agreeing(turned, query, reference, (rows, rows)).any() == agrees


def test_no_pair_behind_the_horizon_agrees(rng):
    points = np.column_stack([rng.uniform(110, 300, 20), rng.uniform(0, 240, 20)]).astype(np.float32)
    same = Features(*SIZE, points, np.ones(20, np.float32), np.zeros(20, np.float32), np.zeros((20, 128), np.uint8))
    rows = np.arange(20)
    assert not agreeing(HORIZON, same, same, (rows, rows)).any()


def test_no_pairs():
    nothing = np.zeros(0, np.float32)
    empty = Features(*SIZE, nothing.reshape(0, 2), nothing, nothing, np.zeros((0, 128), np.uint8))
    rows = np.zeros(0, np.int64)
    assert agreeing(TILTED, empty, empty, (rows, rows)).shape == (0,)
