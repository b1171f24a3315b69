"""Loss of copy detection (SSCD): InfoNCE between copies, and an entropy term that spreads different pictures."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class CopyLoss:
    """Scalars: ``total`` is minimised; ``infonce`` and ``entropy`` (already weighted) are its two parts."""

    total: Tensor
    infonce: Tensor
    entropy: Tensor


def copy_loss(
    embeddings: Tensor, instances: Tensor, temperature: float = 0.05, entropy_weight: float = 30.0
) -> CopyLoss:
    """Loss of L2-normalised ``embeddings`` (B, D); rows with equal ``instances`` (B,) are copies of one picture.

    InfoNCE: each pair of copies is compared with all negatives (different pictures), not with other copies. Entropy:
    minus the mean log distance to the nearest negative (Pizzi et al. 2022, section 4, where its weight is 30). Computed
    in float32, also under autocast.
    """
    with torch.autocast(embeddings.device.type, enabled=False):
        similarity = embeddings.float() @ embeddings.float().t()
        copies = instances[:, None] == instances[None, :]
        infonce = _infonce(similarity / temperature, copies)
        entropy = entropy_weight * _entropy_term(similarity.masked_fill(copies, -1.0))
        return CopyLoss(infonce + entropy, infonce, entropy)


def _infonce(logits: Tensor, copies: Tensor) -> Tensor:
    # -log(e^a / (e^a + sum of negatives + 1e-6)) = softplus(log(sum + 1e-6) - a): no exp can overflow.
    epsilon = logits.new_full((len(logits), 1), 1e-6).log()
    negatives = torch.cat([logits.masked_fill(copies, -torch.inf), epsilon], dim=1).logsumexp(dim=1, keepdim=True)
    others = copies & ~torch.eye(len(copies), dtype=torch.bool, device=copies.device)
    return (F.softplus(negatives - logits) * others).sum() / len(logits)


def _entropy_term(negatives: Tensor) -> Tensor:
    """Minus the mean log distance to the nearest negative. ``negatives`` (B, B): cosines, -1 for copies."""
    return -(2 - 2 * negatives.amax(dim=1)).clamp(min=1e-6).sqrt().log().mean()


def matching_loss(
    embeddings: Tensor,
    targets: Tensor,
    instances: Tensor,
    memory: Tensor,
    remembered: Tensor,
    temperature: float = 0.05,
) -> Tensor:
    """InfoNCE: each of ``embeddings`` (B, D) has to find its row of ``targets`` (B, D) among those of other pictures.

    ``instances`` (B,) says of which picture a row is. ``memory`` (M, D), of the pictures ``remembered`` (M,), are
    further negatives (He et al. 2020, MoCo, section 3.2); rows of -1 are empty. Targets of the same picture are no
    negatives. All rows are L2-normalised. Computed in float32, also under autocast.
    """
    with torch.autocast(embeddings.device.type, enabled=False):
        own, keys = embeddings.float(), torch.cat([targets.float(), memory.float()])
        pictures = torch.cat([instances, remembered])
        ignored = (pictures[None, :] == instances[:, None]) | (pictures[None, :] == -1)
        ignored[:, : len(targets)].fill_diagonal_(False)
        logits = (own @ keys.t() / temperature).masked_fill(ignored, -torch.inf)
        return F.cross_entropy(logits, torch.arange(len(own), device=own.device))
