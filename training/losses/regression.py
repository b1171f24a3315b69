"""Loss of distillation: embeddings and their similarities follow those of a teacher."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class RegressionLoss:
    """Scalars: ``total`` is minimised; ``cosine``, the mean similarity to the teacher, rises to 1."""

    total: Tensor
    cosine: Tensor


def regression_loss(embeddings: Tensor, targets: Tensor, relations: float = 5.0) -> RegressionLoss:
    """Loss of L2-normalised ``embeddings`` (B, D) for L2-normalised ``targets`` (B, D) of the same pictures.

    One minus the mean cosine, plus ``relations`` times the mean squared difference of the similarities of different
    rows (Park et al. 2019, relational knowledge distillation, section 3.2, with cosines). Computed in float32, also
    under autocast.
    """
    with torch.autocast(embeddings.device.type, enabled=False):
        own, wanted = embeddings.float(), targets.float()
        cosine = (own * wanted).sum(dim=1).mean()
        difference = own @ own.t() - wanted @ wanted.t()
        others = ~torch.eye(len(own), dtype=torch.bool, device=own.device)
        squared = (difference.square() * others).sum() / others.sum().clamp(min=1)
        return RegressionLoss(1 - cosine + relations * squared, cosine)
