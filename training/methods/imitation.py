"""Warm start: before a method begins, its backbone imitates one that has already learned. Ours, not the papers'.

A ViT from scratch learns nothing visible from tens of thousands of pictures, a small ResNet does. So the ViT first
copies the ResNet: one crop a picture, cosine and contrastive loss to the ResNet's whitened feature.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from training.checkpoints import pretrained
from training.data.pack import Pack
from training.methods.method import Length, Method, Outcome
from training.networks import backbones
from training.optim import parameter_groups, schedules
from training.optim.schedules import Schedules
from training.views import multi_crop
from training.views.edited_pairs import EditRecipe
from training.views.multi_crop import Crops, Recipe


@dataclass(frozen=True)
class ImitationConfig:
    """Knobs of the warm start; the defaults are those of our pilot."""

    lr: float = 1e-3
    min_lr: float = 1e-5
    warmup: float = 0.05
    weight_decay: float = 0.05
    temperature: float = 0.1
    contrast: float = 1.0
    optimizer: str = "adamw"


def recipe(size: int, like: Recipe | EditRecipe) -> Recipe:
    """One crop of ``size``, mild colour jitter; normalised as in the recipe of the method that follows."""
    crops = (Crops(size, (0.25, 1.0), (0.0,), (0.0,)),)
    return Recipe(crops, (0.3, 0.3, 0.2, 0.05), "bicubic", like.mean, like.std, grey_probability=0.1)


class Teacher(nn.Module):
    """A frozen backbone whose feature is whitened: (B, 3, S, S) to unit rows (B, D)."""

    mean: Tensor
    whitening: Tensor

    def __init__(self, backbone: nn.Module, mean: Tensor, whitening: Tensor) -> None:
        super().__init__()
        self.backbone = backbone.requires_grad_(False)
        self.register_buffer("mean", mean)
        self.register_buffer("whitening", whitening)

    def train(self, _: bool = True) -> "Teacher":
        """Always in eval mode, whatever is asked."""
        return super().train(False)

    @torch.no_grad()
    def forward(self, pictures: Tensor) -> Tensor:
        """Whitened features, rows of length 1."""
        return F.normalize((self.backbone(pictures).float() - self.mean) @ self.whitening, dim=1)


def whitening(features: Tensor, floor: float = 1e-2) -> tuple[Tensor, Tensor]:
    """Mean (D,) and ZCA-like matrix (D, D) that make ``features`` (N, D) uncorrelated; small variances are floored."""
    mean = features.mean(dim=0)
    centred = (features - mean).double()
    values, vectors = torch.linalg.eigh(centred.t() @ centred / len(features))
    scale = values.clamp(min=float(values.max()) * floor).rsqrt()
    return mean, (vectors * scale).float()


class Imitation(Method):
    """A method of the loop whose student learns another network's features."""

    name = "imitation"
    backbone_prefix = "student."
    head_prefix = "projection."

    def __init__(
        self, config: ImitationConfig, teacher: Teacher, backbone: str, image_size: int, recipe: Recipe
    ) -> None:
        super().__init__(config, recipe)
        self.teacher = teacher
        self.student = backbones.build(backbone, image_size)
        self.projection = nn.Linear(backbones.dimension(self.student), len(teacher.mean))

    def schedules(self, length: Length) -> Schedules:
        """A short warm-up and a cosine; the learning rate is not scaled by the batch."""
        c = self.config
        lr = schedules.cosine(c.lr, c.min_lr, length.steps, round(c.warmup * length.steps))
        return Schedules(lr, np.full(length.steps, c.weight_decay))

    def optimizer(self) -> Optimizer:
        """Over student and projection."""
        return parameter_groups.build(
            self.config.optimizer, parameter_groups.groups(nn.ModuleList([self.student, self.projection]))
        )

    def forward(self, crops: Sequence[Tensor], numbers: Tensor) -> Outcome:
        """Cosine distance to the teacher's feature, and telling it from the other pictures' of the batch."""
        target = self.teacher(crops[0])
        guess = F.normalize(self.projection(self.student(crops[0])).float(), dim=1)
        cosine = (guess * target).sum(dim=1).mean()
        own = torch.arange(len(guess), device=guess.device)
        contrast = F.cross_entropy(guess @ target.t() / self.config.temperature, own)
        loss = 1 - cosine + self.config.contrast * contrast
        return Outcome(loss, {"loss": loss.detach(), "cosine": cosine.detach(), "contrast": contrast.detach()})

    def exported(self) -> nn.Module:
        """The student."""
        return self.student

    def adopt(self, backbone: Mapping[str, Tensor]) -> None:
        """Start from a backbone that has already learned."""
        self.student.load_state_dict(backbone)


def teacher(source: Path, pack: Pack, recipe: Recipe, device: str, sample: int = 4096) -> Teacher:
    """The backbone at ``source`` (see ``trained``), its features whitened on ``sample`` pictures of ``pack``."""
    backbone = pretrained.backbone(source).to(device).eval()
    rng = np.random.default_rng(0)
    numbers = rng.permutation(len(pack))[:sample]
    features = []
    for chunk in np.array_split(numbers, max(1, len(numbers) // 64)):
        drawn = multi_crop.draw(recipe, pack.sizes[chunk], rng)
        pictures = [torch.from_numpy(pack.picture(int(number))) for number in chunk]
        with torch.no_grad():
            views = multi_crop.apply(recipe, pictures, drawn, torch.device(device))
            features.append(backbone(views[0]).float().cpu())
    return Teacher(backbone, *whitening(torch.cat(features)))
