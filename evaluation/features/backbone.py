"""Run the backbone of a bundle (``weights.safetensors``) at any input size, as the released evaluations do."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from copysight.errors import InvalidArgument
from copysight.model import bundle as bundles
from copysight.pictures.preprocess import Preprocess, to_tensor
from evaluation.features import frames
from evaluation.features.extract import Extractor
from evaluation.features.tokens import last_blocks, multi_scale
from evaluation.metrics import copydays
from training.networks import backbones

Float = npt.NDArray[np.float32]
FILE = "weights.safetensors"


@dataclass(frozen=True)
class Recipe:
    """Input of a linear classifier: [CLS] of the last ``blocks`` and, if ``patches``, the mean patch.

    ``rate`` is the learning rate for a batch of 256. ``blocks`` = 0: pooled features.
    """

    blocks: int
    patches: bool
    rate: float


RECIPES = {
    "vit-s": Recipe(blocks=4, patches=False, rate=0.001),
    "vit-b": Recipe(blocks=1, patches=True, rate=0.001),
    "resnet50": Recipe(blocks=0, patches=False, rate=0.3),
}
"""The released linear evaluations of DINO. The rate of the ResNet is taken from its training log."""


@dataclass(frozen=True)
class Backbone:
    """A network in eval mode and the preprocessing of its bundle.

    At other input sizes only the mean and the standard deviation of the preprocessing are used.
    """

    name: str
    network: nn.Module
    preprocess: Preprocess

    @property
    def transformer(self) -> VisionTransformer:
        """The network as a vision transformer. Raises ``InvalidArgument`` if it is not one."""
        if not isinstance(self.network, VisionTransformer):
            raise InvalidArgument(
                f"{self.name} is not a vision transformer, and this evaluation needs its tokens; use a bundle of a ViT"
            )
        return self.network

    @property
    def patch(self) -> int:
        """Side of a patch in pixels."""
        return int(self.transformer.patch_embed.patch_size[0])

    def patches(self, frame: Image.Image, shortest: int) -> Float:
        """Return patches (rows, columns, D) of a frame resized to the shortest side ``shortest`` (DINO's DAVIS)."""
        pixels = frames.prepare(np.asarray(frame), shortest)
        tokens = last_blocks(self.transformer, torch.from_numpy(pixels)[None])[0][0, 1:]
        rows, columns = (side // self.patch for side in pixels.shape[1:])
        return tokens.reshape(rows, columns, -1).numpy()

    def copies(self, size: int) -> Extractor:
        """Return an extractor of [CLS; GeM of the patches] for pictures squashed to a square (DINO's Copydays)."""
        squash = Preprocess(size, "squash", size, "bicubic", self.preprocess.mean, self.preprocess.std)

        def embed(picture: Image.Image) -> Float:
            tokens = last_blocks(self.transformer, torch.from_numpy(to_tensor(picture, squash))[None])[0]
            return np.asarray(copydays.descriptor(tokens)[0].numpy(), np.float32)

        return Extractor(f"{self.name} at {size} px", size, embed)

    def retrieval(self, size: int, scales: Sequence[float]) -> Extractor:
        """Return an extractor of [CLS] or pooled features of length 1: the mean over ``scales``.

        The longest side of a picture is at most ``size``.
        """

        def embed(picture: Image.Image) -> Float:
            return np.asarray(multi_scale(self._pooled, self._whole(picture, size), scales)[0].numpy(), np.float32)

        return Extractor(f"{self.name} at {size} px, {len(scales)} scale(s)", size, embed)

    def linear(self, recipe: Recipe, size: int, squash: bool) -> Extractor:
        """Return an extractor of the frozen features of a recipe, not normalised.

        ``squash``: use the whole picture squashed to a square, otherwise the central square.
        """
        rule: Literal["squash", "shortest"] = "squash" if squash else "shortest"
        mean, std = self.preprocess.mean, self.preprocess.std
        preprocess = Preprocess(size, rule, size if squash else round(size * 8 / 7), "bicubic", mean, std)

        def embed(picture: Image.Image) -> Float:
            pixels = torch.from_numpy(to_tensor(picture, preprocess))[None]
            return np.asarray(self.features(pixels, recipe)[0].numpy(), np.float32)

        return Extractor(self.name, size, embed)

    @torch.no_grad()
    def features(self, pictures: Tensor, recipe: Recipe) -> Tensor:
        """Map (B, 3, S, S) to (B, D').

        The features are [CLS] of the last blocks, or [CLS] interleaved with the mean patch, or pooled features.
        """
        if not recipe.blocks:
            return self._pooled(pictures)
        tokens = last_blocks(self.transformer, pictures, recipe.blocks)
        cls = torch.cat([part[:, 0] for part in tokens], dim=1)
        if not recipe.patches:
            return cls
        # The order of the released code: cls0, mean0, cls1, mean1, ...
        return torch.stack([cls, tokens[-1][:, 1:].mean(dim=1)], dim=2).flatten(1)

    def _pooled(self, pictures: Tensor) -> Tensor:
        if isinstance(self.network, VisionTransformer):
            return last_blocks(self.network, pictures)[0][:, 0]
        pooled: Tensor = self.network(pictures)
        return pooled

    def _whole(self, picture: Image.Image, size: int) -> Tensor:
        small = picture.copy()
        small.thumbnail((size, size), Image.Resampling.LANCZOS)
        mean, std = (np.asarray(part, np.float32) for part in (self.preprocess.mean, self.preprocess.std))
        pixels = (np.asarray(small, np.float32) / 255 - mean) / std
        return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1), np.float32))[None]


def load(source: str) -> Backbone:
    """Load the backbone of a bundle. Raises ``InvalidArgument`` for a bundle without weights."""
    bundle = bundles.load(source)
    file = bundle.path / FILE
    if not file.exists():
        raise InvalidArgument(
            f"the bundle {bundle.name} has no {FILE}, which other input sizes need; export it with --weights timm"
        )
    with safe_open(file, "pt") as opened:
        about = opened.metadata()
    preprocess = Preprocess.from_json(json.loads(about["preprocess"]))
    network = backbones.build(about["backbone"], preprocess.size)
    network.load_state_dict(load_file(file))
    return Backbone(bundle.name, network.eval().requires_grad_(False), preprocess)
