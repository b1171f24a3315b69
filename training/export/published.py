"""Preprocessing as published: that of timm's configuration of a network, or of a method's released evaluation."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from copysight.errors import InvalidArgument
from copysight.pictures.preprocess import RESAMPLING, Preprocess, Size, scaled

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SWAV_STD = (0.228, 0.224, 0.225)
"""Standard deviations in the released code of SwAV and DeepCluster-v2."""


def of_timm(name: str, config: Mapping[str, Any], size: Size | None) -> Preprocess:
    """The preprocessing of timm's configuration: size, crop, interpolation, mean and standard deviation.

    ``size`` in pixels replaces the published one; the picture is then resized in the same ratio. Raises
    ``InvalidArgument`` for what a bundle cannot do: borders around the picture, and inputs that are no squares.
    """
    _, height, width = config["input_size"]
    if size is None and height != width:
        raise InvalidArgument(
            f"the published input of {name} is {height} x {width} px, and a bundle takes squares; choose a --size"
        )
    if config["crop_mode"] not in RULES:
        raise InvalidArgument(
            f"the published preprocessing of {name} ({config['crop_mode']}: the whole picture with borders) is not one "
            f"of {', '.join(RULES)}, which a bundle can do; choose another network"
        )
    pixels = size or height
    return Preprocess(
        size=pixels,
        resize=RULES[config["crop_mode"]],
        resize_to=_floored(pixels, config["crop_pct"]),
        interpolation=config["interpolation"] if config["interpolation"] in RESAMPLING else "bicubic",
        mean=three(config["mean"]),
        std=three(config["std"]),
    )


RULES: Mapping[str, Any] = {"center": "shortest", "squash": "squash"}
"""Name in timm -> rule of a bundle."""


def centre_crop(pixels: Size, mean: Sequence[float], std: Sequence[float]) -> Preprocess:
    """Resize to 8/7 of the crop (256 for 224) and crop the centre, as in the evaluations of DINO and SwAV."""
    return Preprocess(pixels, "shortest", scaled(pixels, 8 / 7), "bicubic", three(mean), three(std))


def _floored(pixels: Size, share: float) -> Size:
    """A size divided by ``share``, rounded down as timm does."""
    if isinstance(pixels, int):
        return math.floor(pixels / share)
    return math.floor(pixels[0] / share), math.floor(pixels[1] / share)


def three(values: Sequence[float]) -> tuple[float, float, float]:
    """Values of the three channels."""
    red, green, blue = values
    return (red, green, blue)
