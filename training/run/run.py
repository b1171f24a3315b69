"""State of a running training: method, data, optimiser, schedules, step."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from training import distributed
from training.data.pack import Pack
from training.hardware import compiler, narrow_maps
from training.methods.method import Method, Progress
from training.run.knn_probe import Probe
from training.run.loader import Loader
from training.run.plan import Plan
from training.run.training_log import TrainingLog


class Run:
    """Method, data, optimiser, schedules and current step of a training.

    ``skipped``: number of steps whose loss or gradient was not finite. ``saved_step``: step of the last checkpoint.
    """

    def __init__(
        self, method: Method, plan: Plan, pack: Pack, probes: Sequence[Probe], out: Path, log: TrainingLog
    ) -> None:
        self.plan, self.probes, self.out, self.log = plan, probes, out, log
        self.device = torch.device(plan.device)
        if distributed.world_size() > 1 and self.device.type == "cuda":
            # BatchNorm over all processes, as in SwAV. torch has it only for GPUs.
            method = nn.SyncBatchNorm.convert_sync_batchnorm(method)  # type: ignore[no-untyped-call]
        # Channels last: a step of a small ResNet on a CPU takes 0.7 of the time (AMD Zen 5, fp32 and bf16).
        self.method = method.to(self.device).to(memory_format=torch.channels_last).train()
        if plan.precision == "bf16" and self.device.type == "cpu":
            narrow_maps.mend(self.method)
        compiler.compile_networks(self.method.trained_networks(), plan.compiled, self.device, log.say)
        self.length = plan.length(len(pack))
        self.loader = Loader(pack, method, plan, self.length, self.device)
        self.schedules = method.schedules(self.length)
        self.optimizer = method.optimizer()
        self.fingerprint = pack.fingerprint
        self.step = 0
        self.minutes = 0.0
        self.skipped = 0
        self.saved_step: int | None = None
        method.start(self.length)

    @property
    def progress(self) -> Progress:
        """Position of the next step."""
        return Progress(self.step, *divmod(self.step, self.length.per_epoch))
