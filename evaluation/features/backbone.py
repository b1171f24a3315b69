"""Run the backbone of a bundle (``weights.safetensors``) at any input size, as the released evaluations do."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file
from timm.models.beit import Beit
from timm.models.eva import Eva
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from copysight.errors import InvalidArgument
from copysight.model import bundle as bundles
from copysight.model.bundle import Bundle
from copysight.pictures.preprocess import Preprocess, to_tensor
from evaluation.features import frames
from evaluation.features.extract import Extractor
from evaluation.features.tokens import last_blocks, multi_scale, without_registers
from evaluation.metrics import copydays
from training.networks import backbones
from training.networks.finite import not_finite

Float = npt.NDArray[np.float32]
FILE = "weights.safetensors"
TRANSFORMERS = (VisionTransformer, Eva, Beit)
"""Networks of timm with patch tokens, and [CLS] and registers before them. DINOv3 is an Eva."""


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
    def transformer(self) -> nn.Module:
        """The network, if it is a vision transformer. Raises ``InvalidArgument`` if it is not one."""
        if not isinstance(self.network, TRANSFORMERS):
            raise InvalidArgument(
                f"{self.name} is not a vision transformer, and this evaluation needs its tokens; use a bundle of a ViT"
            )
        found: nn.Module = self.network
        return found

    @property
    def has_cls(self) -> bool:
        """Whether the network is a vision transformer with a [CLS] token."""
        return isinstance(self.network, TRANSFORMERS) and self.network.cls_token is not None

    @property
    def prefix(self) -> int:
        """Number of tokens before the patches: [CLS] and registers."""
        return int(self.transformer.num_prefix_tokens)  # type: ignore[arg-type]

    @property
    def patch(self) -> int:
        """Side of a patch in pixels."""
        return backbones.patch_side(self.transformer) or 1

    def whole_frames(self, lines: int) -> Callable[[Image.Image], Float]:
        """Return a function from a frame to its patches (rows, columns, D), with the shortest side ``lines`` (DAVIS).

        Raises ``InvalidArgument`` if the network does not take frames with so many lines.
        """
        if lines % self.patch:
            fitting = f"{lines // self.patch * self.patch} or {-(-lines // self.patch) * self.patch}"
            raise InvalidArgument(
                f"got --lines {lines} for patches of {self.patch} px ({self.name}); use a multiple, such as {fitting}"
            )
        multiple = frames.MULTIPLE if frames.MULTIPLE % self.patch == 0 else self.patch
        self.check((lines, frames.target_size(9, 16, lines, multiple)[1]))

        def patches(frame: Image.Image) -> Float:
            pixels = frames.prepare(np.asarray(frame), lines, multiple)
            tokens = last_blocks(self.transformer, torch.from_numpy(pixels)[None])[0][0, self.prefix :]
            rows, columns = (side // self.patch for side in pixels.shape[1:])
            return np.asarray(tokens.reshape(rows, columns, -1).numpy(), np.float32)

        return patches

    def check(self, size: tuple[int, int]) -> None:
        """Raise ``InvalidArgument`` if the network does not take pictures of this height and width in pixels."""
        backbones.check_size(self.network, self._cut(torch.zeros(1, 3, *size)).shape[2:])

    def copies(self, size: int) -> Extractor:
        """Return an extractor of [CLS; GeM of the patches] for pictures squashed to a square (DINO's Copydays).

        Raises ``InvalidArgument`` if the network has no [CLS] token or does not take this size.
        """
        self._check_cls()
        self.check((size, size))
        squash = Preprocess(size, "squash", size, "bicubic", self.preprocess.mean, self.preprocess.std)

        def embed(picture: Image.Image) -> Float:
            pixels = self._cut(torch.from_numpy(to_tensor(picture, squash))[None])
            tokens = without_registers(last_blocks(self.transformer, pixels)[0], self.prefix)
            return np.asarray(copydays.descriptor(tokens)[0].numpy(), np.float32)

        return Extractor(f"{self.name} at {size} px", size, embed)

    def retrieval(self, size: int, scales: Sequence[float]) -> Extractor:
        """Return an extractor of [CLS] or pooled features of length 1: the mean over ``scales``.

        The longest side of a picture is at most ``size``. Raises ``InvalidArgument`` if the network does not take
        pictures that are no squares.
        """
        self.check((size * 3 // 4, size))

        def embed(picture: Image.Image) -> Float:
            return np.asarray(multi_scale(self._pooled, self._whole(picture, size), scales)[0].numpy(), np.float32)

        return Extractor(f"{self.name} at {size} px, {len(scales)} scale(s)", size, embed)

    def linear(self, recipe: Recipe, size: int, squash: bool) -> Extractor:
        """Return an extractor of the frozen features of a recipe, not normalised.

        ``squash``: use the whole picture squashed to a square, otherwise the central square. Raises ``InvalidArgument``
        if the network does not take this size or has no [CLS] token that the recipe needs.
        """
        if recipe.blocks:
            self._check_cls()
        self.check((size, size))
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
        tokens = last_blocks(self.transformer, self._cut(pictures), recipe.blocks)
        cls = torch.cat([part[:, 0] for part in tokens], dim=1)
        if not recipe.patches:
            return cls
        # The order of the released code: cls0, mean0, cls1, mean1, ...
        return torch.stack([cls, tokens[-1][:, self.prefix :].mean(dim=1)], dim=2).flatten(1)

    def _pooled(self, pictures: Tensor) -> Tensor:
        pictures = self._cut(pictures)
        if self.has_cls:
            return last_blocks(self.network, pictures)[0][:, 0]
        pooled: Tensor = self.network(pictures)
        return pooled

    def _cut(self, pictures: Tensor) -> Tensor:
        """Pictures (B, 3, H, W) without the last rows and columns that fill no patch, as DINO's networks see them."""
        patch = self.patch if isinstance(self.network, TRANSFORMERS) else 1
        height, width = (side // patch * patch for side in pictures.shape[2:])
        return pictures[:, :, :height, :width]

    def _check_cls(self) -> None:
        _ = self.transformer
        if not self.has_cls:
            raise InvalidArgument(
                f"{self.name} has no [CLS] token, and this evaluation takes it; use a bundle of a ViT with [CLS], or "
                "(linear) --recipe resnet50 for the network's own pooling"
            )

    def _whole(self, picture: Image.Image, size: int) -> Tensor:
        small = picture.copy()
        small.thumbnail((size, size), Image.Resampling.LANCZOS)
        mean, std = (np.asarray(part, np.float32) for part in (self.preprocess.mean, self.preprocess.std))
        pixels = (np.asarray(small, np.float32) / 255 - mean) / std
        return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1), np.float32))[None]


def has_tokens(bundle: Bundle) -> bool:
    """Whether a bundle has the weights of a vision transformer."""
    file = bundle.path / FILE
    return file.exists() and isinstance(load(str(bundle.path)).network, TRANSFORMERS)


def load(source: str) -> Backbone:
    """Load the backbone of a bundle. Raises ``InvalidArgument`` for a bundle without weights, or with NaN in them."""
    bundle = bundles.load(source)
    file = bundle.path / FILE
    if not file.exists():
        raise InvalidArgument(
            f"the bundle {bundle.name} has no {FILE}, which other input sizes need; export it with --weights timm"
        )
    with safe_open(file, "pt") as opened:
        about = opened.metadata()
    preprocess = Preprocess.from_json(json.loads(about["preprocess"]))
    network = backbones.build(about["backbone"].split(".")[0], int(about.get("size") or preprocess.height))
    state = load_file(file)
    if bad := not_finite(state):
        raise InvalidArgument(
            f"the weights of {bundle.name} are not finite ({len(bad)} of {len(state)} tensors, such as {bad[0]}); its "
            "training diverged, export an earlier checkpoint"
        )
    network.load_state_dict(state)
    return Backbone(bundle.name, network.eval().requires_grad_(False), preprocess)
