"""Farthest-point sampling equals a plain loop, and leaves out copies as long as there is anything else."""

import numpy as np
import pytest

from copysight.vectors.diverse import diverse


def plain(vectors, count):
    chosen = [0]
    while len(chosen) < min(count, len(vectors)):
        left = [row for row in range(len(vectors)) if row not in chosen]
        chosen.append(min(left, key=lambda row: (max(float(vectors[row] @ vectors[one]) for one in chosen), row)))
    return chosen


@pytest.mark.parametrize("count", [1, 2, 4, 9])
@pytest.mark.parametrize("size", [1, 3, 8, 40])
def test_it_equals_a_plain_loop(size, count):
    vectors = np.random.default_rng(size).standard_normal((size, 6)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    assert diverse(vectors, count).tolist() == plain(vectors, count)


def test_copies_come_last():
    kinds = np.eye(4, 5, dtype=np.float32)
    vectors = np.repeat(kinds, [9, 5, 1, 2], axis=0)
    assert sorted(vectors[diverse(vectors, 4)].argmax(1)) == [0, 1, 2, 3]
    assert len(set(diverse(vectors, 17).tolist())) == 17


def test_nothing_has_no_covers():
    assert diverse(np.empty((0, 4), np.float32), 4).tolist() == []
    assert diverse(np.ones((3, 4), np.float32), 0).tolist() == []
