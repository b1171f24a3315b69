"""Resume a run from its checkpoint; on a CPU the losses are bit-identical to an uninterrupted run."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import torch

from copysight.errors import CheckpointMismatch
from training import distributed
from training.checkpoints.checkpoint import READ_ERRORS, Checkpoint
from training.checkpoints.state_dicts import check_finite
from training.methods.method import Method
from training.run import saving
from training.run.plan import Plan
from training.run.run import Run

FIXED = ("batch", "accumulate", "seed", "image_size")
"""Settings of the plan that a resumed run must keep, as it must its epochs, unless it is extended."""
FINGERPRINT = 12
"""Digits of a fingerprint that a message shows."""


def restore(run: Run, saved: Checkpoint) -> None:
    """Restore ``run`` from ``saved``. Raises ``CheckpointMismatch`` if that belongs to another training."""
    check(saved, run.method, run.plan)
    check_pictures(saved, run.length.pictures, run.fingerprint)
    own = _load_process_state(run, saved)
    run.method.load_state_dict({**saved.state, **own.get("state", {})})
    run.optimizer.load_state_dict(dict(saved.optimizer))
    run.method.started_from = saved.training.get("started_from", {})
    run.step, run.minutes = saved.step, float(saved.training["minutes"])
    run.skipped, run.saved_step = int(saved.training.get("skipped", 0)), saved.step
    random = own.get("random", saved.random)
    torch.set_rng_state(random["cpu"])
    if "cuda" in random and torch.cuda.is_available():
        torch.cuda.set_rng_state(random["cuda"])


def check(saved: Checkpoint, method: Method, plan: Plan) -> None:
    """Raise ``CheckpointMismatch`` if a setting differs that must not change, with both values, or if it diverged."""
    check_finite(saved.state, saved.path)
    before, now = saved.config, {"run": dataclasses.asdict(plan), "method": dataclasses.asdict(method.config)}
    # A setting that is newer than the checkpoint had its default there.
    defaults = {field.name: field.default for field in dataclasses.fields(method.config)}
    recipe = recipe_facts(dataclasses.asdict(method.recipe))
    recipe_before = recipe_facts(before["recipe"])
    facts = {
        "the method": (saved.method, method.name),
        "the backbone": (saved.backbone, plan.backbone),
        "the number of processes": (before["world_size"], distributed.world_size()),
        **{key: (before["run"][key], now["run"][key]) for key in FIXED},
        **{key: (before["method"].get(key, defaults.get(key)), value) for key, value in now["method"].items()},
        **{key: (recipe_before.get(key, value), value) for key, value in recipe.items()},
    }
    _compare(saved, facts)
    epochs, wanted = before["run"]["epochs"], plan.epochs
    if wanted != epochs and not (plan.extend and wanted > epochs):
        remedy = "add --extend to train longer" if wanted > epochs else "use the same value"
        raise _mismatch(saved, "epochs", epochs, wanted, remedy)


def check_pictures(saved: Checkpoint, pictures: int, fingerprint: str) -> None:
    """Raise ``CheckpointMismatch`` if a run has other pictures: their number, or the fingerprint of their pixels.

    Checkpoints of older versions have no fingerprint.
    """
    before = saved.training.get("fingerprint", fingerprint)
    same = {"the number of pictures": (saved.training["pictures"], pictures)}
    prints = {"the fingerprint of the pictures": (before[:FINGERPRINT], fingerprint[:FINGERPRINT])}
    _compare(saved, {**same, **prints})


def recipe_facts(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a recipe by the names of their options, to compare two.

    Sizes and frequencies of edited pairs are left out, because they change during a training.
    """
    rest = {key: value for key, value in recipe.items() if key not in {"crops", "jitter", "size", "strength"}}
    if "crops" not in recipe:
        return rest
    first, *others = recipe["crops"]
    facts = {"global_scale": tuple(first["scale"]), "local_crops": sum(len(crops["blur"]) for crops in others)}
    for crops in others:
        facts |= {"local_size": crops["size"], "local_scale": tuple(crops["scale"])}
    chances = [(crops["blur"], crops["solarise"]) for crops in recipe["crops"]]
    return {**facts, "colour jitter (--colours)": recipe["jitter"], **rest, "chances of blur and solarise": chances}


def _compare(saved: Checkpoint, facts: Mapping[str, tuple[Any, Any]]) -> None:
    for what, (then, here) in facts.items():
        if then != here:
            raise _mismatch(saved, what, then, here, "use the same value")


def _mismatch(saved: Checkpoint, what: str, then: object, here: object, remedy: str) -> CheckpointMismatch:
    return CheckpointMismatch(
        f"{saved.path} was trained with {what} = {then}, this run has {here}; {remedy}, or choose another --out"
    )


def _load_process_state(run: Run, saved: Checkpoint) -> dict[str, Any]:
    """What this process saved at the step of ``saved``; empty on rank 0, whose state is the checkpoint's."""
    rank = distributed.rank()
    if rank == 0:
        return {}
    steps = []
    for file in saving.process_files(run.out, rank):
        try:
            mine: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
        except READ_ERRORS:
            continue
        if mine["step"] == saved.step:
            if file.name.endswith(".next.pt"):  # killed after rank 0 had written
                saving.commit(run.out, rank)
            return mine
        steps.append(mine["step"])
    raise CheckpointMismatch(
        f"{run.out} has no state of process {rank} for step {saved.step}, the step of its checkpoint (but for "
        f"{', '.join(map(str, steps)) or 'none'}); copy the whole folder of the run, or start again with another --out"
    )
