"""The original DeepCluster: cluster all features, learn the clusters as classes, repeat (Caron et al. 2018)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import SGD, Optimizer

from copysight.errors import TooFewPictures, TrainingDiverged
from copysight.pictures.preprocess import Size
from training import distributed
from training.clusters import agreement, pseudo_labels
from training.config_field import ITERATIONS, NOT_NEGATIVE, PROTOTYPES, WIDTH, config_field
from training.methods.method import Ints, Length, Method, Progress, StepOutput, TrainingData, crop_sizes
from training.networks import backbones
from training.optim.schedules import Schedules
from training.views.multi_crop import Recipe


@dataclass(frozen=True)
class DeepClusterV1Config:
    """Config of the original DeepCluster; the defaults are those of the released code."""

    clusters: int = config_field(
        10_000, "Number of clusters K. DeepCluster uses 10000, about ten for each class.", span=PROTOTYPES
    )
    pca: int = config_field(
        256, "Dimension of features after PCA whitening, at most that of the network. DeepCluster uses 256.", span=WIDTH
    )
    kmeans_iterations: int = config_field(
        20, "Iterations of k-means before each epoch. DeepCluster uses 20.", span=ITERATIONS
    )
    lr: float = config_field(
        0.05,
        "Constant learning rate of backbone and classifier. DeepCluster uses 0.05.",
        group="Schedule",
        span=NOT_NEGATIVE,
    )
    weight_decay: float = config_field(
        1e-5, "Weight decay. DeepCluster uses 1e-5.", group="Schedule", span=NOT_NEGATIVE
    )


class DeepClusterV1(Method):
    """Backbone, and a classifier that is new in every epoch. Inputs are RGB; the paper's AlexNet used Sobel edges."""

    name = "deepcluster-v1"
    backbone_prefix = "backbone."
    head_prefix = "top."
    remedy = "lower --lr, or change --clusters"
    labels: Tensor

    def __init__(self, config: DeepClusterV1Config, backbone: str, image_size: Size, recipe: Recipe) -> None:
        super().__init__(config, recipe)
        self.backbone = backbones.build(backbone, image_size)
        features = backbones.dimension(self.backbone, *crop_sizes(recipe, image_size))
        self.top = nn.Linear(features, config.clusters)
        self.register_buffer("labels", torch.zeros(0, dtype=torch.long))

    def schedules(self, length: Length) -> Schedules:
        """Constant learning rate and weight decay."""
        return Schedules(np.full(length.steps, self.config.lr), np.full(length.steps, self.config.weight_decay))

    def optimizer(self) -> Optimizer:
        """SGD with momentum 0.9 for the backbone, and without momentum for the classifier, which is new each epoch."""
        body = {"params": list(self.backbone.parameters()), "decayed": True, "momentum": 0.9}
        groups: list[dict[str, Any]] = [body, {"params": list(self.top.parameters()), "decayed": True, "momentum": 0.0}]
        return SGD(groups, lr=0.0, fused=True)

    def start(self, length: Length) -> None:
        """Allocate the labels. Raises ``TooFewPictures`` if there are more clusters than pictures."""
        if self.config.clusters > length.pictures:
            raise TooFewPictures(
                f"got --clusters {self.config.clusters} for {length.pictures} pictures; lower --clusters"
            )
        self.labels = self.labels.new_full((length.pictures,), -1)

    def begin_round(self, progress: Progress, data: TrainingData) -> Mapping[str, float]:
        """Compute features of all pictures, PCA-whiten and cluster them; reset labels and classifier."""
        before = self.labels.clone()
        seed = int(torch.randint(2**31, (1,)))
        features = self._features(data)
        vectors = pseudo_labels.whiten(features, min(self.config.pca, features.shape[1]))
        rng = np.random.default_rng(seed)
        found = pseudo_labels.kmeans(vectors, self.config.clusters, self.config.kmeans_iterations, rng)
        # Labels are renumbered without gaps for empty clusters; the classifier keeps K outputs.
        renumbered = np.unique(found.labels, return_inverse=True)[1]
        self.labels.copy_(distributed.broadcast(torch.from_numpy(renumbered)))
        nn.init.normal_(self.top.weight, std=0.01)
        nn.init.zeros_(self.top.bias)
        metrics = agreement.sizes(self.labels, self.config.clusters)
        if progress.step > 0:
            metrics["nmi_with_round_before"] = agreement.nmi(before, self.labels)
        if data.labels is not None:
            metrics["nmi_with_labels"] = agreement.nmi(data.labels, self.labels)
        return metrics

    def order(self, epoch: int, rng: np.random.Generator) -> Ints:
        """The same number of pictures from each cluster."""
        return pseudo_labels.uniform_order(self.labels.cpu().numpy(), rng)

    def forward(self, crops: Sequence[Tensor], indices: Tensor) -> StepOutput:
        """Cross-entropy with the cluster of each picture."""
        logits = self.top(backbones.multi_crop(self.backbone, crops)).float()
        loss = F.cross_entropy(logits, self.labels[indices].repeat(len(crops)))
        return StepOutput(loss, {"loss": loss.detach(), "used": agreement.prototypes_used(logits.detach())})

    def exported_backbone(self) -> nn.Module:
        """The backbone."""
        return self.backbone

    def load_backbone(self, backbone: Mapping[str, Tensor]) -> None:
        """Initialise the backbone with the weights of a pretrained one."""
        self.backbone.load_state_dict(backbone)

    @torch.no_grad()
    def _features(self, data: TrainingData) -> npt.NDArray[np.float32]:
        """Features of all pictures, in eval mode and without augmentation: (N, D)."""
        self.backbone.eval()
        indices = np.arange(data.pictures)
        with data.autocast():
            parts = [
                self.backbone(data.plain(indices[start : start + data.batch])).float().cpu()
                for start in range(0, len(indices), data.batch)
            ]
        self.backbone.train()
        features: npt.NDArray[np.float32] = torch.cat(parts).numpy()
        if not np.isfinite(features).all():
            raise TrainingDiverged("the features of the network are not finite and cannot be clustered; lower --lr")
        return features
