"""Mend the gradient of strided convolutions in bf16 on a CPU whose input is narrower than their stride.

oneDNN 3.13 (in torch 2.15) on a processor with AVX512-BF16: the weights that only meet padding get the content of
memory that nobody wrote, in place of 0. The last stage of a ResNet has such maps if crops are small (16 px).
"""

import torch.nn.functional as F
from torch import Tensor, nn


class PaddedConv2d(nn.Conv2d):
    """The same convolution; a map that is narrower than the stride is padded before it, which the kernel takes well."""

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, C, height, width) to maps, as ``nn.Conv2d``."""
        if isinstance(self.padding, str) or all(
            side >= step for side, step in zip(x.shape[-2:], self.stride, strict=True)
        ):
            return super().forward(x)
        above, left = self.padding
        padded = F.pad(x, (left, left, above, above))
        return F.conv2d(padded, self.weight, self.bias, self.stride, 0, self.dilation, self.groups)


def mend(network: nn.Module) -> None:
    """Replace the plain strided convolutions of a network, in place. Weights and their names stay."""
    for module in network.modules():
        if type(module) is nn.Conv2d and max(module.stride) > 1 and module.padding_mode == "zeros":
            module.__class__ = PaddedConv2d
