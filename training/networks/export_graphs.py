"""Networks for the ONNX export: pictures to the named outputs of a bundle."""

import torch
import torch.nn.functional as F
from timm.layers import Attention
from timm.models.resnet import ResNet
from timm.models.vision_transformer import Block, VisionTransformer
from torch import Tensor, nn

from training.networks.layouts import Layout


class TransformerGraph(nn.Module):
    """A timm ViT with a [CLS] token at a fixed size: embedding, attention, patches and prototype logits in one pass.

    ``recipe`` is ``cls``, ``gem`` (of the patches), ``cls+gem`` or ``pool`` (the network's own pooling). ``head`` maps
    the features of a forward pass (B, D) to logits (B, K). Registers are no patches. There is no attention output if
    the last block is not a plain one (parallel blocks, for example).
    """

    def __init__(
        self,
        backbone: VisionTransformer,
        recipe: str,
        head: nn.Module | None = None,
        whitening: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.backbone, self.recipe, self.head, self.whitening = backbone, recipe, head, whitening
        self.attends = gives_attention(backbone)
        self.grid: tuple[int, int] = tuple(backbone.patch_embed.grid_size)
        attention, prototypes = ("attention",) * self.attends, ("prototypes",) * (head is not None)
        self.names = ("embedding", *attention, "patches", *prototypes)

    def forward(self, pictures: Tensor) -> tuple[Tensor, ...]:
        """(B, 3, S, S) to embedding (B, D), attention (B, H, rows, columns), patches (B, P, D), prototypes (B, K)."""
        vit = self.backbone
        tokens = vit.norm_pre(vit.patch_drop(vit._pos_embed(vit.patch_embed(pictures))))
        for block in vit.blocks[:-1]:
            tokens = block(tokens)
        maps = (self._attention(tokens),) if self.attends else ()
        tokens = vit.norm(vit.blocks[-1](tokens))
        cls, patches = tokens[:, 0], tokens[:, vit.num_prefix_tokens :]
        feature = vit.forward_head(tokens, pre_logits=True)
        found = feature if self.recipe == "pool" else descriptor(self.recipe, cls, patches)
        prototypes = () if self.head is None else (self.head(feature),)
        return (unit(found, self.whitening), *maps, patches, *prototypes)

    def _attention(self, tokens: Tensor) -> Tensor:
        attention = cls_attention(self.backbone.blocks[-1], tokens, self.backbone.num_prefix_tokens)
        return attention.reshape(*attention.shape[:2], *self.grid)


def gives_attention(vit: VisionTransformer) -> bool:
    """Whether ``cls_attention`` holds for the last block: a plain block with a plain attention."""
    last = vit.blocks[-1]
    return type(last) is Block and type(last.attn) is Attention


class PooledGraph(nn.Module):
    """A convolutional network: embedding, prototype logits and prototype activation maps.

    ``descriptor`` maps pictures (B, 3, S, S) to features (B, D); ``head`` maps features to logits (B, K). A ResNet with
    a head also gives ``activations``: the head applied at every position of the last feature map, before pooling. Class
    activation maps do the same with a classifier (Zhou et al. 2016, section 2).
    """

    def __init__(
        self, descriptor: nn.Module, head: nn.Module | None = None, whitening: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.descriptor, self.head, self.whitening = descriptor, head, whitening
        names = ("embedding", "prototypes", "activations")
        self.names = names[:1] if head is None else names if isinstance(descriptor, ResNet) else names[:2]

    def forward(self, pictures: Tensor) -> tuple[Tensor, ...]:
        """(B, 3, S, S) to embedding (B, D), prototypes (B, K) and activations (B, K, rows, columns)."""
        if self.head is not None and isinstance(self.descriptor, ResNet):
            maps = self.descriptor.forward_features(pictures)
            feature = self.descriptor.forward_head(maps)
            return (unit(feature, self.whitening), self.head(feature), activations(self.head, maps))
        feature = self.descriptor(pictures)
        embedding = unit(feature, self.whitening)
        return (embedding, *(() if self.head is None else (self.head(feature),)))


def cls_attention(block: Block, tokens: Tensor, prefix: int) -> Tensor:
    """Attention of the [CLS] token over the patches in ``block``: (B, H, N - prefix), softmax over all N tokens.

    ``tokens`` (B, N, D) is the input of the block. Only this row of the attention matrix is computed, so that the block
    can use fused attention. Caron et al. 2021, section 4.2.2, show this map.
    """
    attention = block.attn
    qkv = attention.qkv(block.norm1(tokens)).unflatten(-1, (3, attention.num_heads, -1))
    query = attention.q_norm(qkv[:, :1, 0].transpose(1, 2))
    key = attention.k_norm(qkv[:, :, 1].transpose(1, 2))
    weights: Tensor = ((query * attention.scale) @ key.transpose(-2, -1)).softmax(dim=-1)
    return weights[:, :, 0, prefix:]


class TokenDescriptor(nn.Module):
    """A network's last features as one descriptor: pictures (B, 3, S, S) to (B, D), not normalised.

    ``recipe`` is ``cls``, ``gem`` (generalised mean over the places of the last map) or ``cls+gem``.
    """

    def __init__(self, body: nn.Module, recipe: str, layout: Layout) -> None:
        super().__init__()
        self.body, self.recipe, self.layout = body, recipe, layout

    def forward(self, pictures: Tensor) -> Tensor:
        """(B, 3, S, S) to (B, D)."""
        features: Tensor = self.body.forward_features(pictures)  # type: ignore[operator]
        patches = self.layout.patches(features)
        return gem(patches) if self.recipe == "gem" else descriptor(self.recipe, features[:, 0], patches)


def activations(head: nn.Module, maps: Tensor) -> Tensor:
    """Apply ``head``, (N, D) to (N, K), at every position of ``maps`` (B, D, rows, columns): (B, K, rows, columns)."""
    rows, columns = maps.shape[2:]
    logits: Tensor = head(maps.flatten(2).transpose(1, 2).flatten(0, 1))
    count = logits.shape[1]
    return logits.reshape(-1, rows * columns, count).transpose(1, 2).reshape(-1, count, rows, columns)


def descriptor(recipe: str, cls: Tensor, patches: Tensor) -> Tensor:
    """The descriptor of a transformer, not normalised: ``cls`` (B, D), ``gem`` (B, D) or ``cls+gem`` (B, 2D)."""
    if recipe == "cls":
        return cls
    return gem(patches) if recipe == "gem" else torch.cat([cls, gem(patches)], dim=1)


def gem(patches: Tensor, power: float = 3.0) -> Tensor:
    """Generalised mean over patches (Radenovic et al. 2018, eq. 3): (B, P, D) to (B, D). Values are clamped to 1e-6."""
    return patches.clamp(min=1e-6).pow(power).mean(dim=1).pow(1 / power)


def unit(feature: Tensor, whitening: nn.Module | None) -> Tensor:
    """L2-normalise rows (B, D). With ``whitening``, whiten the normalised rows and normalise again."""
    feature = F.normalize(feature, dim=1)
    return feature if whitening is None else F.normalize(whitening(feature), dim=1)
