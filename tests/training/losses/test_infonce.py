"""The losses with negatives against loops over pairs."""

import math

import pytest
import torch
import torch.nn.functional as F

from training.losses.infonce import copy_loss, matching_loss


@pytest.mark.parametrize(("instances", "width"), [([0, 0, 1, 1], 4), ([0, 1, 2, 0, 1, 2, 3, 3, 3], 8)])
@pytest.mark.parametrize(("temperature", "weight"), [(0.05, 30.0), (0.5, 0.0)])
def test_the_loss_equals_a_sum_over_pairs(instances, width, temperature, weight):
    x = F.normalize(torch.randn(len(instances), width, generator=torch.Generator().manual_seed(width)), dim=1)
    similarity = (x @ x.t()).double().tolist()
    count, infonce, entropy = len(instances), 0.0, 0.0
    for i in range(count):
        negatives = [similarity[i][j] for j in range(count) if instances[j] != instances[i]]
        total = sum(math.exp(s / temperature) for s in negatives) + 1e-6
        for j in range(count):
            if j != i and instances[j] == instances[i]:
                own = math.exp(similarity[i][j] / temperature)
                infonce -= math.log(own / (own + total)) / count
        entropy -= math.log(math.sqrt(max(2 - 2 * max(negatives), 1e-6))) / count
    found = copy_loss(x, torch.tensor(instances), temperature, weight)
    assert float(found.infonce) == pytest.approx(infonce, rel=1e-4, abs=1e-5)
    assert float(found.entropy) == pytest.approx(weight * entropy, rel=1e-4, abs=1e-5)
    assert float(found.total) == pytest.approx(infonce + weight * entropy, rel=1e-4, abs=1e-5)


def test_a_low_temperature_does_not_overflow():
    x = F.normalize(torch.randn(8, 4, generator=torch.Generator().manual_seed(0)), dim=1)
    assert copy_loss(x, torch.arange(8) // 2, 0.001).total.isfinite()


def unit_rows(seed: int, count: int) -> torch.Tensor:
    return F.normalize(torch.randn(count, 5, generator=torch.Generator().manual_seed(seed)), dim=1)


def test_the_matching_loss_equals_a_sum_over_other_pictures_and_the_memory():
    own, targets, memory = unit_rows(0, 4), unit_rows(1, 4), unit_rows(2, 3)
    instances, remembered, expected = [7, 8, 7, 9], [8, 5, -1], 0.0
    for i in range(4):
        positive = math.exp(float(own[i] @ targets[i]) / 0.2)
        others = [targets[j] for j in range(4) if instances[j] != instances[i]]
        others += [memory[j] for j in range(3) if remembered[j] not in (instances[i], -1)]
        total = positive + sum(math.exp(float(own[i] @ other) / 0.2) for other in others)
        expected -= math.log(positive / total) / 4
    found = matching_loss(own, targets, torch.tensor(instances), memory, torch.tensor(remembered), 0.2)
    assert float(found) == pytest.approx(expected, rel=1e-5)
