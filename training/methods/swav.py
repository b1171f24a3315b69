"""SwAV: predict the prototype assignment of one crop from the other crops (Caron et al. 2020)."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from copysight.pictures.preprocess import Size
from training import distributed
from training.clusters import agreement
from training.config_field import DROP, ITERATIONS, NOT_NEGATIVE, POSITIVE, PROTOTYPES, WIDTH, Span, config_field
from training.losses.koleo import koleo
from training.losses.sinkhorn import sinkhorn
from training.methods.method import Length, Method, Progress, StepOutput, crop_sizes
from training.networks import backbones, heads
from training.optim import parameter_groups, schedules
from training.optim.schedules import Schedules
from training.views.multi_crop import Recipe

ASSIGNED = 2
"""Number of crops whose codes are computed: the two global crops."""


@dataclass(frozen=True)
class SwavConfig:
    """Config of SwAV; the defaults are those of the released code at batch 256."""

    prototypes: int = config_field(
        3000, "Number of prototypes K. SwAV uses 3000; use about ten for each class on small data.", span=PROTOTYPES
    )
    hidden: int = config_field(2048, "Width of the hidden layer of the projection head. SwAV uses 2048.", span=WIDTH)
    output: int = config_field(128, "Dimension of embeddings and prototypes. SwAV uses 128.", span=WIDTH)
    temperature: float = config_field(0.1, "Softmax temperature. SwAV uses 0.1.", span=POSITIVE)
    epsilon: float = config_field(
        0.05,
        "Entropy regularisation (epsilon) of Sinkhorn-Knopp. SwAV uses 0.05; try 0.02 for small batches, for example "
        "64 with 128 prototypes.",
        span=POSITIVE,
    )
    sinkhorn_iterations: int = config_field(3, "Iterations of Sinkhorn-Knopp. SwAV uses 3.", span=ITERATIONS)
    freeze_prototypes_steps: int = config_field(
        5005,
        "Number of first steps in which prototypes are not trained. SwAV uses 5005, or 313 at batch 4096.",
        group="Schedule",
        span=NOT_NEGATIVE,
    )
    queue_length: int = config_field(
        0,
        "Number of earlier embeddings that join the assignment. SwAV uses 3840 at batch 256, else 0.",
        span=Span(0, 10_000_000),
    )
    queue_from_epoch: float = config_field(
        15.0,
        "Epoch at which the queue begins; a training may collapse if it is too early. SwAV uses 15.",
        group="Schedule",
        span=NOT_NEGATIVE,
    )
    koleo: float = config_field(
        0.0,
        "Weight of the KoLeo regulariser on the features of the global crops. SwAV uses 0, DINOv2 0.1.",
        span=NOT_NEGATIVE,
    )
    drop_path: float = config_field(0.0, "Stochastic depth rate of a ViT. SwAV uses 0.", span=DROP)
    optimizer: str = config_field(
        "larc",
        "Optimiser. SwAV uses SGD with LARC; use adamw for ViTs and small data.",
        ("larc", "adamw", "sgd"),
        group="Schedule",
    )
    lr: float = config_field(
        0.6,
        "Peak learning rate. It is NOT scaled by the batch. SwAV uses 0.6 at batch 256, 4.8 at batch 4096.",
        group="Schedule",
        span=NOT_NEGATIVE,
    )
    min_lr: float = config_field(
        0.0006,
        "Learning rate at the end of the cosine. SwAV uses 0.0006 at batch 256, 0.0048 at batch 4096.",
        group="Schedule",
        span=NOT_NEGATIVE,
    )
    start_lr: float = config_field(
        0.0,
        "Learning rate at the start of the warm-up. SwAV uses 0 at batch 256, 0.3 at batch 4096.",
        group="Schedule",
        span=NOT_NEGATIVE,
    )
    warmup_epochs: float = config_field(
        0.0,
        "Epochs of linear warm-up of the learning rate. SwAV uses 0 at batch 256, 10 at batch 4096.",
        group="Schedule",
        span=NOT_NEGATIVE,
    )
    weight_decay: float = config_field(1e-6, "Weight decay. SwAV uses 1e-6.", group="Schedule", span=NOT_NEGATIVE)


class Swav(Method):
    """Backbone, projection head, prototypes, and a queue of earlier embeddings for each assigned crop."""

    name = "swav"
    backbone_prefix = "backbone."
    head_prefix = "head."
    per_process = ("queue",)
    remedy = "lower --lr or --epsilon, raise --freeze-prototypes-steps, or begin the queue later (--queue-from-epoch)"
    queue: Tensor

    def __init__(self, config: SwavConfig, backbone: str, image_size: Size, recipe: Recipe) -> None:
        super().__init__(config, recipe)
        self.uniform_entropy = math.log(config.prototypes)
        self.backbone = backbones.build(backbone, image_size, config.drop_path)
        features = backbones.dimension(self.backbone, *crop_sizes(recipe, image_size))
        self.head = heads.SwavHead(features, (config.prototypes,), config.hidden, config.output)
        self.register_buffer("queue", torch.zeros(ASSIGNED, 0, config.output))
        self._queue_from = 0

    def schedules(self, length: Length) -> Schedules:
        """Linear warm-up and cosine; SwAV does not scale learning rates by the batch. Constant weight decay."""
        c = self.config
        lr = schedules.cosine(c.lr, c.min_lr, length.steps, length.of_epochs(c.warmup_epochs), c.start_lr)
        return Schedules(lr, np.full(length.steps, c.weight_decay))

    def optimizer(self) -> Optimizer:
        """SGD with LARC over all parameters in one group, or another optimiser with DINO's groups."""
        return parameter_groups.build(
            self.config.optimizer, parameter_groups.groups(self, decay_all=self.config.optimizer == "larc")
        )

    def start(self, length: Length) -> None:
        """Allocate the queue: a multiple of the batch, divided between the processes."""
        rows = self.config.queue_length // length.batch * length.batch // distributed.world_size()
        self.queue = self.queue.new_zeros(ASSIGNED, rows, self.config.output)
        self._queue_from = length.of_epochs(self.config.queue_from_epoch)

    def begin_step(self, progress: Progress) -> None:
        """Normalise the prototypes, also while they are frozen."""
        self.head.normalise_prototypes()
        self._queueing = self.queue.shape[1] > 0 and progress.step >= self._queue_from

    def forward(self, crops: Sequence[Tensor], indices: Tensor) -> StepOutput:
        """Loss of one batch. The queue is used once it is full; then the new embeddings are added to it."""
        features = backbones.multi_crop(self.backbone, crops)
        embeddings = self.head.project(features).float()
        scores = self.head.prototypes[0](embeddings).float()
        codes = self._codes(scores.detach(), embeddings.detach(), len(crops))
        loss = swapped_loss(scores, codes, len(crops), self.config.temperature)
        metrics = {
            "loss": loss.detach(),
            "used": agreement.prototypes_used(codes),
            "entropy": torch.special.entr(codes).sum(-1).mean(),
        }
        if self.config.koleo:
            first, second = features.chunk(len(crops))[:ASSIGNED]
            spread_loss = koleo(first) + koleo(second)
            metrics["koleo"] = spread_loss.detach()
            loss = loss + self.config.koleo * spread_loss
        return StepOutput(loss, metrics)

    def after_backward(self, progress: Progress) -> None:
        """Drop the gradients of the prototypes while they are frozen."""
        if progress.step < self.config.freeze_prototypes_steps:
            for parameter in self.head.prototypes.parameters():
                parameter.grad = None

    def exported_backbone(self) -> nn.Module:
        """The backbone."""
        return self.backbone

    def load_backbone(self, backbone: Mapping[str, Tensor]) -> None:
        """Initialise the backbone with the weights of a pretrained one."""
        self.backbone.load_state_dict(backbone)

    @torch.no_grad()
    def _codes(self, scores: Tensor, embeddings: Tensor, views: int) -> Tensor:
        batch = len(scores) // views
        codes = []
        for crop in range(ASSIGNED):
            rows = slice(crop * batch, (crop + 1) * batch)
            out = scores[rows]
            if self._queueing:
                if bool((self.queue[crop, -1] != 0).any()):
                    out = torch.cat([self.head.prototypes[0](self.queue[crop]).float(), out])
                longer = torch.cat([embeddings[rows], self.queue[crop]])[: self.queue.shape[1]]
                # A step that is not finite is skipped, and must not spoil the assignments of later ones.
                self.queue[crop] = torch.where(embeddings[rows].isfinite().all(), longer, self.queue[crop])
            codes.append(sinkhorn(out, self.config.epsilon, self.config.sinkhorn_iterations)[-batch:])
        return torch.stack(codes)


def swapped_loss(scores: Tensor, codes: Tensor, views: int, temperature: float) -> Tensor:
    """Cross-entropy of the softmax of every crop with the codes of each OTHER assigned crop: mean over pairs.

    ``scores`` (V * B, K) crop-major, ``codes`` (2, B, K) (Caron et al. 2020, eq. 2 with multi-crop, section 4.2).
    """
    log_p = F.log_softmax(scores / temperature, dim=1).reshape(views, -1, scores.shape[1])
    rest = log_p.sum(dim=0) - log_p[: len(codes)]
    loss: Tensor = -(codes * rest).sum(dim=-1).mean(dim=1).sum() / (len(codes) * (views - 1))
    return loss
