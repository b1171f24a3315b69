"""KoLeo against a loop over pairs."""

import math

import pytest
import torch
import torch.nn.functional as F

from training.losses.koleo import koleo


@pytest.mark.parametrize(("batch", "width"), [(2, 3), (7, 4), (32, 16)])
def test_koleo_is_the_mean_log_distance_to_the_nearest(batch, width):
    features = torch.randn(batch, width, generator=torch.Generator().manual_seed(batch))
    x = F.normalize(features.double(), dim=1)
    total = 0.0
    for i in range(batch):
        total -= math.log(min(float((x[i] - x[j]).norm()) for j in range(batch) if j != i))
    assert float(koleo(features)) == pytest.approx(total / batch, abs=1e-4)


def test_the_gradient_moves_neighbours_apart():
    features = F.normalize(torch.tensor([[1.0, 0.0], [0.9, 0.1], [-1.0, 0.0]]), dim=1).requires_grad_()
    koleo(features).backward()
    moved = F.normalize(features.detach() - 0.01 * features.grad, dim=1)
    assert (moved[0] - moved[1]).norm() > (features[0] - features[1]).norm()


def test_koleo_of_one_picture_is_zero():
    features = torch.randn(1, 4, requires_grad=True)
    koleo(features).backward()
    assert torch.equal(features.grad, torch.zeros(1, 4))
