"""A training under way: what the loop moves on and a checkpoint holds."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from training import distributed
from training.data.pack import Pack
from training.methods.method import Method, Moment
from training.run.knn_probe import Probe
from training.run.loader import Feed
from training.run.plan import Plan
from training.run.training_log import Journal


class Run:
    """Method, data, optimiser, schedules, and where the training stands."""

    def __init__(
        self, method: Method, plan: Plan, pack: Pack, probes: Sequence[Probe], out: Path, journal: Journal
    ) -> None:
        self.plan, self.probes, self.out, self.journal = plan, probes, out, journal
        self.device = torch.device(plan.device)
        if distributed.world_size() > 1 and self.device.type == "cuda":
            # As SwAV does: BatchNorm over all processes. torch has it for GPUs only.
            method = nn.SyncBatchNorm.convert_sync_batchnorm(method)  # type: ignore[no-untyped-call]
        # Channels last: on a CPU a small ResNet's step takes 0.7 of the time (AMD Zen 5, fp32 and bf16 alike).
        self.method = method.to(self.device).to(memory_format=torch.channels_last).train()
        self.length = plan.length(len(pack))
        self.feed = Feed(pack, method, plan, self.length, self.device)
        self.schedules = method.schedules(self.length)
        self.optimizer = method.optimizer()
        self.step = 0
        self.minutes = 0.0
        method.start(self.length)

    @property
    def moment(self) -> Moment:
        """The step that comes next."""
        return Moment(self.step, *divmod(self.step, self.length.per_epoch))
