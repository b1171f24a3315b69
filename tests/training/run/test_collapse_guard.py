"""The collapse guard raises on divergence and on collapse, and on nothing else."""

import math

import pytest
import torch

from copysight.errors import TrainingDiverged
from training.clusters import agreement
from training.losses.sinkhorn import sinkhorn
from training.run.collapse_guard import MIN_ENTROPY_SHARE, CollapseGuard


def metrics(entropy: float) -> dict[str, torch.Tensor]:
    return {"loss": torch.tensor(1.0), "entropy": torch.tensor(entropy)}


@pytest.mark.parametrize(("entropy", "kind"), [(math.log(64) * 0.9999, "uniform"), (1e-6, "always the same prototype")])
def test_collapse_raises_after_patience(entropy: float, kind: str) -> None:
    guard = CollapseGuard(3)
    guard.check(0, metrics(entropy), math.log(64))
    guard.check(1, metrics(entropy), math.log(64))
    with pytest.raises(TrainingDiverged, match=kind):
        guard.check(2, metrics(entropy), math.log(64))


def test_one_prototype_for_whole_batches_raises_with_the_remedy() -> None:
    guard = CollapseGuard(2)
    for step, used in enumerate((1.0, 2.0, 1.0)):
        guard.check(step, {"loss": torch.tensor(1.0), "used": torch.tensor(used)}, None, "lower --lr")
    with pytest.raises(TrainingDiverged, match=r"had the same prototype for 2 steps; lower --lr"):
        guard.check(3, {"loss": torch.tensor(1.0), "used": torch.tensor(1.0)}, None, "lower --lr")


def test_a_good_step_resets_the_count() -> None:
    guard = CollapseGuard(2)
    for step in range(6):
        guard.check(step, metrics(1e-6 if step % 2 else 2.0), math.log(64))


def test_patience_0_or_no_limit_never_raises_on_collapse() -> None:
    for guard, limit in ((CollapseGuard(0), math.log(64)), (CollapseGuard(1), None)):
        guard.check(0, metrics(0.0), limit)


def test_ten_skipped_steps_in_a_row_raise_and_a_good_step_resets_the_count() -> None:
    guard = CollapseGuard(0)
    for step in range(9):
        guard.skip(step)
    guard.check(9, metrics(1.0), None)
    for step in range(10, 19):
        guard.skip(step)
    with pytest.raises(TrainingDiverged, match=r"10 steps in a row \(steps 10 to 19\)"):
        guard.skip(19)


def test_sharp_codes_that_use_all_prototypes_are_no_collapse() -> None:
    codes = sinkhorn(torch.eye(16).repeat(4, 1), 0.05)
    entropy = float(torch.special.entr(codes).sum(-1).mean())
    sharp = {**metrics(entropy), "used": agreement.prototypes_used(codes)}
    assert entropy < MIN_ENTROPY_SHARE * math.log(16)
    guard = CollapseGuard(1)
    guard.check(0, sharp, math.log(16))
    alike = sinkhorn(torch.zeros(64, 16), 0.05)
    with pytest.raises(TrainingDiverged, match="had the same prototype"):
        guard.check(1, {**sharp, "used": agreement.prototypes_used(alike)}, math.log(16))
