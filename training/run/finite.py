"""Skip a step that is not finite, and tell whether the state of a run may replace its last checkpoint."""

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from training.hardware import compiler
from training.networks.finite import not_finite
from training.networks.input_sizes import in_eval


class BatchStatistics:
    """Copy of the running statistics of BatchNorm, which a forward pass changes, to undo a step that is skipped."""

    def __init__(self, method: nn.Module) -> None:
        layers = [module for module in method.modules() if isinstance(module, _NormBase)]
        self._buffers = [buffer for layer in layers for buffer in layer.buffers(recurse=False)]
        self._copies = [buffer.clone() for buffer in self._buffers]

    def restore(self) -> None:
        """Write the copies back."""
        for buffer, copy in zip(self._buffers, self._copies, strict=True):
            buffer.copy_(copy)


def step_is_finite(losses: Iterable[Tensor], norms: Tensor) -> bool:
    """Whether the losses of a step's micro-batches and the norms (T,) of its gradients are finite."""
    return bool(torch.cat([torch.stack(list(losses)), norms]).isfinite().all())


@torch.no_grad()
def fault(state: Mapping[str, Tensor], backbone: nn.Module, shape: Sequence[int]) -> str | None:
    """What is not finite in a state, in words, or ``None``: a tensor, or the features of the exported network.

    ``shape``: height and width of the pictures (pixels) that ``backbone`` is given. Finite weights can be so large
    that features are not. Random numbers come from a generator of their own, so a training does not depend on this.
    """
    if bad := not_finite(state):
        return f"{len(bad)} of {len(state)} tensors are not finite, such as {bad[0]}"
    pictures = torch.randn(2, 3, *shape, generator=torch.Generator().manual_seed(0))
    with in_eval(backbone), compiler.uncompiled(backbone):
        features = backbone(pictures.to(next(backbone.parameters()).device))
    return None if bool(features.isfinite().all()) else "the features of the network are not finite"
