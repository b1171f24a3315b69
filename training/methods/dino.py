"""DINO: self-distillation with no labels (Caron et al. 2021). A student matches a mean teacher across crops."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from training import distributed
from training.config_field import config_field
from training.losses.koleo import koleo
from training.losses.sinkhorn import sinkhorn
from training.methods.method import Length, Method, Moment, Outcome
from training.networks import backbones, heads
from training.optim import parameter_groups, schedules
from training.optim.schedules import Schedules
from training.views.multi_crop import Recipe


@dataclass(frozen=True)
class DinoConfig:
    """Every knob of DINO; the defaults are those of the released code."""

    prototypes: int = config_field(65536, "Outputs K of the head. DINO: 65536; on small data 1024 to 8192.")
    hidden: int = config_field(2048, "Width of the head's hidden layers. DINO: 2048.")
    bottleneck: int = config_field(256, "Width before the last layer. DINO: 256.")
    head_bn: bool = config_field(False, "BatchNorm in the head. DINO: off, on in its large-batch ResNet runs.")
    norm_last_layer: bool = config_field(
        True, "Keep prototypes at length 1. DINO: on; off is better with large batches."
    )
    freeze_last_layer: float = config_field(1.0, "Epochs without update of the last layer. DINO: 1.")
    momentum: float = config_field(
        0.996, "Teacher's first momentum; rises to 1. DINO: .996; .9995 at batch 256; small data .99."
    )
    student_temperature: float = config_field(0.1, "Softmax temperature of the student. DINO: .1.")
    warmup_teacher_temperature: float = config_field(
        0.04, "Teacher's first temperature. DINO: .04; .02 against collapse."
    )
    teacher_temperature: float = config_field(
        0.04, "Teacher's temperature after its warm-up. DINO: .04; .07 in long runs; with Sinkhorn on small data .02."
    )
    warmup_teacher_epochs: int = config_field(
        0, "Epochs from the one to the other, a value per epoch. DINO: 0; 30 in long runs."
    )
    centre_momentum: float = config_field(0.9, "Momentum of the centre. DINO: .9.")
    centring: str = config_field(
        "softmax-centre",
        "How targets are balanced: DINO's centre, or Sinkhorn-Knopp as in DINOv2.",
        ("softmax-centre", "sinkhorn"),
    )
    koleo: float = config_field(0.0, "Weight of KoLeo on the features of both global crops. DINO: 0; DINOv2: .1.")
    drop_path: float = config_field(0.1, "Stochastic depth of a student ViT. DINO: .1.")
    optimizer: str = config_field("adamw", "DINO: adamw; sgd or lars for ResNets.", ("adamw", "sgd", "lars"))
    lr: float = config_field(5e-4, "Peak learning rate per 256 pictures of batch. DINO: 5e-4.")
    min_lr: float = config_field(1e-6, "Last learning rate, not scaled. DINO: 1e-6.")
    warmup_epochs: float = config_field(10.0, "Epochs of linear warm-up. DINO: 10.")
    weight_decay: float = config_field(0.04, "First weight decay. DINO: .04.")
    final_weight_decay: float = config_field(0.4, "Last weight decay, on a cosine. DINO: .4.")


class Network(nn.Module):
    """Backbone and head under the names of the released checkpoints."""

    def __init__(self, backbone: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.backbone, self.head = backbone, head

    def forward(self, crops: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Crops to features (V * B, D) and logits (V * B, K), crop-major; the head sees all crops at once."""
        features = backbones.multi_crop(self.backbone, crops)
        return features, self.head(features)


class Dino(Method):
    """Student, teacher and centre. The centre is a buffer, so that it is saved with the rest."""

    name = "dino"
    backbone_prefix = "teacher.backbone."
    head_prefix = "teacher.head."
    remedy = "lower --warmup-teacher-temperature, add --koleo 0.1, or use --centring sinkhorn"
    centre: Tensor

    def __init__(self, config: DinoConfig, backbone: str, image_size: int, recipe: Recipe) -> None:
        super().__init__(config, recipe)
        self.uniform_entropy = math.log(config.prototypes)
        self.student = _network(config, backbone, image_size, config.drop_path, config.norm_last_layer)
        self.teacher = _network(config, backbone, image_size, 0.0, norm_last_layer=True)
        self.register_buffer("centre", torch.zeros(1, config.prototypes))
        self.teacher.load_state_dict(self.student.state_dict())
        self.teacher.requires_grad_(False)
        self._temperature = config.warmup_teacher_temperature
        self._teacher_sum: Tensor | None = None
        self._teacher_rows = 0

    def schedules(self, length: Length) -> Schedules:
        """Learning rate scaled by batch / 256 with warm-up; weight decay on a cosine."""
        c = self.config
        peak = c.lr * length.batch / 256
        return Schedules(
            schedules.cosine(peak, c.min_lr, length.steps, length.of_epochs(c.warmup_epochs)),
            schedules.cosine(c.weight_decay, c.final_weight_decay, length.steps),
        )

    def optimizer(self) -> Optimizer:
        """Over the student only."""
        return parameter_groups.build(self.config.optimizer, parameter_groups.groups(self.student))

    def start(self, length: Length) -> None:
        """Lay out momentum per step and teacher temperature per epoch; the first teacher is the student."""
        c = self.config
        self._momenta = schedules.cosine(c.momentum, 1.0, length.steps)
        self._temperatures = schedules.teacher_temperature(
            c.warmup_teacher_temperature, c.teacher_temperature, c.warmup_teacher_epochs, length.epochs
        )
        self._frozen_steps = length.of_epochs(c.freeze_last_layer)

    def begin_step(self, moment: Moment) -> None:
        """Temperature of the epoch; forget the teacher rows of the step before."""
        self._temperature = float(self._temperatures[moment.epoch])
        self._teacher_sum, self._teacher_rows = None, 0

    def forward(self, crops: Sequence[Tensor], numbers: Tensor) -> Outcome:
        """Loss of one micro-batch; the teacher sees the two global crops only."""
        with torch.no_grad():
            _, teacher = self.teacher(crops[:2])
            teacher = teacher.float()
            self._observe(teacher)
            target = self._target(teacher)
        features, student = self.student(crops)
        loss = cross_view_loss(student.float(), target, len(crops), self.config.student_temperature)
        figures = {"loss": loss.detach(), "entropy": entropy(target)}
        figures["kl"] = figures["loss"] - figures["entropy"]
        if self.config.koleo:
            first, second = features.chunk(len(crops))[:2]
            spread = koleo(first) + koleo(second)
            figures["koleo"] = spread.detach()
            loss = loss + self.config.koleo * spread
        return Outcome(loss, figures)

    def after_backward(self, moment: Moment) -> None:
        """Freeze the last layer early on: without a gradient AdamW leaves it wholly alone, decay included."""
        if moment.step < self._frozen_steps:
            for parameter in self.student.head.last_layer.parameters():  # type: ignore[union-attr]
                parameter.grad = None

    @torch.no_grad()
    def after_update(self, moment: Moment) -> None:
        """Teacher (parameters, not BatchNorm buffers) and centre move once per optimiser step."""
        momentum = float(self._momenta[moment.step])
        follow(self.teacher, self.student, momentum)
        if self._teacher_sum is not None and self.config.centring == "softmax-centre":
            total = distributed.total(self._teacher_sum)
            mean = total / (self._teacher_rows * distributed.world_size())
            self.centre.lerp_(mean, 1 - self.config.centre_momentum)

    def exported(self) -> nn.Module:
        """The teacher's backbone."""
        return self.teacher.backbone

    def adopt(self, backbone: Mapping[str, Tensor]) -> None:
        """Start student and teacher from a backbone that has already learned."""
        self.student.backbone.load_state_dict(backbone)
        self.teacher.backbone.load_state_dict(backbone)

    def _observe(self, teacher: Tensor) -> None:
        total = teacher.sum(dim=0, keepdim=True)
        self._teacher_sum = total if self._teacher_sum is None else self._teacher_sum + total
        self._teacher_rows += len(teacher)

    def _target(self, teacher: Tensor) -> Tensor:
        if self.config.centring == "sinkhorn":
            return sinkhorn(teacher, self._temperature)
        return F.softmax((teacher - self.centre) / self._temperature, dim=-1)


def cross_view_loss(student: Tensor, target: Tensor, views: int, temperature: float) -> Tensor:
    """Cross-entropy of every student crop with both teacher crops, save the same crop: the mean over 2 (V - 1) pairs.

    ``student`` (V * B, K) logits, ``target`` (2 B, K) probabilities, both crop-major (Caron et al. 2021, eq. 3).
    """
    log_p = F.log_softmax(student / temperature, dim=-1).reshape(views, -1, student.shape[1])
    q = target.reshape(2, -1, target.shape[1])
    # The sum over all crops but the teacher's own, per teacher crop: linear in log p, so one product does for all.
    rest = log_p.sum(dim=0) - log_p[:2]
    loss: Tensor = -(q * rest).sum(dim=-1).mean(dim=1).sum() / (2 * (views - 1))
    return loss


def entropy(probabilities: Tensor) -> Tensor:
    """Mean entropy in nats of rows (B, K)."""
    mean: Tensor = torch.special.entr(probabilities).sum(dim=-1).mean()
    return mean


@torch.no_grad()
def follow(teacher: nn.Module, student: nn.Module, momentum: float) -> None:
    """Exponential moving average of the parameters: teacher <- m teacher + (1 - m) student."""
    old: list[Tensor] = list(teacher.parameters())
    new: list[Tensor] = [parameter.detach() for parameter in student.parameters()]
    torch._foreach_mul_(old, momentum)
    torch._foreach_add_(old, new, alpha=1 - momentum)


def _network(config: DinoConfig, backbone: str, image_size: int, drop_path: float, norm_last_layer: bool) -> Network:
    body = backbones.build(backbone, image_size, drop_path)
    return Network(body, head(config, backbones.dimension(body), norm_last_layer))


def head(config: DinoConfig, features: int, norm_last_layer: bool = True) -> heads.DinoHead:
    """The head that ``config`` describes."""
    return heads.DinoHead(
        features, config.prototypes, config.hidden, config.bottleneck, 3, config.head_bn, norm_last_layer
    )
