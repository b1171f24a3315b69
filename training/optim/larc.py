"""The LARC optimiser of SwAV: SGD whose step on each tensor is proportional to the norm of that tensor."""

from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

EPSILON = 1e-8


class Larc(Optimizer):
    """g <- (g + wd p) * trust |p| / (|g| + wd |p| + 1e-8); mu <- momentum mu + g; p <- p - lr mu.

    It applies to EVERY tensor, also to biases and BatchNorm. If the norm of a tensor or of its gradient is 0, the plain
    gradient is used, without decay. Source: You et al. 2017, as in apex with ``clip=False``. DINO's LARS differs: it
    leaves out 1-D tensors and divides by |g + wd p|.
    """

    def __init__(self, parameters: Any, lr: float = 0.0, momentum: float = 0.9, trust: float = 0.001) -> None:
        super().__init__(parameters, {"lr": lr, "weight_decay": 0.0, "momentum": momentum, "trust": trust})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # noqa: ARG002
        """One update of every parameter that has a gradient."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, parameter.grad, group)

    def _update(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        decay = group["weight_decay"]
        length, norm = parameter.norm(), gradient.norm()
        rate = group["trust"] * length / (norm + decay * length + EPSILON)
        # torch.where instead of if: no synchronisation with the device.
        gradient = torch.where((length > 0) & (norm > 0), (gradient + decay * parameter) * rate, gradient)
        state = self.state[parameter]
        if "mu" not in state:
            state["mu"] = torch.zeros_like(parameter)
        state["mu"].mul_(group["momentum"]).add_(gradient)
        parameter.add_(state["mu"], alpha=-group["lr"])
