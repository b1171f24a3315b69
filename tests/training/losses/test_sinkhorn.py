"""Sinkhorn-Knopp against a plain iteration on exponentials in float64."""

import pytest
import torch

from training.losses.sinkhorn import sinkhorn


def slow(scores, epsilon, iterations):
    q = (scores.double() / epsilon).exp()
    q /= q.sum()
    rows, columns = q.shape
    for _ in range(iterations):
        for k in range(columns):
            q[:, k] /= q[:, k].sum() * columns
        for b in range(rows):
            q[b] /= q[b].sum() * rows
    return q * rows


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (2, 5), (16, 8), (40, 100)])
@pytest.mark.parametrize("iterations", [0, 1, 3, 10])
def test_sinkhorn_equals_the_plain_iteration(rows, columns, iterations):
    scores = torch.randn(rows, columns, generator=torch.Generator().manual_seed(rows)) * 0.3
    assert torch.allclose(sinkhorn(scores, 0.05, iterations).double(), slow(scores, 0.05, iterations), atol=2e-5)


def test_rows_sum_to_one_and_columns_become_even():
    scores = torch.randn(64, 8, generator=torch.Generator().manual_seed(0)) * 0.2
    found = sinkhorn(scores, 0.05, 100)
    assert torch.allclose(found.sum(dim=1), torch.ones(64), atol=1e-5)
    assert torch.allclose(found.sum(dim=0), torch.full((8,), 8.0), atol=1e-3)


def test_large_scores_do_not_overflow():
    scores = torch.randn(16, 8, generator=torch.Generator().manual_seed(0)) * 500
    assert sinkhorn(scores, 0.05).isfinite().all()


def test_half_precision_scores_are_computed_in_float32():
    scores = torch.rand(16, 8, generator=torch.Generator().manual_seed(0)).bfloat16()
    assert sinkhorn(scores, 0.05).dtype == torch.float32
