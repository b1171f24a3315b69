"""LARC against its formula in plain Python."""

import math

import pytest
import torch
from torch import nn

from training.optim.larc import Larc


@pytest.mark.parametrize("decay", [0.0, 1e-6, 0.1])
@pytest.mark.parametrize("shape", [(1,), (4,), (3, 5)])
def test_three_steps_equal_the_formula(decay, shape):
    generator = torch.Generator().manual_seed(len(shape))
    parameter = nn.Parameter(torch.randn(shape, generator=generator))
    larc = Larc([{"params": [parameter], "weight_decay": decay}], lr=0.5)
    p, mu = parameter.detach().double().flatten().tolist(), [0.0] * parameter.numel()
    for _ in range(3):
        parameter.grad = torch.randn(shape, generator=generator)
        g = parameter.grad.double().flatten().tolist()
        length, norm = (math.sqrt(sum(v * v for v in vector)) for vector in (p, g))
        rate = 0.001 * length / (norm + decay * length + 1e-8)
        mu = [0.9 * m + (a + decay * b) * rate for m, a, b in zip(mu, g, p, strict=True)]
        p = [b - 0.5 * m for b, m in zip(p, mu, strict=True)]
        larc.step()
    assert parameter.detach().flatten().tolist() == pytest.approx(p, abs=1e-6)


def test_a_tensor_of_zeros_uses_the_plain_gradient():
    parameter = nn.Parameter(torch.zeros(2))
    parameter.grad = torch.tensor([1.0, 2.0])
    Larc([{"params": [parameter], "weight_decay": 0.1}], lr=0.1).step()
    assert parameter.tolist() == pytest.approx([-0.1, -0.2])


def test_a_tensor_without_gradient_does_not_change():
    parameter = nn.Parameter(torch.ones(2))
    Larc([parameter], lr=0.1).step()
    assert parameter.tolist() == [1, 1]
