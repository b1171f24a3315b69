"""SwAV: swapped assignments between views (Caron et al. 2020). Codes of one crop are predicted from the others."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from training import distributed
from training.clusters import agreement
from training.config_field import config_field
from training.losses.koleo import koleo
from training.losses.sinkhorn import sinkhorn
from training.methods.method import Length, Method, Moment, Outcome
from training.networks import backbones, heads
from training.optim import parameter_groups, schedules
from training.optim.schedules import Schedules
from training.views.multi_crop import Recipe

ASSIGNED = 2
"""Crops whose codes are computed: the two global ones."""


@dataclass(frozen=True)
class SwavConfig:
    """Every knob of SwAV; the defaults are those of the released code at batch 256."""

    prototypes: int = config_field(3000, "Prototypes K. SwAV: 3000; about ten per class on small data.")
    hidden: int = config_field(2048, "Width of the projection head. SwAV: 2048.")
    output: int = config_field(128, "Dimension of embeddings and prototypes. SwAV: 128.")
    temperature: float = config_field(0.1, "Softmax temperature. SwAV: .1.")
    epsilon: float = config_field(
        0.05, "Entropy weight of Sinkhorn-Knopp. SwAV: .05; for small batches (K 128, batch 64) try .02."
    )
    sinkhorn_iterations: int = config_field(3, "Iterations of Sinkhorn-Knopp. SwAV: 3.")
    freeze_prototypes_steps: int = config_field(
        5005, "Steps without update of prototypes. SwAV: 5005; 313 at batch 4096."
    )
    queue_length: int = config_field(
        0, "Past embeddings that take part in the assignment. SwAV: 3840 at batch 256, else 0."
    )
    queue_from_epoch: float = config_field(15.0, "When the queue begins; too early collapses. SwAV: 15.")
    koleo: float = config_field(0.0, "Weight of KoLeo on the features of both global crops. SwAV: 0; DINOv2: .1.")
    drop_path: float = config_field(0.0, "Stochastic depth of a ViT. SwAV: 0.")
    optimizer: str = config_field(
        "larc", "SwAV: SGD within LARC; adamw suits ViTs and small data.", ("larc", "adamw", "sgd")
    )
    lr: float = config_field(0.6, "Peak learning rate, NOT scaled by the batch. SwAV: .6 at 256, 4.8 at 4096.")
    min_lr: float = config_field(0.0006, "Last learning rate. SwAV: .0006; .0048 at 4096.")
    start_lr: float = config_field(0.0, "First learning rate of the warm-up. SwAV: 0; .3 at 4096.")
    warmup_epochs: float = config_field(0.0, "Epochs of linear warm-up. SwAV: 0 at 256, 10 at 4096.")
    weight_decay: float = config_field(1e-6, "Weight decay. SwAV: 1e-6.")


class Swav(Method):
    """Backbone, projection head, prototypes, and a queue of past embeddings per assigned crop."""

    name = "swav"
    backbone_prefix = "backbone."
    head_prefix = "head."
    private = ("queue",)
    remedy = "lower --lr or --epsilon, raise --freeze-prototypes-steps, or begin the queue later (--queue-from-epoch)"
    queue: Tensor

    def __init__(self, config: SwavConfig, backbone: str, image_size: int, recipe: Recipe) -> None:
        super().__init__(config, recipe)
        self.uniform_entropy = math.log(config.prototypes)
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
        return parameter_groups.build(
            self.config.optimizer, parameter_groups.groups(self, alike=self.config.optimizer == "larc")
        )

    def start(self, length: Length) -> None:
        """Size the queue: a multiple of the batch, shared out over the processes."""
        rows = self.config.queue_length // length.batch * length.batch // distributed.world_size()
        self.queue = self.queue.new_zeros(ASSIGNED, rows, self.config.output)
        self._queue_from = length.of_epochs(self.config.queue_from_epoch)

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
        figures = {
            "loss": loss.detach(),
            "used": agreement.used(codes),
            "entropy": torch.special.entr(codes).sum(-1).mean(),
        }
        if self.config.koleo:
            first, second = features.chunk(len(crops))[:ASSIGNED]
            spread = koleo(first) + koleo(second)
            figures["koleo"] = spread.detach()
            loss = loss + self.config.koleo * spread
        return Outcome(loss, figures)

    def after_backward(self, moment: Moment) -> None:
        """Prototypes rest early on."""
        if moment.step < self.config.freeze_prototypes_steps:
            for parameter in self.head.prototypes.parameters():
                parameter.grad = None

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
    log_p = F.log_softmax(scores / temperature, dim=1).reshape(views, -1, scores.shape[1])
    rest = log_p.sum(dim=0) - log_p[: len(codes)]
    loss: Tensor = -(codes * rest).sum(dim=-1).mean(dim=1).sum() / (len(codes) * (views - 1))
    return loss
