"""Export graph of ViTs with rotary positions (timm's Eva, and so DINOv3): embedding, [CLS] attention and patches."""

import torch
import torch.nn.functional as F
from timm.layers import apply_rot_embed_cat
from timm.models.eva import Eva, EvaAttention, EvaBlock
from torch import Tensor, nn

from training.networks.export_graphs import descriptor, unit
from training.networks.layouts import Layout


class RopeGraph(nn.Module):
    """An Eva with a [CLS] token at a fixed size, with the outputs of ``TransformerGraph``.

    ``recipe`` is ``cls``, ``gem``, ``cls+gem`` or ``pool``. ``layout`` is that of its last features at this size.
    """

    def __init__(self, backbone: Eva, recipe: str, layout: Layout, head: nn.Module | None = None) -> None:
        super().__init__()
        self.backbone, self.recipe, self.head = backbone, recipe, head
        self.whitening: nn.Module | None = None
        self.grid = (layout.rows, layout.columns)
        self.names = ("embedding", "attention", "patches", *(("prototypes",) if head is not None else ()))

    def forward(self, pictures: Tensor) -> tuple[Tensor, ...]:
        """(B, 3, S, S) to embedding (B, D), attention (B, H, rows, columns), patches (B, P, D), prototypes (B, K)."""
        vit = self.backbone
        tokens, rope = vit._pos_embed(vit.patch_embed(pictures))
        tokens = vit.norm_pre(tokens)
        for block in vit.blocks[:-1]:
            tokens = block(tokens, rope=rope)
        last = vit.blocks[-1]
        attention = rotary_cls_attention(last.attn, last.norm1(tokens), rope)
        tokens = vit.norm(last(tokens, rope=rope))
        feature = vit.forward_head(tokens, pre_logits=True)
        cls, patches = tokens[:, 0], tokens[:, vit.num_prefix_tokens :]
        found = feature if self.recipe == "pool" else descriptor(self.recipe, cls, patches)
        maps = attention.reshape(*attention.shape[:2], *self.grid)
        prototypes = () if self.head is None else (self.head(feature),)
        return (unit(found, self.whitening), maps, patches, *prototypes)


def gives_attention(backbone: nn.Module) -> bool:
    """Whether ``rotary_cls_attention`` holds for the last block of the network."""
    if not isinstance(backbone, Eva) or backbone.cls_token is None or getattr(backbone, "rope_mixed", False):
        return False
    last = backbone.blocks[-1]
    return type(last) is EvaBlock and type(last.attn) is EvaAttention


def rotary_cls_attention(attention: EvaAttention, tokens: Tensor, rope: Tensor | None) -> Tensor:
    """Attention of the [CLS] token over the patches: (B, H, N - prefix), softmax over all N tokens.

    ``tokens`` (B, N, D) are normalised as the block does it. Keys of patches are rotated by their places, the query of
    [CLS] is not (Siméoni et al. 2025, DINOv3).
    """
    query, key = _heads(attention, tokens[:, :1], 0), _heads(attention, tokens, 1)
    prefix = attention.num_prefix_tokens
    if rope is not None:
        rotated = apply_rot_embed_cat(key[:, :, prefix:], rope, half=attention.rotate_half)
        key = torch.cat([key[:, :, :prefix], rotated], dim=2)
    weights: Tensor = ((query * attention.scale) @ key.transpose(-2, -1)).softmax(dim=-1)
    return weights[:, :, 0, prefix:]


def _heads(attention: EvaAttention, tokens: Tensor, part: int) -> Tensor:
    """Queries (``part`` 0) or keys (1) of tokens (B, N, D): (B, H, N, D / H), not rotated."""
    if attention.qkv is None:
        found = (attention.q_proj, attention.k_proj)[part](tokens)
    else:
        bias = (attention.q_bias, attention.k_bias)[part]
        found = F.linear(tokens, attention.qkv.weight.chunk(3)[part], bias)
    norm = (attention.q_norm, attention.k_norm)[part]
    heads: Tensor = norm(found.unflatten(-1, (attention.num_heads, -1)).transpose(1, 2))
    return heads
