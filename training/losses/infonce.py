"""The loss of copy detection: InfoNCE among copies, and an entropy term that pushes strangers apart (SSCD)."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class CopyLoss:
    """Scalars: ``total`` to minimise, and its parts ``infonce`` and ``entropy`` (the latter already weighted)."""

    total: Tensor
    infonce: Tensor
    entropy: Tensor


def copy_loss(
    embeddings: Tensor, instances: Tensor, temperature: float = 0.05, entropy_weight: float = 30.0
) -> CopyLoss:
    """Loss of L2-normalised ``embeddings`` (B, D), where rows of equal ``instances`` (B,) are copies of one picture.

    InfoNCE: every pair of copies competes with all strangers, not with other copies. Entropy: minus the mean log
    distance to the nearest stranger (Pizzi et al. 2022, section 4; weight 30 there). float32 also in autocast.
    """
    with torch.autocast(embeddings.device.type, enabled=False):
        similarity = embeddings.float() @ embeddings.float().t()
        copies = instances[:, None] == instances[None, :]
        infonce = _infonce(similarity / temperature, copies)
        entropy = entropy_weight * _closeness(similarity.masked_fill(copies, -1.0))
        return CopyLoss(infonce + entropy, infonce, entropy)


def _infonce(logits: Tensor, copies: Tensor) -> Tensor:
    # -log(e^a / (e^a + sum of strangers + 1e-6)) = softplus(log(sum + 1e-6) - a): no exp can overflow.
    guard = logits.new_full((len(logits), 1), 1e-6).log()
    strangers = torch.cat([logits.masked_fill(copies, -torch.inf), guard], dim=1).logsumexp(dim=1, keepdim=True)
    others = copies & ~torch.eye(len(copies), dtype=torch.bool, device=copies.device)
    return (F.softplus(strangers - logits) * others).sum() / len(logits)


def _closeness(strangers: Tensor) -> Tensor:
    """-mean log distance to the nearest: cosines (B, B) with -1 where there is no stranger."""
    return -(2 - 2 * strangers.amax(dim=1)).clamp(min=1e-6).sqrt().log().mean()
