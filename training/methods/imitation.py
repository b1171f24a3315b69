"""Warm start: train a backbone to imitate the features of a pretrained one. The papers have no such step.

From scratch, a ViT learns hardly anything from tens of thousands of pictures, but a small ResNet does. So the ViT first
imitates the ResNet: one crop per picture, cosine and contrastive loss to the whitened features of the ResNet.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from copysight.pictures.preprocess import Size
from training.checkpoints import pretrained
from training.data.pack import Pack
from training.methods.method import Length, Method, StepOutput
from training.networks import backbones
from training.optim import parameter_groups, schedules
from training.optim.schedules import Schedules
from training.views import multi_crop
from training.views.edited_pairs import EditRecipe
from training.views.multi_crop import Crops, Recipe


@dataclass(frozen=True)
class ImitationConfig:
    """Config of the warm start; the defaults are those of our pilot."""

    lr: float = 1e-3
    min_lr: float = 1e-5
    warmup: float = 0.05
    weight_decay: float = 0.05
    temperature: float = 0.1
    contrast: float = 1.0
    optimizer: str = "adamw"


def recipe(size: Size, like: Recipe | EditRecipe) -> Recipe:
    """One crop of ``size`` with mild colour jitter, normalised as in the recipe of the method that follows."""
    crops = (Crops(size, (0.25, 1.0), (0.0,), (0.0,)),)
    return Recipe(crops, (0.3, 0.3, 0.2, 0.05), "bicubic", like.mean, like.std, grey_probability=0.1)


class Teacher(nn.Module):
    """A frozen backbone with whitened features: pictures (B, 3, S, S) to L2-normalised rows (B, D)."""

    mean: Tensor
    whitening: Tensor

    def __init__(self, backbone: nn.Module, mean: Tensor, whitening: Tensor) -> None:
        super().__init__()
        self.backbone = backbone.requires_grad_(False)
        self.register_buffer("mean", mean)
        self.register_buffer("whitening", whitening)

    def train(self, _: bool = True) -> "Teacher":
        """Stay in eval mode."""
        return super().train(False)

    @torch.no_grad()
    def forward(self, pictures: Tensor) -> Tensor:
        """Whitened features (B, D), L2-normalised."""
        return F.normalize((self.backbone(pictures).float() - self.mean) @ self.whitening, dim=1)


def whitening(features: Tensor, floor: float = 1e-2) -> tuple[Tensor, Tensor]:
    """Mean (D,) and whitening matrix (D, D) of ``features`` (N, D). ``floor``: least share of the largest variance."""
    mean = features.mean(dim=0)
    centred = (features - mean).double()
    values, vectors = torch.linalg.eigh(centred.t() @ centred / len(features))
    scale = values.clamp(min=float(values.max()) * floor).rsqrt()
    return mean, (vectors * scale).float()


class Imitation(Method):
    """A method whose student learns the features of another network."""

    name = "imitation"
    backbone_prefix = "student."
    head_prefix = "projection."

    def __init__(
        self, config: ImitationConfig, teacher: Teacher, backbone: str, image_size: Size, recipe: Recipe
    ) -> None:
        super().__init__(config, recipe)
        self.teacher = teacher
        self.student = backbones.build(backbone, image_size)
        self.projection = nn.Linear(backbones.dimension(self.student, image_size), len(teacher.mean))

    def schedules(self, length: Length) -> Schedules:
        """Linear warm-up and cosine, not scaled by the batch; constant weight decay."""
        c = self.config
        lr = schedules.cosine(c.lr, c.min_lr, length.steps, round(c.warmup * length.steps))
        return Schedules(lr, np.full(length.steps, c.weight_decay))

    def optimizer(self) -> Optimizer:
        """The optimiser of student and projection."""
        return parameter_groups.build(
            self.config.optimizer, parameter_groups.groups(nn.ModuleList([self.student, self.projection]))
        )

    def forward(self, crops: Sequence[Tensor], indices: Tensor) -> StepOutput:
        """Cosine distance to the teacher's feature, plus a contrastive loss against the other pictures of the batch."""
        target = self.teacher(crops[0])
        predicted = F.normalize(self.projection(self.student(crops[0])).float(), dim=1)
        cosine = (predicted * target).sum(dim=1).mean()
        own = torch.arange(len(predicted), device=predicted.device)
        contrast = F.cross_entropy(predicted @ target.t() / self.config.temperature, own)
        loss = 1 - cosine + self.config.contrast * contrast
        return StepOutput(loss, {"loss": loss.detach(), "cosine": cosine.detach(), "contrast": contrast.detach()})

    def exported_backbone(self) -> nn.Module:
        """The student."""
        return self.student

    def trained_networks(self) -> Sequence[nn.Module]:
        """Student and teacher."""
        return self.student, self.teacher.backbone

    def load_backbone(self, backbone: Mapping[str, Tensor]) -> None:
        """Initialise the backbone with the weights of a pretrained one."""
        self.student.load_state_dict(backbone)


def teacher(source: Path, pack: Pack, recipe: Recipe, device: str, sample: int = 4096) -> Teacher:
    """The backbone of ``source`` (see ``pretrained``), with features whitened on ``sample`` pictures of ``pack``."""
    backbone = pretrained.backbone(source).to(device).eval()
    rng = np.random.default_rng(0)
    indices = rng.permutation(len(pack))[:sample]
    features = []
    for chunk in np.array_split(indices, max(1, len(indices) // 64)):
        parameters = multi_crop.sample(recipe, pack.sizes[chunk], rng)
        pictures = [torch.from_numpy(pack.picture(int(index))) for index in chunk]
        with torch.no_grad():
            views = multi_crop.apply(recipe, pictures, parameters, torch.device(device))
            features.append(backbone(views[0]).float().cpu())
    return Teacher(backbone, *whitening(torch.cat(features)))
