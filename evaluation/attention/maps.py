"""Maps to measure: attention heads or prototypes of a bundle, its objects, an untrained network, plain baselines."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from copysight.model import object_masks
from copysight.model.attention_maps import mass_masks
from copysight.model.attention_source import attention_source
from copysight.model.embedder import Embedder
from copysight.pictures.preprocess import Preprocess, crop_box, to_tensor
from training.networks import backbones

Float = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
MASS = 0.6
"""Share of a map that its mask holds (Caron et al. 2021, section 4.2.2)."""
SIDE = 160
"""Longer side in pixels at which maps are compared with masks."""
SALIENCY_SIDE, BLUR = 64, 2.5
"""Spectral residual: side of the reduced picture (Hou and Zhang 2007, section 2), standard deviation of the blur."""
UNTRAINED = "vit_tiny_patch16_224"


@dataclass(frozen=True)
class FoundMaps:
    """Maps (M, height, width) and their masks of one picture, at the size of comparison; one for each name (M,)."""

    names: tuple[str, ...]
    values: Float
    masks: Mask


Maps = Callable[[Image.Image], FoundMaps]


def compared_size(width: int, height: int) -> tuple[int, int]:
    """Height and width at which maps of a picture are compared: the longer side is ``SIDE`` pixels."""
    scale = SIDE / max(width, height)
    return max(round(height * scale), 1), max(round(width * scale), 1)


def heads(embedder: Embedder) -> Maps:
    """The maps of the bundle's attention heads, with the masks that hold 60 % of each."""

    def maps(picture: Image.Image) -> FoundMaps:
        source = attention_source(embedder, picture)
        return _of_crop(source.names, source.maps(picture), picture, source.preprocess)

    return maps


def objects(embedder: Embedder) -> Maps:
    """The maps of `object_masks` and their masks: the positive part; of TokenCut and LOST what is connected of it."""

    def maps(picture: Image.Image) -> FoundMaps:
        features = object_masks.places(embedder, picture)
        found = {name: method(features) for name, method in object_masks.METHODS.items()}
        size = compared_size(*picture.size)
        values = np.stack([smooth(one, size) for one in found.values()])
        masks = [
            whole > 0 if name == object_masks.RANKING else nearest(object_masks.component(one), size)
            for (name, one), whole in zip(found.items(), values, strict=True)
        ]
        return FoundMaps(tuple(found), values, np.stack(masks))

    return maps


def untrained(preprocess: Preprocess, seed: int) -> Maps:
    """Attention heads of a ViT-Ti/16 with random weights, on the input of ``preprocess``."""
    torch.manual_seed(seed)
    vit = backbones.build(UNTRAINED, preprocess.size).eval()

    def maps(picture: Image.Image) -> FoundMaps:
        attention = _last_attention(vit, torch.from_numpy(to_tensor(picture, preprocess))[None])
        names = tuple(f"untrained, head {number}" for number in range(len(attention)))
        return _of_crop(names, attention, picture, preprocess)

    return maps


def saliency(picture: Image.Image) -> FoundMaps:
    """The spectral residual of the grey picture (Hou and Zhang 2007), with the mask that holds 60 % of it."""
    grey = np.asarray(picture.convert("L").resize((SALIENCY_SIDE, SALIENCY_SIDE), Image.Resampling.BILINEAR), float)
    spectrum = np.fft.fft2(grey)
    amplitude = np.log(np.abs(spectrum) + 1e-9)
    padded = np.pad(amplitude, 1, mode="wrap")
    mean = sum(padded[y : y + SALIENCY_SIDE, x : x + SALIENCY_SIDE] for y in range(3) for x in range(3)) / 9
    residual = np.abs(np.fft.ifft2(np.exp(amplitude - mean + 1j * np.angle(spectrum)))) ** 2
    values = _blurred(residual)[None]
    size = compared_size(*picture.size)
    masks = np.stack([nearest(mask, size) for mask in mass_masks(values, MASS)])
    return FoundMaps(("spectral residual",), smooth(values[0], size)[None], masks)


def ellipses(picture: Image.Image) -> FoundMaps:
    """Centred ellipses that cover shares of both sides; the map is larger the nearer the centre."""
    rows, columns = compared_size(*picture.size)
    y, x = np.mgrid[-1 : 1 : rows * 1j, -1 : 1 : columns * 1j]
    radius = np.sqrt(x**2 + y**2)
    shares = [share / 10 for share in range(2, 11)]
    masks = np.stack([radius <= share for share in shares])
    values = np.broadcast_to(-radius.astype(np.float32), masks.shape)
    return FoundMaps(tuple(f"ellipse of {share:.1f}" for share in shares), values, masks)


def smooth(values: Float, size: tuple[int, int]) -> Float:
    """Resize a map to (height, width), bilinear."""
    grown = Image.fromarray(values.astype(np.float32)).resize(size[::-1], Image.Resampling.BILINEAR)
    return np.asarray(grown, np.float32)


def nearest(mask: Mask, size: tuple[int, int]) -> Mask:
    """Resize a mask to (height, width) by nearest neighbour."""
    return np.asarray(Image.fromarray(mask.astype(np.uint8)).resize(size[::-1], Image.Resampling.NEAREST)) > 0


def _of_crop(names: tuple[str, ...], maps: Float, picture: Image.Image, preprocess: Preprocess) -> FoundMaps:
    """Maps of the part of a picture that a network sees; outside of it they are 0."""
    rows, columns = compared_size(*picture.size)
    scale = columns / picture.width, rows / picture.height
    box = crop_box(*picture.size, preprocess)
    left, top, right, bottom = (round(edge * scale[place % 2]) for place, edge in enumerate(box))
    values, masks = np.zeros((len(maps), rows, columns), np.float32), np.zeros((len(maps), rows, columns), bool)
    size = (bottom - top, right - left)
    for number, (one, mask) in enumerate(zip(maps, mass_masks(maps, MASS), strict=True)):
        values[number, top:bottom, left:right] = smooth(one, size)
        masks[number, top:bottom, left:right] = nearest(mask, size)
    return FoundMaps(names, values, masks)


@torch.inference_mode()
def _last_attention(vit: Any, pictures: Tensor) -> Float:
    """[CLS] attention (H, rows, columns) of the last block of a plain ViT, for one picture (1, 3, S, S)."""
    tokens = vit._pos_embed(vit.patch_embed(pictures))
    for block in vit.blocks[:-1]:
        tokens = block(tokens)
    last = vit.blocks[-1]
    qkv = last.attn.qkv(last.norm1(tokens)).unflatten(-1, (3, last.attn.num_heads, -1))
    query, key = qkv[0, :1, 0].transpose(0, 1), qkv[0, :, 1].transpose(0, 1)
    weights = ((query * last.attn.scale) @ key.transpose(-2, -1)).softmax(dim=-1)[:, 0, 1:]
    side = round(weights.shape[1] ** 0.5)
    return np.asarray(weights.reshape(-1, side, side).numpy(), np.float32)


def _blurred(values: npt.NDArray[np.float64]) -> Float:
    """A Gaussian blur along both sides."""
    reach = np.arange(-8, 9)
    kernel = np.exp(-(reach**2) / (2 * BLUR**2))
    for _ in range(2):
        padded = np.pad(values, ((8, 8), (0, 0)), mode="edge")
        values = sum(weight * padded[k : k + len(values)] for k, weight in enumerate(kernel / kernel.sum())).T
    return np.asarray(values, np.float32)
