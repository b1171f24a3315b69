"""Save a run to a checkpoint and resume it; on a CPU the losses are bit-identical to an uninterrupted run."""

import dataclasses
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from copysight.errors import CheckpointMismatch
from training import distributed
from training.checkpoints import checkpoint
from training.checkpoints.checkpoint import Checkpoint
from training.methods.method import Method
from training.run.plan import Plan
from training.run.run import Run

FIXED = ("batch", "accumulate", "seed", "epochs", "image_size")
"""Settings of the plan that a resumed run must keep; the others may change."""


def describe(run: Run) -> dict[str, Any]:
    """The content of a checkpoint, as ``checkpoint.load`` returns it."""
    plan, method = run.plan, run.method
    return {
        "method": method.name,
        "backbone": plan.backbone,
        "image_size": plan.image_size,
        "step": run.step,
        "config": {
            "run": dataclasses.asdict(plan),
            "method": dataclasses.asdict(method.config),
            "recipe": dataclasses.asdict(method.recipe),
            "world_size": distributed.world_size(),
        },
        "training": {
            "epochs": round(run.step / run.length.per_epoch, 3),
            "pictures": run.length.pictures,
            "pictures_seen": run.step * plan.batch,
            "steps": run.step,
            "minutes": round(run.minutes, 2),
            "seed": plan.seed,
        },
        "state": method.state_dict(),
        "backbone_prefix": method.backbone_prefix,
        "head_prefix": method.head_prefix,
        "optimizer": run.optimizer.state_dict(),
        "random": _random(),
    }


def restore(run: Run, saved: Checkpoint) -> None:
    """Restore ``run`` from ``saved``. Raises ``CheckpointMismatch`` if that belongs to another training."""
    check(saved, run.method, run.plan, run.length.pictures)
    run.method.load_state_dict({**saved.state, **_load_process_state(run, saved)})
    run.optimizer.load_state_dict(dict(saved.optimizer))
    run.step, run.minutes = saved.step, float(saved.training["minutes"])
    torch.set_rng_state(saved.random["cpu"])
    if "cuda" in saved.random and torch.cuda.is_available():
        torch.cuda.set_rng_state(saved.random["cuda"])


def check(saved: Checkpoint, method: Method, plan: Plan, pictures: int | None = None) -> None:
    """Raise ``CheckpointMismatch`` if a setting differs that must not change. The message has both values.

    ``pictures``: number of pictures, if known.
    """
    before, now = saved.config, {"run": dataclasses.asdict(plan), "method": dataclasses.asdict(method.config)}
    facts = {
        "the method": (saved.method, method.name),
        "the backbone": (saved.backbone, plan.backbone),
        "the number of processes": (before["world_size"], distributed.world_size()),
        "the number of pictures": (saved.training["pictures"], pictures or saved.training["pictures"]),
        **{key: (before["run"][key], now["run"][key]) for key in FIXED},
        **{key: (before["method"].get(key), value) for key, value in now["method"].items()},
    }
    for what, (then, here) in facts.items():
        if then != here:
            raise CheckpointMismatch(
                f"{saved.path} was trained with {what} = {then}, this run has {here}; use the same value, or choose "
                "another --out"
            )


def save_process_state(run: Run) -> None:
    """Save what only this process has: its part of a queue or memory, and its random state."""
    state = run.method.state_dict()
    mine = {"step": run.step, "state": {name: state[name] for name in run.method.per_process}, "random": _random()}
    checkpoint.save(_process_file(run), mine)


def _load_process_state(run: Run, saved: Checkpoint) -> dict[str, Tensor]:
    if distributed.rank() == 0:
        return {}
    file = _process_file(run)
    try:
        mine = torch.load(file, map_location="cpu", weights_only=True)
    except OSError as error:
        raise CheckpointMismatch(
            f"{file}, the state of another process, is missing; copy the whole folder of the run"
        ) from error
    if mine["step"] != saved.step:
        raise CheckpointMismatch(
            f"{file} is of step {mine['step']} and the checkpoint is of step {saved.step}, because the run was killed "
            "while it saved them; start again with another --out"
        )
    saved.random.update(mine["random"])  # type: ignore[attr-defined]
    return dict(mine["state"])


def _process_file(run: Run) -> Path:
    return run.out / f"checkpoint.rank{distributed.rank()}.pt"


def _random() -> dict[str, Tensor]:
    state = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state()
    return state
