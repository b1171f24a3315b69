"""The copy objective: edits of one picture together, different pictures apart (SSCD, Pizzi et al. 2022)."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from training import distributed
from training.config_field import config_field
from training.losses.infonce import copy_loss
from training.methods.method import Length, Method, Moment, Outcome
from training.networks import descriptors
from training.optim import parameter_groups, schedules
from training.optim.schedules import Schedules
from training.views.edited_pairs import EditRecipe


@dataclass(frozen=True)
class CopyConfig:
    """Every knob of the copy objective; the defaults are those of our pilot on two CPU cores."""

    dimension: int = config_field(512, "Length D of the descriptor. SSCD: 512.")
    power: float = config_field(3.0, "Exponent of the generalised mean over positions; 1: the plain mean. SSCD: 3.")
    temperature: float = config_field(0.05, "Temperature of InfoNCE. SSCD: .05.")
    entropy: float = config_field(
        3.0, "Weight of the entropy term, which spreads pictures. SSCD: 30; small batches: 3."
    )
    average: float = config_field(0.998, "Momentum of the averaged weights that are exported.")
    first_size: int = config_field(96, "Side of the views, in pixels, in the first part of the training.")
    grow_at: float = config_field(0.74, "Share of the training after which views have the full size.")
    mild: float = config_field(0.6, "Share of first views that are edited mildly.")
    lr: float = config_field(4e-3, "Peak learning rate, not scaled by the batch.")
    min_lr: float = config_field(1e-5, "Last learning rate.")
    warmup: float = config_field(0.02, "Share of the training with linear warm-up.")
    weight_decay: float = config_field(0.03, "Weight decay of matrices.")


class Copy(Method):
    """A descriptor network and the running average of its weights, which is exported."""

    name = "copy"
    backbone_prefix = "average.backbone."
    head_prefix = "average.project."

    def __init__(self, config: CopyConfig, backbone: str, image_size: int, recipe: EditRecipe) -> None:
        super().__init__(config, recipe)
        self.image_size = image_size
        self.descriptor = descriptors.build(backbone, image_size, config.dimension, config.power)
        self.average = deepcopy(self.descriptor).requires_grad_(False)

    def schedules(self, length: Length) -> Schedules:
        """A short warm-up and a cosine."""
        c = self.config
        lr = schedules.cosine(c.lr, c.min_lr, length.steps, round(c.warmup * length.steps))
        return Schedules(lr, np.full(length.steps, c.weight_decay))

    def optimizer(self) -> Optimizer:
        """AdamW over the descriptor network."""
        return parameter_groups.build("adamw", parameter_groups.groups(self.descriptor))

    def start(self, length: Length) -> None:
        """Remember the length: sizes and strengths follow the share that is done."""
        self._steps = length.steps
        self._prepare(0)

    def begin_step(self, moment: Moment) -> None:
        """Edits grow more frequent over the first 15 %, pictures larger at ``grow_at``."""
        self._prepare(moment.step)

    def forward(self, crops: Sequence[Tensor], numbers: Tensor) -> Outcome:
        """Loss of one batch over the embeddings of all processes: strangers are worth more than speed."""
        embeddings = F.normalize(self.descriptor(torch.cat(list(crops))).float(), dim=1)
        everyone = _with_others(embeddings)
        instances = distributed.concatenate(numbers.repeat(len(crops)))
        weight = self.config.entropy * min(1.0, self._done / 0.1 + 0.1)
        loss = copy_loss(everyone, instances, self.config.temperature, weight)
        figures = {"loss": loss.total.detach(), "infonce": loss.infonce.detach()}
        # The processes' gradients are averaged, while each holds only its own rows' share of the one loss.
        return Outcome(loss.total * distributed.world_size(), figures)

    @torch.no_grad()
    def after_update(self, moment: Moment) -> None:
        """The average follows; BatchNorm's own averages are copied."""
        momentum = min(self.config.average, (1 + moment.step) / (10 + moment.step))
        for mean, new in zip(self.average.parameters(), self.descriptor.parameters(), strict=True):
            mean.lerp_(new, 1 - momentum)
        for kept, new_buffer in zip(self.average.buffers(), self.descriptor.buffers(), strict=True):
            kept.copy_(new_buffer)

    def exported(self) -> nn.Module:
        """The averaged backbone."""
        return self.average.backbone

    def adopt(self, backbone: Mapping[str, Tensor]) -> None:
        """Start from a backbone that has already learned."""
        self.descriptor.backbone.load_state_dict(backbone)
        self.average.backbone.load_state_dict(backbone)

    def _prepare(self, step: int) -> None:
        self._done = step / self._steps
        size = self.config.first_size if self._done < self.config.grow_at else self.image_size
        self.recipe: EditRecipe = self.recipe.at(size, min(1.0, 0.5 + 0.5 * self._done / 0.15))


def _with_others(embeddings: Tensor) -> Tensor:
    """The embeddings of all processes (W * B, D); gradients flow into this process's rows alone."""
    if distributed.world_size() == 1:
        return embeddings
    parts = list(distributed.concatenate(embeddings).chunk(distributed.world_size()))
    parts[distributed.rank()] = embeddings
    return torch.cat(parts)
