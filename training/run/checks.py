"""Refuse a training that cannot work, as early as possible."""

from copy import deepcopy
from pathlib import Path

import torch

from copysight.errors import InvalidArgument
from copysight.pictures.preprocess import in_words, sides
from training.checkpoints import pretrained
from training.checkpoints.checkpoint import Checkpoint
from training.data.pack import Pack
from training.methods.method import Method
from training.run import resume
from training.run.plan import Plan
from training.views.multi_crop import Recipe


def before_decoding(
    plan: Plan, method: Method, saved: Checkpoint | None, init: str | None, warm_start: Path | None
) -> None:
    """Raise if batch, checkpoint or warm start cannot work, before any picture is decoded."""
    _check_batch(plan, method)
    if init is not None and warm_start is not None:
        raise InvalidArgument("got --init and --warm-start, and both set the first weights of the backbone; use one")
    if saved is not None:
        resume.check(saved, method, plan)
    elif warm_start is not None:
        pretrained.backbone(warm_start)


def after_decoding(plan: Plan, method: Method, pack: Pack, saved: Checkpoint | None) -> None:
    """Raise if there are too few pictures, or others than before, or a schedule is too long.

    This is before probes are read and before a warm start.
    """
    if saved is not None:
        resume.check_pictures(saved, len(pack), pack.fingerprint)
    length = plan.length(len(pack))
    method.schedules(length)
    method.start(length)


def _check_batch(plan: Plan, method: Method) -> None:
    """Raise ``InvalidArgument`` if the batch cannot be divided, or if BatchNorm would get one value per channel."""
    pictures = plan.local_batch // plan.accumulate
    crops = method.recipe.crops if isinstance(method.recipe, Recipe) else ()
    for alone in (group.size for group in crops if pictures * len(group.blur) == 1):
        network = deepcopy(method.exported_backbone()).train()
        try:
            with torch.no_grad(), torch.random.fork_rng():
                network(torch.zeros(1, 3, *sides(alone)))
        except ValueError as error:
            raise InvalidArgument(
                f"got --batch {plan.batch}: {plan.backbone} has BatchNorm, which needs more than one crop of "
                f"{in_words(alone)} px at a time; raise --batch, or lower --accumulate"
            ) from error
