"""Multi-crop augmentation of a batch: sample the random parameters (numpy), then apply them (torch).

The distributions are those of the papers' torchvision and PIL pipelines, but colours are float and not rounded to 8
bits after every operation. Sources: Caron et al. 2021 (DINO), appendix and released code; Caron et al. 2020 (SwAV).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from copysight.pictures.preprocess import Size, sides
from training.views import colour, compiled
from training.views.resample import crop, crop_resize

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
ATTEMPTS = 10
RATIO = (3 / 4, 4 / 3)
ORDERS = (*(np.array(order) for order in colour.ORDERS), np.array([], np.int64))
"""Orders of the colour operations. The last one, index -1, is empty: no colour jitter."""
NO_BLUR = np.ones(1, np.float32)
"""Blur window with one tap."""


@dataclass(frozen=True)
class Crops:
    """A group of ``len(blur)`` crops of ``size``, whose share of the picture's area is within ``scale``.

    ``blur`` and ``solarise`` are probabilities, one for each crop.
    """

    size: Size
    scale: tuple[float, float]
    blur: tuple[float, ...]
    solarise: tuple[float, ...]


@dataclass(frozen=True)
class Recipe:
    """Augmentation settings. ``jitter``: strengths of brightness, contrast, saturation, hue."""

    crops: tuple[Crops, ...]
    jitter: tuple[float, float, float, float]
    interpolation: str
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    jitter_probability: float = 0.8
    grey_probability: float = 0.2
    flip_probability: float = 0.5
    blur_radius: tuple[float, float] = (0.1, 2.0)

    @property
    def views(self) -> int:
        """Number V of crops per picture."""
        return sum(len(crops.blur) for crops in self.crops)


def dino_recipe(
    global_size: Size = 224,
    local_size: Size = 96,
    local_crops: int = 8,
    global_scale: tuple[float, float] = (0.4, 1.0),
    local_scale: tuple[float, float] = (0.05, 0.4),
    colours: float = 1.0,
) -> Recipe:
    """DINO: bicubic; blur with p 1, 0.1 (second global crop) and 0.5 (local crops); solarise the second with p 0.2."""
    crops = [Crops(global_size, global_scale, (1.0, 0.1), (0.0, 0.2))]
    if local_crops:
        crops.append(Crops(local_size, local_scale, (0.5,) * local_crops, (0.0,) * local_crops))
    return Recipe(tuple(crops), _scaled_jitter(colours, (0.4, 0.4, 0.2, 0.1)), "bicubic")


def swav_recipe(
    global_size: Size = 224,
    local_size: Size = 96,
    local_crops: int = 6,
    global_scale: tuple[float, float] = (0.14, 1.0),
    local_scale: tuple[float, float] = (0.05, 0.14),
    colours: float = 1.0,
) -> Recipe:
    """SwAV: bilinear; jitter 0.8/0.8/0.8/0.2; blur with p 0.5; std (0.228, 0.224, 0.225) as in the released code."""
    crops = [Crops(global_size, global_scale, (0.5,) * 2, (0.0,) * 2)]
    if local_crops:
        crops.append(Crops(local_size, local_scale, (0.5,) * local_crops, (0.0,) * local_crops))
    return Recipe(tuple(crops), _scaled_jitter(colours, (0.8, 0.8, 0.8, 0.2)), "bilinear", std=(0.228, 0.224, 0.225))


def _scaled_jitter(colours: float, jitter: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    brightness, contrast, saturation, hue = (colours * strength for strength in jitter)
    return brightness, contrast, saturation, hue


def plain_recipe(size: Size = 224, scale: tuple[float, float] = (0.08, 1.0)) -> Recipe:
    """The original DeepCluster: one bilinear crop and a flip, without colour augmentation."""
    crops = (Crops(size, scale, (0.0,), (0.0,)),)
    return Recipe(crops, (0.0, 0.0, 0.0, 0.0), "bilinear", jitter_probability=0.0, grey_probability=0.0)


@dataclass(frozen=True)
class CropParameters:
    """Random parameters of the views of one group of crops; every array is (V, B, ...).

    ``boxes`` (V, B, 4): top, left, height, width in pixels. ``order`` (V, B): index into the 24 orders of the colour
    operations, -1 for none. ``factors`` (V, B, 4): brightness, contrast, saturation, hue. ``radius``: 0 for no blur.
    """

    boxes: Ints
    flip: npt.NDArray[np.bool_]
    order: Ints
    factors: Floats
    grey: npt.NDArray[np.bool_]
    radius: Floats
    solarise: npt.NDArray[np.bool_]

    def rows(self, start: int, stop: int) -> "CropParameters":
        """The parameters of pictures ``start`` to ``stop`` of the batch: one rank's share of a global batch."""
        return CropParameters(**{name: values[:, start:stop] for name, values in vars(self).items()})

    def flat(self) -> "CropParameters":
        """The same with V and B merged: every array (V * B, ...)."""
        return CropParameters(**{name: values.reshape(-1, *values.shape[2:]) for name, values in vars(self).items()})


def sample(recipe: Recipe, sizes: Ints, rng: np.random.Generator) -> list[CropParameters]:
    """Sample parameters for pictures of ``sizes`` (B, 2: height, width), one entry for each group of crops."""
    return [_sample_group(recipe, crops, sizes, rng) for crops in recipe.crops]


def fixed(boxes: Ints) -> CropParameters:
    """Parameters that only crop to ``boxes`` (V, B, 4)."""
    shape = boxes.shape[:2]
    no = np.zeros(shape, np.bool_)
    return CropParameters(boxes, no, np.full(shape, -1), np.ones((*shape, 4)), no, np.zeros(shape), no)


def apply(
    recipe: Recipe, pictures: Sequence[Tensor], parameters: Sequence[CropParameters], device: torch.device
) -> list[Tensor]:
    """B pictures (height, width, 3) uint8 to V views (B, 3, height, width) float32, normalised, on ``device``."""
    make = _crop_by_crop if device.type == "cpu" else _batched
    views: list[Tensor] = []
    for crops, group in zip(recipe.crops, parameters, strict=True):
        views.extend(make(recipe, pictures, sides(crops.size), group, device).chunk(len(group.order)))
    return views


def _batched(
    recipe: Recipe, pictures: Sequence[Tensor], size: tuple[int, int], parameters: CropParameters, device: torch.device
) -> Tensor:
    """Apply each operation to all crops together: fast on a GPU."""
    pixels = crop_resize(pictures, parameters.boxes, size, recipe.interpolation, device, parameters.flip)
    flat = parameters.flat()
    colour.jitter(pixels, flat.order, flat.factors)
    colour.grey(pixels, np.flatnonzero(flat.grey))
    colour.blur(pixels, flat.radius)
    colour.solarise(pixels, np.flatnonzero(flat.solarise))
    return normalise(recipe, pixels)


def _crop_by_crop(
    recipe: Recipe, pictures: Sequence[Tensor], size: tuple[int, int], parameters: CropParameters, _: torch.device
) -> Tensor:
    """Apply all operations to one crop after the other: fast on a CPU, whose cache holds one crop."""
    flat = parameters.flat()
    out = torch.empty(len(flat.order), 3, *size)
    scale = (1 / np.array(recipe.std)).astype(np.float32)
    offset = (-np.array(recipe.mean) / recipe.std).astype(np.float32)
    factors, windows = flat.factors.astype(np.float32), colour.box_windows(flat.radius).astype(np.float32)
    for row, (view, box) in enumerate(zip(out.numpy(), flat.boxes.tolist(), strict=True)):
        compiled.augment(
            crop(pictures[row % len(pictures)], box, size, recipe.interpolation),
            view,
            flat.flip[row],
            ORDERS[flat.order[row]],
            factors[row],
            flat.grey[row],
            windows[row] if flat.radius[row] > 0 else NO_BLUR,
            flat.solarise[row],
            scale,
            offset,
        )
    return out


def _sample_group(recipe: Recipe, crops: Crops, sizes: Ints, rng: np.random.Generator) -> CropParameters:
    shape = (len(crops.blur), len(sizes))
    height, width = sides(crops.size)
    boxes = random_boxes(sizes, shape[0], crops.scale, rng, width / height)
    order = rng.integers(0, 24, shape)
    order[rng.random(shape) >= recipe.jitter_probability] = -1
    radius = rng.uniform(*recipe.blur_radius, shape)
    radius[rng.random(shape) >= np.asarray(crops.blur)[:, None]] = 0
    return CropParameters(
        boxes=boxes,
        flip=rng.random(shape) < recipe.flip_probability,
        order=order,
        factors=np.stack([_factor(index, recipe.jitter[index], shape, rng) for index in range(4)], axis=-1),
        grey=rng.random(shape) < recipe.grey_probability,
        radius=radius,
        solarise=rng.random(shape) < np.asarray(crops.solarise)[:, None],
    )


def _factor(index: int, strength: float, shape: tuple[int, int], rng: np.random.Generator) -> Floats:
    if index == 3:
        return rng.uniform(-strength, strength, shape)
    return rng.uniform(max(0.0, 1 - strength), 1 + strength, shape)


def random_boxes(
    sizes: Ints, views: int, scale: tuple[float, float], rng: np.random.Generator, shape_of_crop: float = 1.0
) -> Ints:
    """Torchvision's RandomResizedCrop for a batch: (V, B, 4) of top, left, height, width in pixels.

    Ten attempts sample a share of the area within ``scale`` and a log-uniform ratio of width to height in 3/4..4/3,
    times ``shape_of_crop``: the ratio of the crop that the box is resized to. The first attempt that fits is used, else
    the largest central box with an allowed ratio.
    """
    height, width = sizes[:, 0], sizes[:, 1]
    shape = (views, len(sizes), ATTEMPTS)
    area = (height * width)[None, :, None] * rng.uniform(*scale, shape)
    ratio = np.exp(rng.uniform(np.log(RATIO[0]), np.log(RATIO[1]), shape)) * shape_of_crop
    w = np.rint(np.sqrt(area * ratio)).astype(np.int64)
    h = np.rint(np.sqrt(area / ratio)).astype(np.int64)
    fits = (w > 0) & (w <= width[None, :, None]) & (h > 0) & (h <= height[None, :, None])
    first = fits.argmax(axis=-1)[..., None]
    w, h = (np.take_along_axis(values, first, axis=-1)[..., 0] for values in (w, h))
    top = np.floor(rng.random(shape[:2]) * (height - h + 1)).astype(np.int64)
    left = np.floor(rng.random(shape[:2]) * (width - w + 1)).astype(np.int64)
    boxes = np.stack([top, left, h, w], axis=-1)
    return np.where(fits.any(axis=-1, keepdims=True), boxes, _central(sizes, shape_of_crop)[None])


def _central(sizes: Ints, shape_of_crop: float) -> Ints:
    height, width = sizes[:, 0], sizes[:, 1]
    w = np.minimum(width, np.rint(height * RATIO[1] * shape_of_crop).clip(1)).astype(np.int64)
    h = np.minimum(height, np.rint(width / RATIO[0] / shape_of_crop).clip(1)).astype(np.int64)
    return np.stack([(height - h) // 2, (width - w) // 2, h, w], axis=-1)


def normalise(recipe: Recipe, pixels: Tensor) -> Tensor:
    """Normalise pixels (N, 3, H, W) in 0..1 by mean and standard deviation, in place."""
    for channel, (mean, std) in enumerate(zip(recipe.mean, recipe.std, strict=True)):
        # One pass over memory: offset + pixels / std.
        offset = torch.tensor(-mean / std)
        torch.add(offset, pixels[:, channel], alpha=1 / std, out=pixels[:, channel])
    return pixels
