"""The Copydays protocol and its whitening."""

import numpy as np
import pytest
import torch

from evaluation.metrics import copydays


def test_strong_copies_match_originals_by_four_characters():
    originals = ["200000.jpg", "200001.jpg", "200100.jpg"]
    found = copydays.positives("strong", 2, originals, ["200009.jpg", "200101.jpg"])
    assert [rows.tolist() for rows in found] == [[0, 1], [2]]
    assert [rows.tolist() for rows in copydays.positives("jpegqual/3", 2, originals, [])] == [[0], [1]]


def test_a_positive_that_is_not_retrieved_counts_zero():
    found = copydays.ap_per_query(np.array([[5, 0], [3, 4]]), [np.array([0]), np.array([1])])
    assert found.tolist() == [0.25, 0.0]


@pytest.mark.parametrize(("count", "width"), [(50, 4), (300, 16), (5, 8)])
@pytest.mark.parametrize("centred", [False, True])
def test_whitening_makes_the_second_moment_one(count, width, centred):
    rng = np.random.default_rng(width)
    x = (rng.standard_normal((count, width)) * rng.uniform(0.5, 3, width) + 2).astype(np.float32)
    whitening = copydays.whitening(x, centred)
    shift = x.mean(axis=0) if centred else 0
    y = (x - shift).astype(np.float64) @ whitening.projection.T.astype(np.float64)
    moment = np.diag(y.T @ y / count)
    full = moment > 0.5
    assert full.sum() == min(width, count - centred)
    assert moment[full] == pytest.approx(1, abs=1e-3)
    assert np.linalg.norm(whitening.apply(x), axis=1) == pytest.approx(1, abs=1e-5)


def test_centring_changes_similarities_of_features_with_a_large_mean():
    rng = np.random.default_rng(0)
    x = (rng.standard_normal((200, 8)) + 3).astype(np.float32)
    plain, centred = (copydays.whitening(x, flag).apply(x[:20]) for flag in (False, True))
    assert abs(plain @ plain.T - centred @ centred.T).max() > 0.05


@pytest.mark.parametrize(("patches", "width"), [(1, 2), (9, 5)])
def test_descriptor_matches_a_slow_loop(patches, width):
    tokens = torch.randn(3, 1 + patches, width, generator=torch.Generator().manual_seed(0))
    found = copydays.descriptor(tokens)
    for picture in range(3):
        for column in range(width):
            total = sum(max(float(tokens[picture, 1 + p, column]), 1e-6) ** 4 for p in range(patches))
            assert float(found[picture, width + column]) == pytest.approx((total / patches) ** 0.25, rel=1e-4)
    assert torch.equal(found[:, :width], tokens[:, 0])
