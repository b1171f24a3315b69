"""Turn a decoded frame into RGB: 16 bits become 8, transparency is laid on a ground that shows the drawing."""

from math import ceil

import numpy as np
import numpy.typing as npt
from PIL import Image

TRANSPARENT = frozenset({"RGBA", "LA", "PA", "RGBa", "La"})
GROUNDS = (255, 0, 128)
"""White, black and grey, in this order of preference."""
KEEP_WHITE = 0.6
"""White is kept if it shows at least this share of the edges that the best ground shows."""
EDGE = 96.0
"""Difference of neighbouring pixels, of 255, that counts as a full edge."""
SIDE = 512
"""Grounds are compared on a picture of at most this side, in pixels."""
SPANS = (255.0, 65535.0, 4294967295.0)


def rgb(frame: Image.Image, still: bool = True) -> Image.Image:
    """A copy of a loaded frame in RGB. ``still``: the file has one frame (see `with_alpha`).

    Transparency is laid on white. Where white would hide the drawing (a white logo on nothing), the ground is black or
    grey: the one that shows the most edges.
    """
    if frame.mode == "RGB" and "transparency" not in frame.info:
        return frame.copy()
    layer = with_alpha(frame, still)
    if layer.mode != "RGBA":
        return layer.convert("RGB")
    ground = _ground(layer)
    return Image.alpha_composite(Image.new("RGBA", layer.size, (ground, ground, ground, 255)), layer).convert("RGB")


def with_alpha(frame: Image.Image, still: bool = True) -> Image.Image:
    """A loaded frame as RGBA if it has transparency, else in a mode without it, of 8 bits.

    Alpha that is 0 everywhere in a file of one frame is no alpha: programs that know only colours leave it at 0.
    """
    transparent = frame.mode in TRANSPARENT or "transparency" in frame.info
    if frame.mode.startswith("I") or frame.mode == "F":
        layer = _to_8_bits(frame)
        if transparent and isinstance(frame.info["transparency"], int):
            layer = layer.convert("RGBA")
            layer.putalpha(Image.fromarray(np.asarray(frame) != frame.info["transparency"]).convert("L"))
    elif transparent:
        layer = frame.convert("RGBA")
    else:
        return frame
    if still and layer.mode == "RGBA" and layer.getchannel("A").getextrema() == (0, 0):
        layer.putalpha(255)
    return layer


def _to_8_bits(frame: Image.Image) -> Image.Image:
    values = np.asarray(frame).astype(np.float32)
    full = _full(frame, float(values.max(initial=0.0)))
    return Image.fromarray((values.clip(0, full) * (255.0 / full)).round().astype(np.uint8))


def _full(frame: Image.Image, largest: float) -> float:
    """The value of white. 16 bits have theirs; numbers of 32 bits and fractions tell it only by their largest value."""
    if frame.mode.startswith("I;16") or frame.format == "PNG":
        return 65535.0
    if frame.mode == "F" and largest <= 1:
        return 1.0
    return next((span for span in SPANS if largest <= span), SPANS[-1])


def _ground(layer: Image.Image) -> int:
    if layer.getchannel("A").getextrema()[0] == 255:
        return GROUNDS[0]
    small = np.asarray(layer.reduce(ceil(max(layer.size) / SIDE)), np.float32)
    shown = [_edges(small, ground) for ground in GROUNDS]
    return GROUNDS[0] if shown[0] >= KEEP_WHITE * max(shown) else GROUNDS[int(np.argmax(shown))]


def _edges(layer: npt.NDArray[np.float32], ground: float) -> float:
    """What can be seen of a drawing (rows, columns, RGBA) on a ground: the sum of its edges, strong ones cut off."""
    alpha = layer[..., 3:] / 255
    laid = layer[..., :3] * alpha + ground * (1 - alpha)
    steps = (np.abs(np.diff(laid, axis=axis)).mean(axis=-1) for axis in (0, 1))
    return float(sum(np.minimum(step, EDGE).sum(dtype=np.float64) for step in steps))
