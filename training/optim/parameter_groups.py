"""Parameter groups, gradient clipping and optimisers as the papers' code has them."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD, AdamW, Optimizer

from copysight.errors import InvalidArgument
from training.optim.larc import Larc
from training.optim.schedules import Schedules


def groups(module: nn.Module, alike: bool = False) -> list[dict[str, Any]]:
    """Two groups: weight-decayed, and not (biases, one-dimensional tensors). ``alike``: one decayed group of all.

    [CLS] token, position embedding and both halves of the weight-normed layer ARE decayed, as in DINO's released code;
    timm's rule would spare the first two.
    """
    if alike:
        return [{"params": [value for value in module.parameters() if value.requires_grad], "decayed": True}]
    decayed: list[Tensor] = []
    spared: list[Tensor] = []
    for name, parameter in module.named_parameters():
        if parameter.requires_grad:
            (spared if name.endswith(".bias") or parameter.ndim == 1 else decayed).append(parameter)
    return [{"params": decayed, "decayed": True}, {"params": spared, "decayed": False, "weight_decay": 0.0}]


def build(name: str, parameter_groups: list[dict[str, Any]]) -> Optimizer:
    """``adamw`` (betas .9, .999), ``sgd`` (momentum .9), ``lars`` or ``larc``; the loop sets lr and decay each step."""
    if name == "adamw":
        # One kernel for all: a sixth of the time of torch's default on a CPU, the same update.
        return AdamW(parameter_groups, lr=0.0, weight_decay=0.0, fused=True)
    if name == "sgd":
        return SGD(parameter_groups, lr=0.0, momentum=0.9)
    if name == "lars":
        return Lars(parameter_groups)
    if name == "larc":
        return Larc(parameter_groups)
    raise InvalidArgument(f"got optimiser {name!r}; choose adamw, sgd, lars or larc")


def set_step(optimizer: Optimizer, schedules: Schedules, step: int) -> None:
    """Give every group the learning rate of ``step``, and the decayed ones the weight decay."""
    for group in optimizer.param_groups:
        group["lr"] = float(schedules.lr[step])
        if group["decayed"]:
            group["weight_decay"] = float(schedules.weight_decay[step])


@torch.no_grad()
def clip(parameters: Iterable[Tensor], largest: float) -> None:
    """Scale EVERY gradient tensor by min(1, largest / (its own norm + 1e-6)): not the global norm."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    if not gradients:
        return
    norms = torch._foreach_norm(gradients)
    scales = [(largest / (norm + 1e-6)).clamp(max=1.0) for norm in norms]
    torch._foreach_mul_(gradients, scales)


class Lars(Optimizer):
    """DINO's LARS: g += wd p, g *= .001 |p| / |g| for tensors that are not one-dimensional; momentum .9; p -= lr mu.

    A tensor of norm 0 has ratio 1; one-dimensional tensors get neither decay nor ratio.
    """

    def __init__(self, parameters: Any, lr: float = 0.0, momentum: float = 0.9, eta: float = 0.001) -> None:
        super().__init__(parameters, {"lr": lr, "weight_decay": 0.0, "momentum": momentum, "eta": eta})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One update of every parameter that has a gradient."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, parameter.grad, group)

    def _update(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        if parameter.ndim != 1:
            gradient = gradient.add(parameter, alpha=group["weight_decay"])
            length, norm = parameter.norm(), gradient.norm()
            known = (length > 0) & (norm > 0)
            gradient = gradient * torch.where(known, group["eta"] * length / norm, torch.ones_like(length))
        state = self.state[parameter]
        if "mu" not in state:
            state["mu"] = torch.zeros_like(parameter)
        state["mu"].mul_(group["momentum"]).add_(gradient)
        parameter.add_(state["mu"], alpha=-group["lr"])
