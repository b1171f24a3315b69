"""KoLeo: spread features over the sphere (Sablayrolles et al. 2019; weight and use as in DINOv2)."""

import torch
from torch import Tensor


def koleo(x: Tensor) -> Tensor:
    """-mean log distance to the nearest neighbour; ``x`` (B, D), rows of length 1."""
    with torch.no_grad():
        similarity = x @ x.t()
        similarity.fill_diagonal_(-1)
        nearest = similarity.argmax(dim=1)
    distance = torch.nn.functional.pairwise_distance(x, x[nearest], eps=1e-8)
    return -(distance + 1e-8).log().mean()
