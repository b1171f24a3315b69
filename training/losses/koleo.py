"""KoLeo regulariser: spread features over the sphere (Sablayrolles et al. 2019, section 3.3; used as in DINOv2)."""

import torch
import torch.nn.functional as F
from torch import Tensor

EPSILON = 1e-8


def koleo(features: Tensor) -> Tensor:
    """Scalar -mean_i log |x_i - x_nearest(i)| of features (B, D), which are L2-normalised here. 0 for B = 1.

    Apply it to each view separately, because two views of one picture should be near each other. Computed in float32,
    also under autocast.
    """
    with torch.autocast(features.device.type, enabled=False):
        x = F.normalize(features.float(), dim=-1, eps=EPSILON)
        if len(x) < 2:
            return x.sum() * 0
        distance = F.pairwise_distance(x, x[_nearest(x)], eps=EPSILON)
        return -(distance + EPSILON).log().mean()


@torch.no_grad()
def _nearest(x: Tensor) -> Tensor:
    cosines = x @ x.t()
    cosines.fill_diagonal_(-1)
    return cosines.argmax(dim=1)
