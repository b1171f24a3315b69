"""Base of the methods that train a descriptor network on edited pictures: copy and distil."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from copysight.pictures.preprocess import Size, sides
from training.config_field import NOT_NEGATIVE, POSITIVE, SHARE, SIDE, STAGES, config_field
from training.methods.method import Length, Method, Progress
from training.networks import descriptors
from training.optim import frozen_stages, parameter_groups, schedules
from training.optim.schedules import Schedules
from training.views.edited_pairs import EditRecipe


@dataclass(frozen=True)
class DescriptorConfig:
    """The part of a config that the methods share; the defaults are those of our pilot on two CPU cores.

    A config of a method also has ``dimension`` D, that of the descriptor.
    """

    power: float = config_field(
        3.0, "Exponent of the generalised-mean pooling; 1 is the plain mean. SSCD uses 3.", span=POSITIVE
    )
    average: float = config_field(
        0.998, "Momentum of the averaged weights, which are exported. The default is ours.", span=SHARE
    )
    first_size: Size = config_field(
        96,
        "Side of the views in pixels, or height and width, in the first part of the training. The default is ours.",
        group="Schedule",
        span=SIDE,
    )
    grow_at: float = config_field(
        0.74,
        "Share of the training after which views have the full size. The default is ours.",
        group="Schedule",
        span=SHARE,
    )
    mild: float = config_field(
        0.6,
        "Probability of mild edits, instead of strong ones, for the first of two views. The default is ours.",
        span=SHARE,
    )
    lr: float = config_field(
        4e-3,
        "Peak learning rate. It is not scaled by the batch. The default is ours.",
        group="Schedule",
        span=NOT_NEGATIVE,
    )
    min_lr: float = config_field(
        1e-5, "Learning rate at the end of the cosine. The default is ours.", group="Schedule", span=NOT_NEGATIVE
    )
    warmup: float = config_field(
        0.02,
        "Share of the training with a linear warm-up of the learning rate. The default is ours.",
        group="Schedule",
        span=SHARE,
    )
    frozen: int = config_field(
        0,
        "Number of first stages of the network that are not trained, for a training that goes on from trained weights "
        "(--init). The first stage of a ResNet is its stem. The default is ours.",
        span=STAGES,
    )
    weight_decay: float = config_field(
        0.03,
        "Weight decay of all parameters but biases and 1-D tensors. The default is ours.",
        group="Schedule",
        span=NOT_NEGATIVE,
    )


class DescriptorMethod(Method):
    """A descriptor network and an exponential moving average of it. The average is exported."""

    backbone_prefix = "average.backbone."
    head_prefix = "average.project."
    memory: Tensor
    remembered: Tensor

    def __init__(self, config: Any, backbone: str, image_size: Size, recipe: EditRecipe) -> None:
        super().__init__(config, recipe)
        self.image_size = image_size
        self.descriptor = descriptors.build(backbone, image_size, config.dimension, config.power)
        descriptors.pooled_width(self.descriptor.backbone, config.first_size)  # raises if these views do not fit
        self.average = deepcopy(self.descriptor).requires_grad_(False)
        self._frozen = frozen_stages.freeze(self.descriptor.backbone, config.frozen)
        self.train()

    def train(self, mode: bool = True) -> Self:
        """Set the mode of all modules but the frozen ones, which stay in eval mode."""
        super().train(mode)
        for module in self._frozen:
            module.training = False
        return self

    def hold_memory(self, size: int, saved: bool = True) -> None:
        """Make an empty memory of ``size`` embeddings, and of the pictures that they show: -1 for rows without one."""
        self.register_buffer("memory", torch.zeros(size, self.config.dimension), persistent=saved)
        self.register_buffer("remembered", torch.full((size,), -1), persistent=saved)

    @torch.no_grad()
    def remember(self, embeddings: Tensor, instances: Tensor) -> None:
        """Put ``embeddings`` (B, D) of pictures ``instances`` (B,) in front of the memory; its oldest fall out."""
        size = len(self.memory)
        self.memory.copy_(torch.cat([embeddings, self.memory])[:size])
        self.remembered.copy_(torch.cat([instances, self.remembered])[:size])

    def schedules(self, length: Length) -> Schedules:
        """Linear warm-up and cosine; constant weight decay."""
        c = self.config
        lr = schedules.cosine(c.lr, c.min_lr, length.steps, round(c.warmup * length.steps))
        return Schedules(lr, np.full(length.steps, c.weight_decay))

    def optimizer(self) -> Optimizer:
        """AdamW over the descriptor network."""
        return parameter_groups.build("adamw", parameter_groups.groups(self.descriptor))

    def start(self, length: Length) -> None:
        """Store the length; view size and edit strength follow the share of the training that is done."""
        self._steps = length.steps
        self._prepare(0)

    def scheduled(self, progress: Progress) -> Mapping[str, float]:
        """Size of the views, and frequency of edits."""
        self._prepare(progress.step)
        return {"size of views": max(sides(self.recipe.size)), "frequency of edits": self.recipe.strength.probability}

    def recipe_at(self, step: int) -> EditRecipe:
        """Edits become more frequent over the first 15 % of the training, and views larger at ``grow_at``."""
        done = step / self._steps
        size = self.config.first_size if done < self.config.grow_at else self.image_size
        return self.recipe.at(size, min(1.0, 0.5 + 0.5 * done / 0.15))

    def begin_step(self, progress: Progress) -> None:
        """Set the recipe of the step."""
        self._prepare(progress.step)

    @torch.no_grad()
    def after_update(self, progress: Progress) -> None:
        """Update the average of the parameters; copy the buffers of BatchNorm."""
        momentum = min(self.config.average, (1 + progress.step) / (10 + progress.step))
        means: list[Tensor] = list(self.average.parameters())
        torch._foreach_lerp_(means, [new.detach() for new in self.descriptor.parameters()], 1 - momentum)
        for buffer, new_buffer in zip(self.average.buffers(), self.descriptor.buffers(), strict=True):
            buffer.copy_(new_buffer)

    def exported_backbone(self) -> nn.Module:
        """The backbone with averaged weights."""
        return self.average.backbone

    def trained_networks(self) -> Sequence[nn.Module]:
        """The descriptor network; its average runs in probes only."""
        return (self.descriptor,)

    def load_backbone(self, backbone: Mapping[str, Tensor]) -> None:
        """Initialise the backbone with the weights of a pretrained one."""
        self.descriptor.backbone.load_state_dict(backbone)
        self.average.backbone.load_state_dict(backbone)

    def load_head(self, rest: Mapping[str, Tensor]) -> Sequence[str]:
        """Initialise the linear layer with that of a descriptor network of the same shape, its average if there is one.

        Returns the names of its tensors.
        """
        ends = [name.removesuffix("weight") for name in rest if name.endswith("project.weight")]
        for end in sorted(ends, key=lambda name: "average" not in name):
            state = {name: rest[end + name] for name in ("weight", "bias") if end + name in rest}
            shapes = {name: value.shape for name, value in state.items()}
            if shapes == {name: value.shape for name, value in self.descriptor.project.state_dict().items()}:
                self.descriptor.project.load_state_dict(state)
                self.average.project.load_state_dict(state)
                return [end + name for name in state]
        return ()

    def _prepare(self, step: int) -> None:
        self._done = step / self._steps
        self.recipe: EditRecipe = self.recipe_at(step)
