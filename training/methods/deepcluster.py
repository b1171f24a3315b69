"""DeepCluster-v2: k-means on a memory of embeddings gives the labels of the next epoch (Caron et al. 2020, app. D).

``refill`` is ours: k-means on a fresh pass over the unaugmented pictures, as the first DeepCluster has it. Strong crops
of a network that knows nothing, each remembered from another moment of an epoch, have next to nothing in common.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from copysight.errors import InvalidArgument, TooFewPictures
from training import distributed
from training.clusters import agreement
from training.clusters.spherical_kmeans import spherical_kmeans
from training.config_field import config_field
from training.methods.method import Length, Method, Moment, Outcome, Passes
from training.networks import backbones, heads
from training.optim import parameter_groups, schedules
from training.optim.schedules import Schedules
from training.views.multi_crop import Recipe

ABSENT = -100
"""Label of a picture that the memory does not hold; the loss leaves it out."""


@dataclass(frozen=True)
class DeepClusterConfig:
    """Every knob of DeepCluster-v2; the defaults are those of the released code at batch 4096."""

    prototypes: int = config_field(
        3000, "Clusters K of each head; at most the pictures of one epoch. DeepCluster-v2: 3000."
    )
    prototype_heads: int = config_field(3, "Sets of clusters that are learned at once. DeepCluster-v2: 3.")
    banks: int = config_field(2, "Global crops whose embeddings are remembered. DeepCluster-v2: 2.")
    kmeans_iterations: int = config_field(10, "Iterations of spherical k-means before each epoch. DeepCluster-v2: 10.")
    hidden: int = config_field(2048, "Width of the projection head. DeepCluster-v2: 2048.")
    refill: bool = config_field(
        False,
        "Cluster the unaugmented pictures, seen in a pass of its own, as the first DeepCluster, not remembered crops: "
        "for small data. DeepCluster-v2: off.",
    )
    rounds: int = config_field(1, "Clusterings an epoch; more than 1 need --refill. DeepCluster: 1 (its --reassign).")
    head_bn: bool = config_field(
        False, "BatchNorm at the end of the head, which keeps embeddings centred. DeepCluster-v2: none."
    )
    output: int = config_field(128, "Dimension of embeddings and centroids. DeepCluster-v2: 128.")
    temperature: float = config_field(0.1, "Softmax temperature. DeepCluster-v2: .1.")
    freeze_prototypes_steps: int = config_field(
        300_000, "Steps in which centroids are not trained; 0: always trained. DeepCluster-v2: 300000."
    )
    drop_path: float = config_field(0.0, "Stochastic depth of a ViT. DeepCluster-v2: 0.")
    optimizer: str = config_field(
        "larc", "DeepCluster-v2: SGD within LARC; adamw suits ViTs and small data.", ("larc", "adamw", "sgd")
    )
    lr: float = config_field(4.8, "Peak learning rate, NOT scaled by the batch. DeepCluster-v2: 4.8 at 4096.")
    min_lr: float = config_field(0.0048, "Last learning rate. DeepCluster-v2: .0048.")
    start_lr: float = config_field(0.3, "First learning rate of the warm-up. DeepCluster-v2: .3.")
    warmup_epochs: float = config_field(10.0, "Epochs of linear warm-up. DeepCluster-v2: 10.")
    weight_decay: float = config_field(1e-6, "Weight decay. DeepCluster-v2: 1e-6.")


class DeepCluster(Method):
    """Backbone, head with several sets of prototypes, memory (``banks``, N', d) of this process, labels (heads, N)."""

    name = "deepcluster"
    backbone_prefix = "backbone."
    head_prefix = "head."
    private = ("memory", "memory_index")
    remedy = "lower --lr, raise --warmup-epochs, or lower --prototypes"
    memory: Tensor
    memory_index: Tensor
    assignments: Tensor

    def __init__(self, config: DeepClusterConfig, backbone: str, image_size: int, recipe: Recipe) -> None:
        super().__init__(config, recipe)
        self.backbone = backbones.build(backbone, image_size, config.drop_path)
        counts = (config.prototypes,) * config.prototype_heads
        features = backbones.dimension(self.backbone)
        self.head = heads.SwavHead(features, counts, config.hidden, config.output, config.head_bn)
        self.rounds = config.rounds
        self.register_buffer("memory", torch.zeros(config.banks, 0, config.output))
        self.register_buffer("memory_index", torch.zeros(0, dtype=torch.long))
        self.register_buffer("assignments", torch.zeros(config.prototype_heads, 0, dtype=torch.long))
        self._row = 0

    def schedules(self, length: Length) -> Schedules:
        """As SwAV: linear warm-up and cosine, not scaled by the batch."""
        c = self.config
        lr = schedules.cosine(c.lr, c.min_lr, length.steps, length.of_epochs(c.warmup_epochs), c.start_lr)
        return Schedules(lr, np.full(length.steps, c.weight_decay))

    def optimizer(self) -> Optimizer:
        """SGD within LARC over every parameter alike, or another with DINO's groups."""
        return parameter_groups.build(
            self.config.optimizer, parameter_groups.groups(self, alike=self.config.optimizer == "larc")
        )

    def start(self, length: Length) -> None:
        """Size the memory: what one process sees in an epoch. Raises ``TooFewPictures`` if K is more than that.

        Raises ``InvalidArgument`` for no round, and for several without ``refill``: crops are remembered once an epoch.
        """
        if self.config.rounds < 1:
            raise InvalidArgument(f"got --rounds {self.config.rounds}; an epoch needs at least 1")
        if self.config.rounds > 1 and not self.config.refill:
            raise InvalidArgument(f"--rounds {self.config.rounds} needs --refill: crops are remembered once an epoch")
        self._rows_per_step = length.batch // distributed.world_size()
        rows = length.per_epoch * self._rows_per_step
        if self.config.prototypes > rows:
            raise TooFewPictures(
                f"got --prototypes {self.config.prototypes}, but a process sees only {rows} pictures an epoch, and "
                "k-means starts from as many different ones; lower --prototypes or add pictures"
            )
        self.memory = self.memory.new_zeros(self.config.banks, rows, self.config.output)
        self.memory_index = self.memory_index.new_zeros(rows)
        self.assignments = self.assignments.new_full((self.config.prototype_heads, length.pictures), ABSENT)

    def begin_round(self, moment: Moment, passes: Passes) -> Mapping[str, float]:
        """Cluster the memory, filled by a pass of its own at first or always (``refill``); centroids are prototypes."""
        if moment.step == 0 or self.config.refill:
            self._fill(moment.epoch, passes)
        before = self.assignments.clone()
        figures: dict[str, float] = {}
        for number, prototypes in enumerate(self.head.prototypes):
            bank = self.memory[number % self.config.banks]
            start = distributed.from_first(
                bank[torch.randperm(len(bank))[: cast(nn.Linear, prototypes).out_features].to(bank.device)]
            )
            labels, centroids = spherical_kmeans(bank, start, self.config.kmeans_iterations)
            cast(nn.Linear, prototypes).weight.data.copy_(centroids)
            self.assignments[number] = ABSENT
            self.assignments[number, distributed.concatenate(self.memory_index)] = distributed.concatenate(labels)
            figures |= agreement.sizes(self.assignments[number], self.config.prototypes, f"head{number}_")
        if moment.step > 0:
            figures["nmi_with_round_before"] = agreement.nmi(before[0], self.assignments[0])
        if passes.labels is not None:
            figures["nmi_with_labels"] = agreement.nmi(passes.labels, self.assignments[0])
        return figures

    def begin_step(self, moment: Moment) -> None:
        """Find the row of the memory that comes next; a resumed epoch goes on at the right one."""
        self._row = moment.in_epoch * self._rows_per_step

    def forward(self, crops: Sequence[Tensor], numbers: Tensor) -> Outcome:
        """Every crop is to find the cluster of its picture; the global crops' embeddings go to the memory."""
        embeddings = self.head.project(backbones.multi_crop(self.backbone, crops))
        if not self.config.refill:
            self._remember(embeddings.detach().float(), numbers)
        scores = [prototypes(embeddings).float() for prototypes in self.head.prototypes]
        losses = [
            F.cross_entropy(score / self.config.temperature, labels[numbers].repeat(len(crops)), ignore_index=ABSENT)
            for score, labels in zip(scores, self.assignments, strict=True)
        ]
        loss = torch.stack(losses).mean()
        return Outcome(loss, {"loss": loss.detach(), "used": agreement.used(scores[0].detach())})

    def after_backward(self, moment: Moment) -> None:
        """Centroids are not trained."""
        if moment.step < self.config.freeze_prototypes_steps:
            for parameter in self.head.prototypes.parameters():
                parameter.grad = None

    def exported(self) -> nn.Module:
        """The backbone."""
        return self.backbone

    def adopt(self, backbone: Mapping[str, Tensor]) -> None:
        """Start from a backbone that has already learned."""
        self.backbone.load_state_dict(backbone)

    def _fill(self, epoch: int, passes: Passes) -> None:
        """One pass without gradient, in training mode (batch statistics), over the pictures of the epoch to come."""
        order, banks = passes.order(epoch), self.config.banks
        self._row = 0
        with torch.no_grad():
            for number, batch in enumerate(np.split(order, len(order) // passes.batch)):
                crops = [passes.plain(batch)] if self.config.refill else passes.crops(batch, seed=number)[:banks]
                with passes.autocast():
                    embeddings = self.head.project(backbones.multi_crop(self.backbone, crops)).float()
                numbers = torch.from_numpy(batch).to(self.memory.device)
                self._remember(embeddings.repeat(banks // len(crops), 1), numbers)

    def _remember(self, embeddings: Tensor, numbers: Tensor) -> None:
        rows = slice(self._row, self._row + len(numbers))
        banks = self.config.banks
        self.memory[:, rows] = embeddings[: banks * len(numbers)].reshape(banks, len(numbers), -1)
        self.memory_index[rows] = numbers
        self._row += len(numbers)
