"""Decode bytes to RGB pictures; check format, bytes and pixels first, because input may be hostile."""

import struct
import zlib
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import Image, ImageFile

from copysight.errors import (
    CorruptPicture,
    EmptyPicture,
    PictureTooSmall,
    TooManyBytes,
    TooManyPixels,
    UnsupportedFormat,
)

ORIENTATION_TAG = 0x0112
TRANSPOSITIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
WHITE = (255, 255, 255, 255)

# What Pillow's decoders raise on damaged files, found by fuzzing. Any other exception is a bug.
DECODER_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    IndexError,
    KeyError,
    AttributeError,
    OverflowError,
    MemoryError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)


@dataclass(frozen=True)
class Limits:
    """Limits for pictures. ``max_pixels`` applies to the size given in the header; ``min_side`` is in pixels."""

    max_bytes: int = 32 * 2**20
    max_pixels: int = 100_000_000
    min_side: int = 8
    formats: tuple[str, ...] = ("JPEG", "PNG", "WEBP", "GIF", "BMP")


@dataclass(frozen=True)
class Picture:
    """A decoded picture: upright RGB ``pixels``, possibly scaled down, and the size of the upright original."""

    pixels: Image.Image
    width: int
    height: int
    format: str


def decode(data: bytes, limits: Limits = Limits(), at_least: int | None = None) -> Picture:
    """Decode a picture: first frame, EXIF orientation applied, transparency over white, 16 bits reduced to 8.

    With ``at_least`` a JPEG is decoded at 1/2, 1/4 or 1/8 of its size, the smallest whose shortest side has at least
    that many pixels (a 12-megapixel photograph then takes a tenth of the time). Raises a ``PictureError``.
    """
    check_bytes(data, limits)
    file = _open(data, limits)
    width, height = _check_size(file, limits)
    try:
        orientation = _orientation(file)
        if at_least is not None:
            file.draft(file.mode, (at_least, at_least))
        # One block: by default Pillow passes 64 KB at a time to a decoder, which is slow at the end of each block.
        file.decodermaxblock = max(file.decodermaxblock, len(data))
        file.load()
        pixels = _rgb(file)
    except DECODER_ERRORS as error:
        raise CorruptPicture(
            f"got a {file.format} file whose pixels cannot be read ({error}); send the whole, undamaged file"
        ) from error
    if orientation in TRANSPOSITIONS:
        pixels = pixels.transpose(TRANSPOSITIONS[orientation])
    if orientation >= 5:
        width, height = height, width
    return Picture(pixels, width, height, str(file.format))


def check_bytes(data: bytes, limits: Limits) -> None:
    """Raise ``EmptyPicture`` or ``TooManyBytes`` before anything is parsed."""
    if not data:
        raise EmptyPicture("got an empty file; send the bytes of a picture")
    if len(data) > limits.max_bytes:
        raise TooManyBytes(
            f"got {len(data):,} bytes; at most {limits.max_bytes:,} are allowed; send a smaller file", size=len(data)
        )


def _open(data: bytes, limits: Limits) -> ImageFile.ImageFile:
    # Pillow's `open` uses a process-wide pixel limit. Here the limit is an argument, so the format's reader is called
    # directly and the limit is checked in `_check_size`, before any pixel is decoded.
    Image.init()
    for name in limits.formats:
        factory, accept = Image.OPEN[name]
        if accept is None or accept(data[:16]) is True:
            try:
                return factory(BytesIO(data), "")
            except DECODER_ERRORS as error:
                raise CorruptPicture(
                    f"got a {name} file whose header cannot be read ({error}); send the whole, undamaged file"
                ) from error
    allowed = ", ".join(limits.formats)
    raise UnsupportedFormat(
        f"got {len(data):,} bytes that are not a picture of an allowed format; send one of {allowed}"
    )


def _check_size(file: ImageFile.ImageFile, limits: Limits) -> tuple[int, int]:
    width, height = file.size
    if min(width, height) < limits.min_side:
        raise PictureTooSmall(
            f"got a picture of {width} x {height} pixels; each side needs at least {limits.min_side}; send a larger one"
        )
    if width * height > limits.max_pixels:
        raise TooManyPixels(
            f"got a picture of {width} x {height} pixels; at most {limits.max_pixels:,} pixels are allowed; "
            "send a smaller one or raise the limit"
        )
    return width, height


def _orientation(file: ImageFile.ImageFile) -> int:
    try:
        value = file.getexif().get(ORIENTATION_TAG, 1)
    except DECODER_ERRORS:  # damaged EXIF data does not make the picture unusable
        return 1
    return value if isinstance(value, int) else 1


def _rgb(file: Image.Image) -> Image.Image:
    if file.mode == "RGB" and "transparency" not in file.info:
        return file.copy()
    if file.mode.startswith("I") or file.mode == "F":
        return _to_8_bits(file).convert("RGB")
    if file.mode in {"RGBA", "LA", "PA", "RGBa", "La"} or "transparency" in file.info:
        layer = file.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layer.size, WHITE), layer).convert("RGB")
    return file.convert("RGB")


def _to_8_bits(file: Image.Image) -> Image.Image:
    values = np.asarray(file).astype(np.float32)
    full = 65535.0 if values.max(initial=0.0) > 255 else 255.0
    return Image.fromarray((values.clip(0, full) * (255.0 / full)).round().astype(np.uint8))
