"""Singular values of 2 x 2 matrices, against a decomposition."""

import numpy as np
import pytest

from copysight.matching.geometry import singular_values


@pytest.mark.parametrize("seed", range(50))
def test_singular_values_are_those_of_a_decomposition(seed):
    rng = np.random.default_rng(seed)
    matrix = rng.standard_normal((2, 2)) * 10.0 ** rng.integers(-6, 6)
    assert singular_values(matrix) == pytest.approx(np.linalg.svd(matrix, compute_uv=False), rel=1e-9)


@pytest.mark.parametrize("matrix", [np.eye(2), np.zeros((2, 2)), np.array([[2.0, 0], [0, -3]]), np.ones((2, 2))])
def test_singular_values_of_simple_matrices(matrix):
    assert singular_values(matrix) == pytest.approx(np.linalg.svd(matrix, compute_uv=False), abs=1e-12)
