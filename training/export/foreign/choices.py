"""Settle how pictures go into somebody else's network: what the user says, else the graph, else a usual value."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from copysight.errors import InvalidArgument
from copysight.pictures.preprocess import Preprocess, Size, in_words, sides
from training.export.foreign.graph_file import GraphFile, Layout, shape_of, size_of
from training.export.published import IMAGENET_MEAN, IMAGENET_STD

Triple = tuple[float, float, float]
PIXELS: Mapping[str, tuple[Triple, Triple]] = {
    "imagenet": (IMAGENET_MEAN, IMAGENET_STD),
    "clip": ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
    "half": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "unit": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    "bytes": ((0.0, 0.0, 0.0), (1 / 255, 1 / 255, 1 / 255)),
}
"""Name -> mean and standard deviation of channel values in 0..1. ``bytes`` gives the network values of 0..255.

``clip``: `preprocess` of OpenAI's CLIP; ``half``: values of -1..1.
"""
RESAMPLE = {2: "bilinear", 3: "bicubic"}
"""Pillow's numbers of the filters in a processor file."""
PROCESSOR = "preprocessor_config.json"


@dataclass(frozen=True)
class Wishes:
    """What the user says about a file; None where the graph or a usual value decides."""

    layout: Layout | None = None
    size: Size | None = None
    pixels: str | None = None
    mean: Triple | None = None
    std: Triple | None = None
    resize: Literal["squash", "shortest"] | None = None
    resize_to: Size | None = None
    interpolation: Literal["bilinear", "bicubic"] | None = None
    output: str | None = None
    recipe: str | None = None
    processor: Path | None = None


@dataclass(frozen=True)
class Choices:
    """How pictures go into a file, and a reason for each choice; ``sure`` if nothing about the pixels is a guess."""

    layout: Layout
    preprocess: Preprocess
    reasons: tuple[str, ...]
    sure: bool


def settle(file: GraphFile, wishes: Wishes) -> Choices:
    """Settle layout, size, resize rule and normalisation. Raises ``InvalidArgument`` for what cannot be known."""
    wishes, source = _with_processor(file, wishes)
    layout, reasons = _layout(file, wishes), []
    named = "the file" if wishes.layout is None else "given"
    reasons.append(f"input {file.input}: {file.dtype}, {layout} ({named})")
    fixed = file.size
    if file.layout is None:
        (one,) = (one for one in file.model.graph.input if one.name == file.input)
        fixed = size_of(shape_of(one), layout)
    if fixed is not None and wishes.size is not None and wishes.size != fixed:
        raise InvalidArgument(f"got --size {in_words(wishes.size)}, and {file.path} takes {in_words(fixed)} px only")
    size = fixed or wishes.size
    if size is None:
        raise InvalidArgument(f"{file.path} takes pictures of any size; give --size, best that of its training")
    resize, to = wishes.resize or "squash", wishes.resize_to or size
    if any(one < other for one, other in zip(sides(to), sides(size), strict=True)):
        raise InvalidArgument(f"got --resize-to {in_words(to)}, which is less than the size of {in_words(size)} px")
    why = "given" if wishes.resize else "usual for copies: nothing is cut away"
    reasons.append(
        f"size {in_words(size)} px ({'the file' if fixed else source or 'given'}), {resize} to {in_words(to)} ({why})"
    )
    name, mean, std, sure, why = _pixels(file, wishes, source)
    reasons.append(f"pixels {name} ({why})")
    preprocess = Preprocess(size, resize, to, wishes.interpolation or "bilinear", mean, std)
    return Choices(layout, preprocess, tuple(reasons), sure)


def with_pixels(preprocess: Preprocess, name: str) -> Preprocess:
    """The same preprocessing with a normalisation of ``PIXELS``."""
    mean, std = PIXELS[name]
    return replace(preprocess, mean=mean, std=std)


def _layout(file: GraphFile, wishes: Wishes) -> Layout:
    if file.layout is not None and wishes.layout not in {None, file.layout}:
        raise InvalidArgument(f"got --layout {wishes.layout}, and the input of {file.path} is {file.layout}")
    layout = file.layout or wishes.layout
    if layout is None:
        raise InvalidArgument(
            f"the file {file.path} does not say which axis of its input has the 3 channels; give --layout NCHW or NHWC"
        )
    return layout


def _pixels(file: GraphFile, wishes: Wishes, source: str | None) -> tuple[str, Triple, Triple, bool, str]:
    """Name, mean, standard deviation, whether they are sure, and the reason."""
    if file.dtype == "uint8":
        if wishes.pixels not in {None, "bytes"} or ((wishes.mean or wishes.std) and source is None):
            raise InvalidArgument(
                f"the input of {file.path} is uint8, so the graph normalises it; leave out --pixels, --mean and --std"
            )
        return ("bytes", *PIXELS["bytes"], True, "the input is uint8, the graph normalises it")
    if (wishes.mean is None) != (wishes.std is None):
        raise InvalidArgument("got one of --mean and --std; give both, or --pixels")
    if wishes.mean is not None and wishes.std is not None:
        return (f"mean {wishes.mean} std {wishes.std}", wishes.mean, wishes.std, True, source or "given")
    name = wishes.pixels or file.pixels or "imagenet"
    why = "given" if wishes.pixels else "the graph normalises them" if file.pixels else "a guess; else give --pixels"
    return (name, *PIXELS[name], bool(wishes.pixels or file.pixels), why)


def _with_processor(file: GraphFile, wishes: Wishes) -> tuple[Wishes, str | None]:
    """Fill what the user left open from a processor file: the given one, or one beside the file."""
    folders = [file.path.parent, *([file.path.parent.parent] if file.path.parent.name == "onnx" else [])]
    beside = next((one / PROCESSOR for one in folders if (one / PROCESSOR).is_file()), None)
    path = wishes.processor or beside
    if path is None:
        return wishes, None
    try:
        found = _read_processor(json.loads(path.read_text()))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidArgument(f"{path} is not a preprocessor_config.json ({error!r}); choose another file") from error
    if wishes.pixels or wishes.mean or wishes.std:
        found = {key: value for key, value in found.items() if key not in {"mean", "std"}}
    if file.size is not None and found.get("size") not in {None, file.size}:
        found = {key: value for key, value in found.items() if key not in {"size", "resize_to"}}
    given = {key: value for key, value in found.items() if getattr(wishes, key) is None and value is not None}
    return replace(wishes, **given), path.name if given else None


def _read_processor(data: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a preprocessor_config.json of Hugging Face's image processors."""
    to, crop = _side(data.get("size")), _side(data.get("crop_size"))
    cropped = data.get("do_center_crop", crop is not None) and crop is not None
    shortest = isinstance(data.get("size"), int) or "shortest_edge" in (data.get("size") or {})
    found: dict[str, Any] = {
        "size": crop if cropped else to,
        "resize_to": to,
        "resize": "shortest" if shortest and cropped else "squash",
        "interpolation": RESAMPLE.get(data.get("resample", -1)),
    }
    scale = float(data.get("rescale_factor", 1 / 255)) * 255 if data.get("do_rescale", True) else 255.0
    mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    if data.get("do_normalize", True):
        mean, std = (_triple(data[key]) for key in ("image_mean", "image_std"))
    return {**found, "mean": _divided(mean, scale), "std": _divided(std, scale)}


def _side(size: Any) -> int | None:
    if size is None or isinstance(size, int):
        return size
    sides = {int(value) for key, value in size.items() if key in {"shortest_edge", "height", "width"}}
    (side,) = sides
    return side


def _triple(values: Any) -> Triple:
    red, green, blue = (float(value) for value in values)
    return (red, green, blue)


def _divided(values: Triple, scale: float) -> Triple:
    return _triple(value / scale for value in values)
