"""Save a run: the checkpoint of rank 0, and beside it what only each other process has. A kill leaves a whole pair."""

import dataclasses
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from copysight.errors import TrainingDiverged
from copysight.pictures.preprocess import sides
from copysight.system import version
from training import distributed
from training.checkpoints import checkpoint
from training.run import finite
from training.run.collapse_guard import REMEDY
from training.run.run import Run


def save(run: Run) -> None:
    """Save the checkpoint on rank 0; other ranks save only their own state beside it.

    The others write first, under another name, and take their own name after rank 0 has written. So the files of one
    step are there whenever the processes are killed: ``process_files`` names them. Raises ``TrainingDiverged``, on
    every process, if the state is not finite; then the checkpoint before stays.
    """
    _check(run)
    mine = process_files(run.out, distributed.rank())
    if distributed.rank() > 0:
        checkpoint.save(mine[1], _process_state(run))
    distributed.wait()
    if distributed.rank() == 0:
        checkpoint.save(run.out / checkpoint.NAME, describe(run))
    distributed.wait()
    if distributed.rank() > 0:
        commit(run.out, distributed.rank())
    run.saved_step = run.step


def process_files(out: Path, rank: int) -> tuple[Path, Path]:
    """The file of a process other than rank 0, and the one that it writes first."""
    return out / f"checkpoint.rank{rank}.pt", out / f"checkpoint.rank{rank}.next.pt"


def commit(out: Path, rank: int) -> None:
    """Let the file that a process wrote first replace its file."""
    file, following = process_files(out, rank)
    following.replace(file)


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
            "fingerprint": run.fingerprint,
            "pictures_seen": run.step * plan.batch,
            "steps": run.step,
            "skipped": run.skipped,
            "minutes": round(run.minutes, 2),
            "seed": plan.seed,
            "version": version.version(),
            "commit": version.commit(),
            **({"started_from": dict(method.started_from)} if method.started_from else {}),
            **({"taught_by": [dict(teacher) for teacher in method.taught_by]} if method.taught_by else {}),
        },
        "state": method.state_dict(),
        "backbone_prefix": method.backbone_prefix,
        "head_prefix": method.head_prefix,
        "optimizer": run.optimizer.state_dict(),
        "random": random_state(),
    }


def random_state() -> dict[str, Tensor]:
    """State of torch's random numbers, on the CPU and on the GPU of this process."""
    state = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state()
    return state


def last_checkpoint(run: Run) -> str:
    """Which checkpoint there is, in words."""
    if run.saved_step is None:
        return "there is no checkpoint yet"
    return f"the checkpoint of step {run.saved_step} is kept"


def _process_state(run: Run) -> dict[str, Any]:
    """What only this process has: its part of a queue or memory, and its random state."""
    state = run.method.state_dict()
    own = {name: state[name] for name in run.method.per_process}
    return {"step": run.step, "state": own, "random": random_state()}


def _check(run: Run) -> None:
    found = finite.fault(run.method.state_dict(), run.method.exported_backbone(), sides(run.plan.image_size))
    if distributed.any_process(found is not None)[0]:
        raise TrainingDiverged(
            f"{found or 'the state of another process is not finite'} after step {run.step}; {REMEDY}"
        )
