"""The loss of distillation."""

import pytest
import torch
import torch.nn.functional as F

from training.losses.regression import regression_loss


def rows(seed: int, count: int = 6, dimension: int = 8) -> torch.Tensor:
    return F.normalize(torch.randn(count, dimension, generator=torch.Generator().manual_seed(seed)), dim=1)


def test_equal_embeddings_have_no_loss() -> None:
    loss = regression_loss(rows(0), rows(0))
    assert loss.total.item() == pytest.approx(0, abs=1e-6)
    assert loss.cosine.item() == pytest.approx(1)


def test_the_loss_is_its_formula() -> None:
    own, wanted = rows(0), rows(1)
    pairs = [(i, j) for i in range(6) for j in range(6) if i != j]
    squares = [float((own[i] @ own[j] - wanted[i] @ wanted[j]) ** 2) for i, j in pairs]
    cosine = sum(float(a @ b) for a, b in zip(own, wanted, strict=True)) / 6
    expected = 1 - cosine + 5 * sum(squares) / len(pairs)
    assert regression_loss(own, wanted, 5.0).total.item() == pytest.approx(expected, rel=1e-5)


def test_a_rotation_keeps_the_similarities_and_costs_cosine_alone() -> None:
    turn, _ = torch.linalg.qr(torch.randn(8, 8, generator=torch.Generator().manual_seed(2)))
    turned = rows(0) @ turn
    loss = regression_loss(turned, rows(0), 5.0)
    assert loss.total.item() == pytest.approx(1 - loss.cosine.item(), abs=1e-5)


def test_one_row_has_no_relations() -> None:
    assert torch.isfinite(regression_loss(rows(0, 1), rows(1, 1)).total)
