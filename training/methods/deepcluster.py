"""DeepCluster-v2: k-means on a memory of embeddings gives the labels of the next epoch (Caron et al. 2020, app. D).

``refill`` is not in the paper: k-means on a new pass over the unaugmented pictures, as in the first DeepCluster. Early
in a training, embeddings of strong crops that were stored at different steps of an epoch have little in common.
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
from copysight.pictures.preprocess import Size
from training import distributed
from training.clusters import agreement
from training.clusters.spherical_kmeans import spherical_kmeans
from training.config_field import DROP, ITERATIONS, NOT_NEGATIVE, POSITIVE, PROTOTYPES, WIDTH, Span, config_field
from training.methods.method import Length, Method, Progress, StepOutput, TrainingData, crop_sizes
from training.networks import backbones, heads
from training.optim import parameter_groups, schedules
from training.optim.schedules import Schedules
from training.views.multi_crop import Recipe

ABSENT = -100
"""Label of a picture that is not in the memory; the loss ignores it."""


@dataclass(frozen=True)
class DeepClusterConfig:
    """Config of DeepCluster-v2; the defaults are those of the released code at batch 4096."""

    prototypes: int = config_field(
        3000,
        "Number of clusters K of each head, at most the pictures of one epoch. DeepCluster-v2 uses 3000.",
        span=PROTOTYPES,
    )
    prototype_heads: int = config_field(
        3, "Number of heads, each with its own clusters. DeepCluster-v2 uses 3.", span=Span(1, 100)
    )
    banks: int = config_field(
        2, "Number of global crops whose embeddings the memory stores. DeepCluster-v2 uses 2.", span=Span(1, 2)
    )
    kmeans_iterations: int = config_field(
        10, "Iterations of spherical k-means at each clustering. DeepCluster-v2 uses 10.", span=ITERATIONS
    )
    hidden: int = config_field(
        2048, "Width of the hidden layer of the projection head. DeepCluster-v2 uses 2048.", span=WIDTH
    )
    refill: bool = config_field(
        False,
        "Cluster embeddings of the unaugmented pictures from an extra pass, instead of stored embeddings of crops. Use "
        "it for small data. DeepCluster-v2 does not; the first DeepCluster does.",
    )
    rounds: int = config_field(
        1,
        "Number of clusterings per epoch. More than 1 needs --refill. DeepCluster uses 1 (its --reassign).",
        span=Span(1, 1000),
    )
    head_bn: bool = config_field(
        False, "Add BatchNorm at the end of the head, which centres the embeddings. DeepCluster-v2 does not."
    )
    output: int = config_field(128, "Dimension of embeddings and centroids. DeepCluster-v2 uses 128.", span=WIDTH)
    temperature: float = config_field(0.1, "Softmax temperature. DeepCluster-v2 uses 0.1.", span=POSITIVE)
    freeze_prototypes_steps: int = config_field(
        300_000,
        "Number of first steps in which centroids are not trained; 0 trains them always. DeepCluster-v2 uses 300000.",
        group="Schedule",
        span=NOT_NEGATIVE,
    )
    drop_path: float = config_field(0.0, "Stochastic depth rate of a ViT. DeepCluster-v2 uses 0.", span=DROP)
    optimizer: str = config_field(
        "larc",
        "Optimiser. DeepCluster-v2 uses SGD with LARC; use adamw for ViTs and small data.",
        ("larc", "adamw", "sgd"),
        group="Schedule",
    )
    lr: float = config_field(
        4.8,
        "Peak learning rate. It is NOT scaled by the batch. DeepCluster-v2 uses 4.8 at batch 4096.",
        group="Schedule",
        span=NOT_NEGATIVE,
    )
    min_lr: float = config_field(
        0.0048,
        "Learning rate at the end of the cosine. DeepCluster-v2 uses 0.0048.",
        group="Schedule",
        span=NOT_NEGATIVE,
    )
    start_lr: float = config_field(
        0.3, "Learning rate at the start of the warm-up. DeepCluster-v2 uses 0.3.", group="Schedule", span=NOT_NEGATIVE
    )
    warmup_epochs: float = config_field(
        10.0,
        "Epochs of linear warm-up of the learning rate. DeepCluster-v2 uses 10.",
        group="Schedule",
        span=NOT_NEGATIVE,
    )
    weight_decay: float = config_field(
        1e-6, "Weight decay. DeepCluster-v2 uses 1e-6.", group="Schedule", span=NOT_NEGATIVE
    )


class DeepCluster(Method):
    """Backbone, head with several sets of prototypes, memory (banks, rows, D) of this process, labels (heads, N)."""

    name = "deepcluster"
    backbone_prefix = "backbone."
    head_prefix = "head."
    per_process = ("memory", "memory_index")
    remedy = "lower --lr, raise --warmup-epochs, or lower --prototypes"
    memory: Tensor
    memory_index: Tensor
    assignments: Tensor

    def __init__(self, config: DeepClusterConfig, backbone: str, image_size: Size, recipe: Recipe) -> None:
        super().__init__(config, recipe)
        self.backbone = backbones.build(backbone, image_size, config.drop_path)
        counts = (config.prototypes,) * config.prototype_heads
        features = backbones.dimension(self.backbone, *crop_sizes(recipe, image_size))
        self.head = heads.SwavHead(features, counts, config.hidden, config.output, config.head_bn)
        self.rounds = config.rounds
        self.register_buffer("memory", torch.zeros(config.banks, 0, config.output))
        self.register_buffer("memory_index", torch.zeros(0, dtype=torch.long))
        self.register_buffer("assignments", torch.zeros(config.prototype_heads, 0, dtype=torch.long))
        self._row = 0

    def schedules(self, length: Length) -> Schedules:
        """Linear warm-up and cosine as in SwAV, not scaled by the batch; constant weight decay."""
        c = self.config
        lr = schedules.cosine(c.lr, c.min_lr, length.steps, length.of_epochs(c.warmup_epochs), c.start_lr)
        return Schedules(lr, np.full(length.steps, c.weight_decay))

    def optimizer(self) -> Optimizer:
        """SGD with LARC over all parameters in one group, or another optimiser with DINO's groups."""
        return parameter_groups.build(
            self.config.optimizer, parameter_groups.groups(self, decay_all=self.config.optimizer == "larc")
        )

    def start(self, length: Length) -> None:
        """Allocate a memory for the pictures that one process uses in an epoch.

        Raises ``TooFewPictures`` if K is larger than that, and ``InvalidArgument`` for ``rounds`` below 1, or above 1
        without ``refill``, because crops are stored once an epoch.
        """
        if self.config.rounds < 1:
            raise InvalidArgument(f"got --rounds {self.config.rounds}; use 1 or more")
        if self.config.rounds > 1 and not self.config.refill:
            raise InvalidArgument(
                f"--rounds {self.config.rounds} needs --refill, because crops are stored only once an epoch"
            )
        self._rows_per_step = length.batch // distributed.world_size()
        rows = length.per_epoch * self._rows_per_step
        if self.config.prototypes > rows:
            raise TooFewPictures(
                f"got --prototypes {self.config.prototypes}, but a process uses only {rows} pictures an epoch, and "
                "k-means needs a different picture for each; lower --prototypes or add pictures"
            )
        self.memory = self.memory.new_zeros(self.config.banks, rows, self.config.output)
        self.memory_index = self.memory_index.new_zeros(rows)
        self.assignments = self.assignments.new_full((self.config.prototype_heads, length.pictures), ABSENT)

    def begin_round(self, progress: Progress, data: TrainingData) -> Mapping[str, float]:
        """Cluster the memory and set the prototypes to the centroids.

        A separate pass fills the memory before the first round, and with ``refill`` before every round.
        """
        if progress.step == 0 or self.config.refill:
            self._fill(progress.epoch, data)
        before = self.assignments.clone()
        metrics: dict[str, float] = {}
        for number, prototypes in enumerate(self.head.prototypes):
            bank = self.memory[number % self.config.banks]
            start = distributed.broadcast(
                bank[torch.randperm(len(bank))[: cast(nn.Linear, prototypes).out_features].to(bank.device)]
            )
            labels, centroids = spherical_kmeans(bank, start, self.config.kmeans_iterations)
            cast(nn.Linear, prototypes).weight.data.copy_(centroids)
            self.assignments[number] = ABSENT
            self.assignments[number, distributed.all_gather(self.memory_index)] = distributed.all_gather(labels)
            metrics |= agreement.sizes(self.assignments[number], self.config.prototypes, f"head{number}_")
        if progress.step > 0:
            metrics["nmi_with_round_before"] = agreement.nmi(before[0], self.assignments[0])
        if data.labels is not None:
            metrics["nmi_with_labels"] = agreement.nmi(data.labels, self.assignments[0])
        return metrics

    def begin_step(self, progress: Progress) -> None:
        """Set the next row of the memory, so that a resumed epoch continues at the right row."""
        self._row = progress.step_in_epoch * self._rows_per_step

    def forward(self, crops: Sequence[Tensor], indices: Tensor) -> StepOutput:
        """Cross-entropy of every crop with the cluster of its picture; store the embeddings of the global crops."""
        embeddings = self.head.project(backbones.multi_crop(self.backbone, crops))
        if not self.config.refill:
            self._store(embeddings.detach().float(), indices)
        scores = [prototypes(embeddings).float() for prototypes in self.head.prototypes]
        losses = [
            F.cross_entropy(score / self.config.temperature, labels[indices].repeat(len(crops)), ignore_index=ABSENT)
            for score, labels in zip(scores, self.assignments, strict=True)
        ]
        loss = torch.stack(losses).mean()
        return StepOutput(loss, {"loss": loss.detach(), "used": agreement.prototypes_used(scores[0].detach())})

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

    def _fill(self, epoch: int, data: TrainingData) -> None:
        """Fill the memory from the pictures of ``epoch``, without gradient, in training mode (batch statistics)."""
        order, banks = data.order(epoch), self.config.banks
        self._row = 0
        with torch.no_grad():
            for number, batch in enumerate(np.split(order, len(order) // data.batch)):
                crops = [data.plain(batch)] if self.config.refill else data.crops(batch, seed=number)[:banks]
                with data.autocast():
                    embeddings = self.head.project(backbones.multi_crop(self.backbone, crops)).float()
                indices = torch.from_numpy(batch).to(self.memory.device)
                self._store(embeddings.repeat(banks // len(crops), 1), indices)

    def _store(self, embeddings: Tensor, indices: Tensor) -> None:
        rows = slice(self._row, self._row + len(indices))
        banks = self.config.banks
        new = embeddings[: banks * len(indices)].reshape(banks, len(indices), -1)
        finite = new.isfinite().all()  # a step that is not finite is skipped, and must not spoil the clusters
        self.memory[:, rows] = torch.where(finite, new, self.memory[:, rows])
        self.memory_index[rows] = torch.where(finite, indices, self.memory_index[rows])
        self._row += len(indices)
