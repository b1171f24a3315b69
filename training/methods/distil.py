"""The distil method: a student network learns the embeddings of exported bundles by regression.

The papers have no such step. It needs neither pairs nor large batches: teachers and student see the same edited view.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from copysight.model.bundle import Bundle
from copysight.model.embedder import Embedder, Runtime, first_provider
from copysight.pictures.preprocess import Size
from training.config_field import MEMORY, NOT_NEGATIVE, POSITIVE, config_field
from training.losses.infonce import matching_loss
from training.losses.regression import regression_loss
from training.methods.descriptor_method import DescriptorConfig, DescriptorMethod
from training.methods.method import StepOutput
from training.views.edited_pairs import EditRecipe


@dataclass(frozen=True)
class DistilConfig(DescriptorConfig):
    """Config of the distil method; the defaults are those of our pilot on two CPU cores.

    ``dimension``: D of the descriptor, the sum of the teachers' dimensions.
    """

    teachers: tuple[str, ...] = config_field(
        ("default",),
        "Bundle whose embeddings are learned. Repeat the option for several. The default is ours: the bundle that "
        "comes with the package.",
        flag="--teacher",
    )
    relations: float = config_field(
        5.0,
        "Weight of the squared differences between the similarities of a batch and those of the teachers. "
        "The default is ours.",
        span=NOT_NEGATIVE,
    )
    contrast: float = config_field(
        0.0,
        "Weight of an InfoNCE loss: a view must find the teachers' embedding of the other view of its picture among "
        "those of other pictures. The default is ours.",
        span=NOT_NEGATIVE,
    )
    temperature: float = config_field(0.05, "Temperature of the InfoNCE loss. SSCD uses 0.05.", span=POSITIVE)
    memory: int = config_field(
        16384,
        "Number of the teachers' last embeddings that the InfoNCE loss has as other pictures, beside those of the "
        "batch. MoCo uses 65536. The default is ours.",
        span=MEMORY,
    )
    dimension: int = 0


class Teachers:
    """Frozen bundles that embed views by ONNX Runtime. ``recipe`` says how views are normalised."""

    def __init__(self, bundles: Sequence[Bundle], recipe: EditRecipe) -> None:
        self.bundles = tuple(bundles)
        self._mean, self._std = (torch.tensor(values).view(3, 1, 1) for values in (recipe.mean, recipe.std))
        self._embedders = [Embedder(bundle, _runtime(bundle)) for bundle in bundles]

    @property
    def dimension(self) -> int:
        """Dimension D of the joint embedding."""
        return sum(bundle.dimension for bundle in self.bundles)

    @torch.no_grad()
    def embed(self, views: Tensor) -> Tensor:
        """Joint embeddings (B, D) of views (B, 3, S, S), L2-normalised: similarities are the means of the teachers'."""
        pixels = ((views.cpu().float() * self._std + self._mean) * 255).round().clamp(0, 255).byte()
        pictures = [Image.fromarray(view) for view in pixels.permute(0, 2, 3, 1).contiguous().numpy()]
        joint = np.concatenate([embedder.embed(pictures) for embedder in self._embedders], axis=1)
        return torch.from_numpy(joint / np.sqrt(len(self._embedders), dtype=np.float32)).to(views.device)


class Distil(DescriptorMethod):
    """A descriptor network learns the joint embedding of its teachers."""

    name = "distil"

    def __init__(
        self, config: DistilConfig, teachers: Teachers, backbone: str, image_size: Size, recipe: EditRecipe
    ) -> None:
        # A resume compares the config: ids, because another bundle may lie at the same path.
        known = replace(config, teachers=tuple(one.id for one in teachers.bundles), dimension=teachers.dimension)
        super().__init__(known, backbone, image_size, recipe)
        self.teachers = teachers
        # Frozen teachers: an embedding in memory is never out of date.
        self.hold_memory(config.memory if config.contrast else 0)
        self.taught_by = [{"name": one.name, "id": one.id, "licence": one.licence} for one in teachers.bundles]

    def forward(self, crops: Sequence[Tensor], indices: Tensor) -> StepOutput:
        """Loss of the two views of each picture of a batch."""
        views = torch.cat(list(crops))
        predicted = F.normalize(self.descriptor(views).float(), dim=1)
        wanted = self.teachers.embed(views)
        loss = regression_loss(predicted, wanted, self.config.relations)
        metrics = {"loss": loss.total.detach(), "cosine": loss.cosine.detach()}
        if not self.config.contrast:
            return StepOutput(loss.total, metrics)
        instances = indices.repeat(len(crops))
        others = wanted.roll(len(indices), dims=0)
        contrast = matching_loss(predicted, others, instances, self.memory, self.remembered, self.config.temperature)
        self.remember(wanted, instances)
        total = loss.total + self.config.contrast * contrast
        return StepOutput(total, {**metrics, "loss": total.detach(), "infonce": contrast.detach()})


def _runtime(bundle: Bundle) -> Runtime:
    return Runtime(torch.get_num_threads(), bundle.default_variant, first_provider(bundle))
