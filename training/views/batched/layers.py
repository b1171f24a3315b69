"""What cannot be computed on tensors is drawn before: text, shapes, memes and screenshots, by the edits of the CPU.

An edit is drawn on black and on white; the two tell colour and opacity of each pixel. A view takes one of the layers at
random and stretches it to its size. So there are ``COUNT`` different ones of each kind and shape, not endless ones.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from copysight.pictures.edits import overlay, scenes
from copysight.pictures.edits.chains import Edit

KINDS: dict[str, Edit] = {
    "text": overlay.text, "shapes": overlay.shapes, "meme": scenes.meme, "screenshot": scenes.screenshot
}  # fmt: skip
SHAPES = (0.56, 0.75, 1.0, 1.33, 1.78)
"""Ratios of width to height of the pictures that layers are drawn for; a view takes those of the nearest."""
SHORT, SIDE, COUNT, FEWEST = 192, 256, 48, 2
"""Shortest side of the picture that is drawn on, side of a stored layer, and layers of each kind and shape.

The layers take 252 MB.
"""


@dataclass(frozen=True)
class Layers:
    """``pixels`` (L, 4, SIDE, SIDE) uint8: RGB times opacity, and opacity.

    ``places`` (L, 4): where the picture lies, left, top, right and bottom, in widths and heights of that picture;
    ``sizes`` (L, 2): width and height of the whole layer in the same unit.
    """

    pixels: Tensor
    places: npt.NDArray[np.float64]
    sizes: npt.NDArray[np.float64]
    count: int

    def pick(self, kind: str, size: tuple[int, int], rng: np.random.Generator) -> int:
        """Number of a random layer of a kind for a picture of ``size`` (width, height)."""
        nearest = int(np.abs(np.log(np.array(SHAPES) * size[1] / size[0])).argmin())
        group = list(KINDS).index(kind) * len(SHAPES) + nearest
        return group * self.count + int(rng.integers(0, self.count))

    def around(self, layer: int, size: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
        """Size (width, height) of a scene around a picture of ``size``, and the picture's place (x, y) in it."""
        spot = (round(self.places[layer, 0] * size[0]), round(self.places[layer, 1] * size[1]))
        whole = (round(self.sizes[layer, 0] * size[0]), round(self.sizes[layer, 1] * size[1]))
        return (max(whole[0], spot[0] + size[0]), max(whole[1], spot[1] + size[1])), spot


def draw(seed: int, strengths: dict[str, float], device: torch.device, count: int = COUNT) -> Layers:
    """Draw all layers; ``strengths``: strength in 0..1 of each kind. The same seed gives the same layers."""
    drawn = [
        _layer(kind, ratio, strengths[kind], np.random.default_rng([seed, number, shape, index]))
        for number, kind in enumerate(KINDS)
        for shape, ratio in enumerate(SHAPES)
        for index in range(count)
    ]
    pixels = torch.from_numpy(np.stack([one[0] for one in drawn])).to(device)
    return Layers(pixels, np.array([one[1] for one in drawn]), np.array([one[2] for one in drawn]), count)


def _layer(kind: str, ratio: float, strength: float, rng: np.random.Generator) -> tuple[npt.NDArray[Any], ...]:
    size = (round(SHORT * max(1.0, ratio)), round(SHORT / min(1.0, ratio)))
    state = rng.bit_generator.state
    edited = []
    for ground in ("black", "white"):
        rng.bit_generator.state = state
        edited.append(KINDS[kind](Image.new("RGB", size, ground), rng, strength))
    dark, light = (one.picture.resize((SIDE, SIDE), Image.Resampling.BOX) for one in edited)
    colour = np.asarray(dark, np.int16)
    opacity = 255 - (np.asarray(light, np.int16) - colour).clip(0, 255).mean(axis=2, keepdims=True)
    pixels = np.concatenate([colour, opacity.round().astype(np.int16)], axis=2).astype(np.uint8)
    place, whole = edited[0].transform, np.array(edited[0].picture.size) / size
    left, top = place[:2, 2] * whole
    return pixels.transpose(2, 0, 1), np.array([left, top, left + 1, top + 1]), whole


def enough(pictures: int) -> int:
    """Layers of each kind and shape for a training of so many ``pictures``: ``COUNT``, or fewer if it is tiny."""
    return min(COUNT, max(FEWEST, math.ceil(pictures / 100)))
