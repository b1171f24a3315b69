"""The watch stops what cannot learn, and nothing else."""

import math

import pytest
import torch

from copysight.errors import TrainingDiverged
from training.clusters import agreement
from training.losses.sinkhorn import sinkhorn
from training.run.collapse_guard import SINGLE, Watch


def figures(entropy: float, loss: float = 1.0) -> dict[str, torch.Tensor]:
    return {"loss": torch.tensor(loss), "entropy": torch.tensor(entropy)}


@pytest.mark.parametrize(("entropy", "kind"), [(math.log(64) * 0.9999, "uniform"), (1e-6, "the same prototype")])
def test_collapse_raises_after_patience(entropy: float, kind: str) -> None:
    watch = Watch(3)
    watch.check(0, figures(entropy), math.log(64))
    watch.check(1, figures(entropy), math.log(64))
    with pytest.raises(TrainingDiverged, match=kind):
        watch.check(2, figures(entropy), math.log(64))


def test_one_prototype_for_whole_batches_is_collapse_and_the_remedy_is_named() -> None:
    watch = Watch(2)
    for step, used in enumerate((1.0, 2.0, 1.0)):
        watch.check(step, {"loss": torch.tensor(1.0), "used": torch.tensor(used)}, None, "lower --lr")
    with pytest.raises(TrainingDiverged, match=r"one and the same prototype for 2 steps.*; lower --lr"):
        watch.check(3, {"loss": torch.tensor(1.0), "used": torch.tensor(1.0)}, None, "lower --lr")


def test_one_good_step_starts_the_count_anew() -> None:
    watch = Watch(2)
    for step in range(6):
        watch.check(step, figures(1e-6 if step % 2 else 2.0), math.log(64))


def test_without_patience_or_without_a_limit_nothing_is_collapse() -> None:
    for watch, limit in ((Watch(0), math.log(64)), (Watch(1), None)):
        watch.check(0, figures(0.0), limit)


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_raises_at_once(loss: float) -> None:
    with pytest.raises(TrainingDiverged, match="last checkpoint is sound"):
        Watch(0).check(7, figures(1.0, loss), None)


def test_sharp_codes_that_use_all_prototypes_are_no_collapse() -> None:
    codes = sinkhorn(torch.eye(16).repeat(4, 1), 0.05)
    entropy = float(torch.special.entr(codes).sum(-1).mean())
    seen = {**figures(entropy), "used": agreement.used(codes)}
    assert entropy < SINGLE * math.log(16)
    watch = Watch(1)
    watch.check(0, seen, math.log(16))
    alike = sinkhorn(torch.zeros(64, 16), 0.05)
    with pytest.raises(TrainingDiverged, match="one and the same prototype"):
        watch.check(1, {**seen, "used": agreement.used(alike)}, math.log(16))
