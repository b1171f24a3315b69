"""Schedules against loops and against values of the released code."""

import math

import numpy as np
import pytest

from copysight.errors import InvalidArgument
from training.optim import schedules


@pytest.mark.parametrize(("steps", "warmup"), [(50, 10), (7, 0), (12, 12), (9, 1)])
def test_cosine_equals_a_loop(steps: int, warmup: int) -> None:
    base, final, start = 0.5, 0.01, 0.1
    expected = [start + (base - start) * i / max(warmup - 1, 1) for i in range(warmup)]
    rest = steps - warmup
    expected += [final + (base - final) * (1 + math.cos(math.pi * i / rest)) / 2 for i in range(rest)]
    assert np.allclose(schedules.cosine(base, final, steps, warmup, start), expected, rtol=1e-12)


def test_schedules_have_the_values_of_the_released_code() -> None:
    lr = schedules.cosine(5e-4, 1e-6, 50, 10)
    assert lr[0] == 0
    assert np.allclose(lr[[1, 9, 10, 11, -1]], [5.5556e-5, 5e-4, 5e-4, 4.99231e-4, 1.76913e-6], rtol=1e-5)
    momentum = schedules.cosine(0.996, 1.0, 50)
    assert np.allclose(momentum[[0, 1, 25, -1]], [0.996, 0.99600395, 0.998, 0.99999605], rtol=1e-8)


def test_teacher_temperature_has_one_value_per_epoch() -> None:
    assert np.allclose(schedules.teacher_temperature(0.04, 0.07, 3, 5), [0.04, 0.055, 0.07, 0.07, 0.07])
    assert np.allclose(schedules.teacher_temperature(0.04, 0.07, 30, 2), np.linspace(0.04, 0.07, 30)[:2])
    assert schedules.teacher_temperature(0.04, 0.05, 0, 1).tolist() == [0.05]


def test_a_warmup_longer_than_the_training_is_an_error() -> None:
    with pytest.raises(InvalidArgument, match="warm-up of 11 steps in a training of 10 steps"):
        schedules.cosine(1, 0, 10, 11)
