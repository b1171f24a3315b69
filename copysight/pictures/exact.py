"""Digest of what a picture file shows: equal digests mean equal pixels, alpha and frames (the verdict ``exact``)."""

import hashlib

import numpy as np
from PIL import Image

from copysight.pictures import decode, flatten, frames
from copysight.pictures.decode import Limits, Opened
from copysight.pictures.formats.readers import DECODER_ERRORS, open_file

MAX_FRAMES = 10_000
ORDINARY = Limits()
LOW_BYTES = {"RGB;16B": "RGB;16L", "RGBA;16B": "RGBA;16L"}
"""Raw modes of 16-bit colours, of which Pillow keeps the high bytes, and the modes that keep the low bytes instead."""


def digest(data: bytes, limits: Limits = ORDINARY) -> str | None:
    """Digest of all frames of a file, upright, with alpha; ``None`` if not all that it shows can be read.

    Colours under alpha 0 do not count; 16 bits count in full. ``None`` for a damaged later frame, for more than
    ``max_pixels`` pixels over all frames, and for 16-bit colours in other formats than PNG. Raises a ``PictureError``.
    """
    return decode.read(data, limits, lambda opened: _digest(opened, limits))


def _digest(opened: Opened, limits: Limits) -> str | None:
    file, several = opened.file, frames.has_several(opened.file)
    low = _low_bytes(opened)
    if low is None or (low and several):
        return None
    decode.load(opened)
    turn = decode.orientation(opened)
    sha = hashlib.sha256(low)
    sha.update(_shown(file, turn, still=not several))
    if several:
        try:
            for frame in frames.following(file, MAX_FRAMES, limits.max_pixels):
                sha.update(_shown(frame, turn, still=False))
        except DECODER_ERRORS:
            return None
    return sha.hexdigest()


def _shown(frame: Image.Image, turn: int, still: bool) -> bytes:
    """Size, pixels, and alpha where there is one, of a loaded frame."""
    values = b""
    if frame.mode.startswith("I") or frame.mode == "F":
        values = np.asarray(frame).astype("<f4" if frame.mode == "F" else "<i8").tobytes()
    layer = flatten.with_alpha(frame, still)
    if layer.mode == "RGBA" and layer.getchannel("A").getextrema() != (255, 255):
        seen = layer.getchannel("A").point([0] + [255] * 255)
        layer = Image.composite(layer, Image.new("RGBA", layer.size), seen)
    else:
        layer = layer.convert("RGB")
    layer = decode.turned(layer, turn)
    return f"{layer.mode} {layer.size} ".encode() + values + layer.tobytes()


def _low_bytes(opened: Opened) -> bytes | None:
    """The low bytes of 16-bit colours; empty if a file has none, ``None`` if they cannot be read."""
    raw = {str(tile.args if isinstance(tile.args, str) else (tile.args or ("",))[0]) for tile in opened.file.tile}
    if opened.format not in {"PNG", "TIFF"} or opened.file.mode.startswith("I") or not any(";16" in one for one in raw):
        return b""
    if opened.format != "PNG" or len(raw) != 1 or not raw <= LOW_BYTES.keys():
        return None
    file = open_file(opened.format, opened.data)
    file.tile = [tile._replace(args=LOW_BYTES[raw.copy().pop()]) for tile in file.tile]
    decode.load(Opened(file, opened.format, opened.data))
    return file.tobytes()
