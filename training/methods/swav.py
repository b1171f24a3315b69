"""SwAV: swapped assignments between views (Caron et al. 2020). Codes of one crop are predicted from the others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from training import backbones, gather, heads, optim, schedules
from training.augment import Recipe
from training.koleo import koleo
from training.method import Length, Moment, Outcome
from training.schedules import Schedules
from training.sinkhorn import sinkhorn

ASSIGNED = 2
"""Crops whose codes are computed: the two global ones."""


@dataclass(frozen=True)
class SwavConfig:
    """Every knob of SwAV; the defaults are those of the released code at batch 256."""

    prototypes: int = 3000
    hidden: int = 2048
    output: int = 128
    temperature: float = 0.1
    epsilon: float = 0.05
    sinkhorn_iterations: int = 3
    freeze_prototypes_steps: int = 5005
    queue_length: int = 0
    queue_from_epoch: float = 15
    koleo: float = 0.0
    drop_path: float = 0.0
    optimizer: str = "larc"
    lr: float = 0.6
    min_lr: float = 0.0006
    start_lr: float = 0.0
    warmup_epochs: float = 0
    weight_decay: float = 1e-6


class Swav(nn.Module):
    """Backbone, projection head, prototypes, and a queue of past embeddings per assigned crop."""

    name = "swav"
    backbone_prefix = "backbone."
    head_prefix = "head."
    uniform_entropy = None
    queue: Tensor

    def __init__(self, config: SwavConfig, backbone: str, image_size: int, recipe: Recipe) -> None:
        super().__init__()
        self.config, self.recipe = config, recipe
        self.backbone = backbones.build(backbone, image_size, config.drop_path)
        features = backbones.dimension(self.backbone)
        self.head = heads.SwavHead(features, (config.prototypes,), config.hidden, config.output)
        self.register_buffer("queue", torch.zeros(ASSIGNED, 0, config.output))
        self._queue_from = 0

    def schedules(self, length: Length) -> Schedules:
        """Linear warm-up and cosine; SwAV states learning rates for its batch and does not scale them."""
        c = self.config
        lr = schedules.cosine(c.lr, c.min_lr, length.steps, length.of_epochs(c.warmup_epochs), c.start_lr)
        return Schedules(lr, np.full(length.steps, c.weight_decay))

    def optimizer(self) -> Optimizer:
        """SGD within LARC over every parameter alike, or AdamW with DINO's groups."""
        if self.config.optimizer == "larc":
            return optim.build("larc", [{"params": list(self.parameters()), "decayed": True}])
        return optim.build(self.config.optimizer, optim.groups(self))

    def start(self, length: Length) -> None:
        """Size the queue: a multiple of the batch, shared out over the processes."""
        rows = self.config.queue_length // length.batch * length.batch // gather.world_size()
        self.queue = self.queue.new_zeros(ASSIGNED, rows, self.config.output)
        self._queue_from = length.of_epochs(self.config.queue_from_epoch)

    def order(self, epoch: int, rng: np.random.Generator) -> None:
        """Each picture once, shuffled."""

    def begin_epoch(self, epoch: int, passes: Any) -> Mapping[str, float]:
        """Nothing is needed between epochs."""
        return {}

    def begin_step(self, moment: Moment) -> None:
        """Prototypes back to length 1, also while they are frozen."""
        self.head.normalise_prototypes()
        self._queueing = self.queue.shape[1] > 0 and moment.step >= self._queue_from

    def forward(self, crops: Sequence[Tensor], numbers: Tensor) -> Outcome:
        """Loss of one batch. The queue takes part once it is full, and takes in the new embeddings after use."""
        features = backbones.multi_crop(self.backbone, crops)
        embeddings = self.head.project(features).float()
        scores = self.head.prototypes[0](embeddings).float()
        codes = self._codes(scores.detach(), embeddings.detach(), len(crops))
        loss = swapped_loss(scores, codes, len(crops), self.config.temperature)
        figures = {"loss": loss.detach(), "used": used(codes), "entropy": torch.special.entr(codes).sum(-1).mean()}
        if self.config.koleo:
            spread = sum(koleo(F.normalize(view.float(), dim=1)) for view in features.chunk(len(crops))[:ASSIGNED])
            figures["koleo"] = spread.detach()
            loss = loss + self.config.koleo * spread
        return Outcome(loss, figures)

    def after_backward(self, moment: Moment) -> None:
        """Prototypes rest early on."""
        if moment.step < self.config.freeze_prototypes_steps:
            for parameter in self.head.prototypes.parameters():
                parameter.grad = None

    def after_update(self, moment: Moment) -> None:
        """Nothing follows."""

    def exported(self) -> nn.Module:
        """The backbone."""
        return self.backbone

    def adopt(self, backbone: Mapping[str, Tensor]) -> None:
        """Start from a backbone that has already learned."""
        self.backbone.load_state_dict(backbone)

    @torch.no_grad()
    def _codes(self, scores: Tensor, embeddings: Tensor, views: int) -> Tensor:
        batch = len(scores) // views
        codes = []
        for crop in range(ASSIGNED):
            mine = slice(crop * batch, (crop + 1) * batch)
            out = scores[mine]
            if self._queueing:
                if bool((self.queue[crop, -1] != 0).any()):
                    out = torch.cat([self.head.prototypes[0](self.queue[crop]).float(), out])
                self.queue[crop] = torch.cat([embeddings[mine], self.queue[crop]])[: self.queue.shape[1]]
            codes.append(sinkhorn(out, self.config.epsilon, self.config.sinkhorn_iterations)[-batch:])
        return torch.stack(codes)


def swapped_loss(scores: Tensor, codes: Tensor, views: int, temperature: float) -> Tensor:
    """Cross-entropy of every crop's softmax with the codes of each OTHER assigned crop; mean over pairs.

    ``scores`` (V * B, K) crop-major, ``codes`` (2, B, K) (Caron et al. 2020, eq. 2 with multi-crop, section 4.2).
    """
    log_p = F.log_softmax(scores / temperature, dim=1).unflatten(0, (views, -1))
    rest = log_p.sum(dim=0) - log_p[: len(codes)]
    return -(codes * rest).sum(dim=-1).mean(dim=1).sum() / (len(codes) * (views - 1))


def used(codes: Tensor) -> Tensor:
    """Number of prototypes that are the first choice of some picture of the batch: codes (2, B, K)."""
    return torch.tensor(float(codes.argmax(dim=-1).unique().numel()))
