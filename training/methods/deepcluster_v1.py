"""The original DeepCluster's loop (Caron et al. 2018): cluster all features, learn the clusters as classes, repeat."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import SGD, Optimizer

from copysight.errors import TooFewPictures, TrainingDiverged
from training import distributed
from training.clusters import agreement, pseudo_labels
from training.config_field import config_field
from training.methods.method import Ints, Length, Method, Moment, Outcome, Passes
from training.networks import backbones
from training.optim.schedules import Schedules
from training.views.multi_crop import Recipe


@dataclass(frozen=True)
class DeepClusterV1Config:
    """Every knob of the original DeepCluster; the defaults are those of the released code."""

    clusters: int = config_field(10_000, "Clusters K. DeepCluster: 10000, about ten per class.")
    pca: int = config_field(256, "Dimension after PCA-whitening; at most the network's. DeepCluster: 256.")
    kmeans_iterations: int = config_field(20, "Iterations of k-means before each epoch. DeepCluster: 20.")
    lr: float = config_field(0.05, "Learning rate of body and classifier, constant. DeepCluster: .05.")
    weight_decay: float = config_field(1e-5, "Weight decay. DeepCluster: 1e-5.")


class DeepClusterV1(Method):
    """Backbone and a classifier that is new in every epoch. timm networks see RGB, the paper's AlexNet saw edges."""

    name = "deepcluster-v1"
    backbone_prefix = "backbone."
    head_prefix = "top."
    remedy = "lower --lr, or change --clusters"
    labels: Tensor

    def __init__(self, config: DeepClusterV1Config, backbone: str, image_size: int, recipe: Recipe) -> None:
        super().__init__(config, recipe)
        self.backbone = backbones.build(backbone, image_size)
        self.top = nn.Linear(backbones.dimension(self.backbone), config.clusters)
        self.register_buffer("labels", torch.zeros(0, dtype=torch.long))

    def schedules(self, length: Length) -> Schedules:
        """Constant."""
        return Schedules(np.full(length.steps, self.config.lr), np.full(length.steps, self.config.weight_decay))

    def optimizer(self) -> Optimizer:
        """SGD; the body has momentum .9 over all epochs, the classifier, which is new each time, has none."""
        body = {"params": list(self.backbone.parameters()), "decayed": True, "momentum": 0.9}
        return SGD([body, {"params": list(self.top.parameters()), "decayed": True, "momentum": 0.0}], lr=0.0)

    def start(self, length: Length) -> None:
        """Raises ``TooFewPictures`` if there are more clusters than pictures."""
        if self.config.clusters > length.pictures:
            raise TooFewPictures(
                f"got --clusters {self.config.clusters} for {length.pictures} pictures; lower --clusters"
            )
        self.labels = self.labels.new_full((length.pictures,), -1)

    def begin_round(self, moment: Moment, passes: Passes) -> Mapping[str, float]:
        """Features of all pictures, PCA, k-means, new labels, new classifier."""
        before = self.labels.clone()
        seed = int(torch.randint(2**31, (1,)))
        features = self._features(passes)
        vectors = pseudo_labels.whiten(features, min(self.config.pca, features.shape[1]))
        rng = np.random.default_rng(seed)
        found = pseudo_labels.kmeans(vectors, self.config.clusters, self.config.kmeans_iterations, rng)
        # Labels are counted through, so that empty clusters leave no gap; the classifier keeps K outputs.
        counted = np.unique(found.labels, return_inverse=True)[1]
        self.labels.copy_(distributed.from_first(torch.from_numpy(counted)))
        nn.init.normal_(self.top.weight, std=0.01)
        nn.init.zeros_(self.top.bias)
        figures = agreement.sizes(self.labels, self.config.clusters)
        if moment.step > 0:
            figures["nmi_with_round_before"] = agreement.nmi(before, self.labels)
        if passes.labels is not None:
            figures["nmi_with_labels"] = agreement.nmi(passes.labels, self.labels)
        return figures

    def order(self, epoch: int, rng: np.random.Generator) -> Ints:
        """As many pictures from each cluster as from any other."""
        return pseudo_labels.uniform_order(self.labels.cpu().numpy(), rng)

    def forward(self, crops: Sequence[Tensor], numbers: Tensor) -> Outcome:
        """Cross-entropy with the picture's cluster."""
        logits = self.top(backbones.multi_crop(self.backbone, crops)).float()
        loss = F.cross_entropy(logits, self.labels[numbers].repeat(len(crops)))
        return Outcome(loss, {"loss": loss.detach(), "used": agreement.used(logits.detach())})

    def exported(self) -> nn.Module:
        """The backbone."""
        return self.backbone

    def adopt(self, backbone: Mapping[str, Tensor]) -> None:
        """Start from a backbone that has already learned."""
        self.backbone.load_state_dict(backbone)

    @torch.no_grad()
    def _features(self, passes: Passes) -> npt.NDArray[np.float32]:
        """Of every picture, in eval mode and unaugmented: (N, D)."""
        self.backbone.eval()
        numbers = np.arange(passes.pictures)
        with passes.autocast():
            parts = [
                self.backbone(passes.plain(numbers[start : start + passes.batch])).float().cpu()
                for start in range(0, len(numbers), passes.batch)
            ]
        self.backbone.train()
        features: npt.NDArray[np.float32] = torch.cat(parts).numpy()
        if not np.isfinite(features).all():
            raise TrainingDiverged("the network's features are not finite, so they cannot be clustered; lower --lr")
        return features
