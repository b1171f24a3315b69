"""DINO: self-distillation without labels; a student matches a momentum teacher across crops (Caron et al. 2021)."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from copysight.pictures.preprocess import Size
from training import distributed
from training.config_field import DROP, NOT_NEGATIVE, POSITIVE, PROTOTYPES, SHARE, WIDTH, Span, config_field
from training.losses.koleo import koleo
from training.losses.sinkhorn import sinkhorn
from training.methods.method import Length, Method, Progress, StepOutput, crop_sizes
from training.networks import backbones, heads
from training.optim import parameter_groups, schedules
from training.optim.schedules import Schedules
from training.views.multi_crop import Recipe


@dataclass(frozen=True)
class DinoConfig:
    """Config of DINO; the defaults are those of the released code."""

    prototypes: int = config_field(
        65536,
        "Number of prototypes K, the outputs of the head. DINO uses 65536; use 1024 to 8192 for small data.",
        span=PROTOTYPES,
    )
    hidden: int = config_field(2048, "Width of the hidden layers of the head. DINO uses 2048.", span=WIDTH)
    bottleneck: int = config_field(256, "Dimension before the last layer of the head. DINO uses 256.", span=WIDTH)
    head_bn: bool = config_field(False, "Use BatchNorm in the head. DINO does so only in its large-batch ResNet runs.")
    norm_last_layer: bool = config_field(
        True, "Keep the norm of prototypes at 1. DINO does; large batches do better without."
    )
    freeze_last_layer: float = config_field(
        1.0,
        "Number of first epochs in which the last layer is not trained. DINO uses 1.",
        group="Schedule",
        span=NOT_NEGATIVE,
    )
    momentum: float = config_field(
        0.996,
        "Momentum of the teacher at the start; it rises to 1 on a cosine. DINO uses 0.996, or 0.9995 at batch 256; use "
        "0.99 for small data.",
        group="Schedule",
        span=SHARE,
    )
    student_temperature: float = config_field(0.1, "Softmax temperature of the student. DINO uses 0.1.", span=POSITIVE)
    warmup_teacher_temperature: float = config_field(
        0.04,
        "Softmax temperature of the teacher at the start. DINO uses 0.04; use 0.02 against collapse.",
        group="Schedule",
        span=POSITIVE,
    )
    teacher_temperature: float = config_field(
        0.04,
        "Softmax temperature of the teacher after its warm-up. DINO uses 0.04, or 0.07 in long runs; use 0.02 with "
        "Sinkhorn on small data.",
        group="Schedule",
        span=POSITIVE,
    )
    warmup_teacher_epochs: int = config_field(
        0,
        "Epochs in which the teacher temperature rises linearly. DINO uses 0, or 30 in long runs.",
        group="Schedule",
        span=Span(0, 100_000),
    )
    centre_momentum: float = config_field(0.9, "Momentum of the centre. DINO uses 0.9.", span=SHARE)
    centring: str = config_field(
        "softmax-centre",
        "How targets are balanced between prototypes. DINO subtracts a centre; DINOv2 uses Sinkhorn-Knopp.",
        ("softmax-centre", "sinkhorn"),
    )
    koleo: float = config_field(
        0.0,
        "Weight of the KoLeo regulariser on the features of the global crops. DINO uses 0, DINOv2 0.1.",
        span=NOT_NEGATIVE,
    )
    drop_path: float = config_field(0.1, "Stochastic depth rate of a student ViT. DINO uses 0.1.", span=DROP)
    optimizer: str = config_field(
        "adamw",
        "Optimiser. DINO uses adamw for ViTs, and sgd or lars for ResNets.",
        ("adamw", "sgd", "lars"),
        group="Schedule",
    )
    lr: float = config_field(
        5e-4,
        "Peak learning rate for a batch of 256; it is scaled by batch / 256. DINO uses 5e-4.",
        group="Schedule",
        span=NOT_NEGATIVE,
    )
    min_lr: float = config_field(
        1e-6,
        "Learning rate at the end of the cosine. It is not scaled by the batch. DINO uses 1e-6.",
        group="Schedule",
        span=NOT_NEGATIVE,
    )
    warmup_epochs: float = config_field(
        10.0, "Epochs of linear warm-up of the learning rate. DINO uses 10.", group="Schedule", span=NOT_NEGATIVE
    )
    weight_decay: float = config_field(
        0.04, "Weight decay at the start. DINO uses 0.04.", group="Schedule", span=NOT_NEGATIVE
    )
    final_weight_decay: float = config_field(
        0.4, "Weight decay at the end; it follows a cosine. DINO uses 0.4.", group="Schedule", span=NOT_NEGATIVE
    )


class Network(nn.Module):
    """Backbone and head, with the tensor names of the released checkpoints."""

    def __init__(self, backbone: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.backbone, self.head = backbone, head

    def forward(self, crops: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """V crops to features (V * B, D) and logits (V * B, K), crop-major. The head runs once over all crops."""
        features = backbones.multi_crop(self.backbone, crops)
        return features, self.head(features)


class Dino(Method):
    """Student, teacher and centre. The centre (1, K) is a buffer, so that checkpoints hold it."""

    name = "dino"
    backbone_prefix = "teacher.backbone."
    head_prefix = "teacher.head."
    remedy = "lower --warmup-teacher-temperature, add --koleo 0.1, or use --centring sinkhorn"
    centre: Tensor

    def __init__(self, config: DinoConfig, backbone: str, image_size: Size, recipe: Recipe) -> None:
        super().__init__(config, recipe)
        self.uniform_entropy = math.log(config.prototypes)
        sizes = crop_sizes(recipe, image_size)
        self.student = _network(config, backbone, image_size, sizes, config.drop_path, config.norm_last_layer)
        self.teacher = _network(config, backbone, image_size, sizes, 0.0, norm_last_layer=True)
        self.register_buffer("centre", torch.zeros(1, config.prototypes))
        self.teacher.load_state_dict(self.student.state_dict())
        self.teacher.requires_grad_(False)
        self._temperature = config.warmup_teacher_temperature
        self._teacher_sum: Tensor | None = None
        self._teacher_rows = 0

    def schedules(self, length: Length) -> Schedules:
        """Learning rate scaled by batch / 256, with warm-up and cosine; weight decay on a cosine."""
        c = self.config
        peak = c.lr * length.batch / 256
        return Schedules(
            schedules.cosine(peak, c.min_lr, length.steps, length.of_epochs(c.warmup_epochs)),
            schedules.cosine(c.weight_decay, c.final_weight_decay, length.steps),
        )

    def optimizer(self) -> Optimizer:
        """The optimiser of the student; the teacher has none."""
        return parameter_groups.build(self.config.optimizer, parameter_groups.groups(self.student))

    def start(self, length: Length) -> None:
        """Compute the teacher momentum of every step and the teacher temperature of every epoch."""
        c = self.config
        self._momenta = schedules.cosine(c.momentum, 1.0, length.steps)
        self._temperatures = schedules.teacher_temperature(
            c.warmup_teacher_temperature, c.teacher_temperature, c.warmup_teacher_epochs, length.epochs
        )
        self._frozen_steps = length.of_epochs(c.freeze_last_layer)

    def scheduled(self, progress: Progress) -> Mapping[str, float]:
        """Momentum and temperature of the teacher."""
        temperature = float(self._temperatures[progress.epoch])
        return {"teacher momentum": float(self._momenta[progress.step]), "teacher temperature": temperature}

    def begin_step(self, progress: Progress) -> None:
        """Set the teacher temperature of the epoch; reset the sum of teacher logits."""
        self._temperature = float(self._temperatures[progress.epoch])
        self._teacher_sum, self._teacher_rows = None, 0

    def forward(self, crops: Sequence[Tensor], indices: Tensor) -> StepOutput:
        """Loss of one micro-batch. The teacher gets only the two global crops."""
        with torch.no_grad():
            _, teacher = self.teacher(crops[:2])
            teacher = teacher.float()
            self._accumulate_centre(teacher)
            target = self._target(teacher)
        features, student = self.student(crops)
        loss = cross_view_loss(student.float(), target, len(crops), self.config.student_temperature)
        metrics = {"loss": loss.detach(), "entropy": entropy(target)}
        metrics["kl"] = metrics["loss"] - metrics["entropy"]
        if self.config.koleo:
            first, second = features.chunk(len(crops))[:2]
            spread_loss = koleo(first) + koleo(second)
            metrics["koleo"] = spread_loss.detach()
            loss = loss + self.config.koleo * spread_loss
        return StepOutput(loss, metrics)

    def after_backward(self, progress: Progress) -> None:
        """Drop the gradients of the last layer while it is frozen; AdamW then applies no weight decay either."""
        if progress.step < self._frozen_steps:
            for parameter in self.student.head.last_layer.parameters():  # type: ignore[union-attr]
                parameter.grad = None

    @torch.no_grad()
    def after_update(self, progress: Progress) -> None:
        """Update teacher (parameters, not BatchNorm buffers) and centre once per optimiser step."""
        momentum = float(self._momenta[progress.step])
        update_teacher(self.teacher, self.student, momentum)
        if self._teacher_sum is not None and self.config.centring == "softmax-centre":
            total = distributed.all_reduce_sum(self._teacher_sum)
            mean = total / (self._teacher_rows * distributed.world_size())
            self.centre.lerp_(mean, 1 - self.config.centre_momentum)

    def exported_backbone(self) -> nn.Module:
        """The teacher's backbone."""
        return self.teacher.backbone

    def trained_networks(self) -> Sequence[nn.Module]:
        """The backbones of student and teacher."""
        return self.student.backbone, self.teacher.backbone

    def load_backbone(self, backbone: Mapping[str, Tensor]) -> None:
        """Initialise student and teacher with the weights of a pretrained backbone."""
        self.student.backbone.load_state_dict(backbone)
        self.teacher.backbone.load_state_dict(backbone)

    def _accumulate_centre(self, teacher: Tensor) -> None:
        total = teacher.sum(dim=0, keepdim=True)
        self._teacher_sum = total if self._teacher_sum is None else self._teacher_sum + total
        self._teacher_rows += len(teacher)

    def _target(self, teacher: Tensor) -> Tensor:
        if self.config.centring == "sinkhorn":
            return sinkhorn(teacher, self._temperature)
        return F.softmax((teacher - self.centre) / self._temperature, dim=-1)


def cross_view_loss(student: Tensor, target: Tensor, views: int, temperature: float) -> Tensor:
    """Cross-entropy of every student crop with both teacher crops except itself: mean over 2 (V - 1) pairs.

    ``student`` (V * B, K) logits, ``target`` (2 B, K) probabilities, both crop-major (Caron et al. 2021, eq. 3).
    """
    log_p = F.log_softmax(student / temperature, dim=-1).reshape(views, -1, student.shape[1])
    q = target.reshape(2, -1, target.shape[1])
    # For each teacher crop, the sum of log p over all other student crops: one product instead of a loop over pairs.
    rest = log_p.sum(dim=0) - log_p[:2]
    loss: Tensor = -(q * rest).sum(dim=-1).mean(dim=1).sum() / (2 * (views - 1))
    return loss


def entropy(probabilities: Tensor) -> Tensor:
    """Mean entropy in nats of rows (B, K)."""
    mean: Tensor = torch.special.entr(probabilities).sum(dim=-1).mean()
    return mean


@torch.no_grad()
def update_teacher(teacher: nn.Module, student: nn.Module, momentum: float) -> None:
    """Exponential moving average of the parameters: teacher <- m teacher + (1 - m) student."""
    old: list[Tensor] = list(teacher.parameters())
    new: list[Tensor] = [parameter.detach() for parameter in student.parameters()]
    torch._foreach_mul_(old, momentum)
    torch._foreach_add_(old, new, alpha=1 - momentum)


def _network(
    config: DinoConfig, backbone: str, image_size: Size, sizes: Sequence[Size], drop_path: float, norm_last_layer: bool
) -> Network:
    body = backbones.build(backbone, image_size, drop_path)
    return Network(body, head(config, backbones.dimension(body, *sizes), norm_last_layer))


def head(config: DinoConfig, features: int, norm_last_layer: bool = True) -> heads.DinoHead:
    """The head that ``config`` describes."""
    return heads.DinoHead(
        features, config.prototypes, config.hidden, config.bottleneck, 3, config.head_bn, norm_last_layer
    )
