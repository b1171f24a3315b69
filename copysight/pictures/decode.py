"""Decode bytes to RGB pictures; check format, bytes and pixels first, because input may be hostile."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from PIL import Image, ImageFile

from copysight.errors import (
    CorruptPicture,
    EmptyPicture,
    PictureTooSmall,
    TooManyBytes,
    TooManyPixels,
    UnsupportedFormat,
)
from copysight.pictures import exposure, flatten, frames
from copysight.pictures.formats import mending, readers, signatures
from copysight.pictures.formats.readers import DECODER_ERRORS

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
SPOKEN_WITH_A_VOWEL = ("A", "E", "I", "O", "SVG", "HTML", "XML", "XPM", "XCF", "MP", "MNG", "FLV")
T = TypeVar("T")


@dataclass(frozen=True)
class Limits:
    """Limits for pictures. ``max_pixels`` applies to the size given in the header; ``min_side`` is in pixels.

    ``formats`` are keys of ``copysight.pictures.formats.readers.READERS``.
    """

    max_bytes: int = 32 * 2**20
    max_pixels: int = 100_000_000
    min_side: int = 8
    formats: tuple[str, ...] = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")


@dataclass(frozen=True)
class Picture:
    """A decoded picture: upright RGB ``pixels``, possibly scaled down, and the size of the upright original.

    ``taken`` and ``camera`` are what EXIF says, see `exposure`.
    """

    pixels: Image.Image
    width: int
    height: int
    format: str
    taken: str | None = None
    camera: str | None = None


@dataclass(frozen=True)
class Opened:
    """A file whose header is read and whose size is within the limits; its pixels are not decoded yet."""

    file: ImageFile.ImageFile
    format: str
    data: bytes


def decode(data: bytes, limits: Limits = Limits(), at_least: int | None = None) -> Picture:
    """Decode a picture: EXIF orientation applied, 16 bits reduced to 8, transparency over white.

    A drawing that white would hide is laid on black or grey. Of an animation, the first frame that shows something; of
    a file with pages, the first page. With ``at_least`` a JPEG is decoded at 1/2, 1/4 or 1/8 of its size, the smallest
    whose shortest side has at least that many pixels (a 12-megapixel photograph then takes a tenth of the time).
    Raises a ``PictureError``.
    """
    return read(data, limits, lambda opened: _picture(opened, limits, at_least))


def read(data: bytes, limits: Limits, work: Callable[[Opened], T]) -> T:
    """Open a picture file and give it to ``work``, which decodes it. If that fails, mended versions of it are tried.

    Raises a ``PictureError``: of what was tried, the first.
    """
    check_bytes(data, limits)
    kind = _format(data, limits)
    readers.prepare(limits.formats, limits.max_pixels)
    try:
        return _read(kind, data, limits, work)
    except CorruptPicture as error:
        if isinstance(error.__cause__, MemoryError):
            raise
        for mended in mending.mended(kind, data, limits.max_pixels):
            try:
                return _read(kind, mended, limits, work)
            except CorruptPicture:
                continue
        raise


def check_bytes(data: bytes, limits: Limits) -> None:
    """Raise ``EmptyPicture`` or ``TooManyBytes`` before anything is parsed."""
    if not data:
        raise EmptyPicture("got an empty file; send the bytes of a picture")
    if len(data) > limits.max_bytes:
        raise TooManyBytes(
            f"got {len(data):,} bytes; at most {limits.max_bytes:,} are allowed; send a smaller file", size=len(data)
        )


def load(opened: Opened) -> None:
    """Decode the first frame of an opened file, in place. Raises one of ``DECODER_ERRORS``."""
    file = opened.file
    # One block: by default Pillow passes 64 KB at a time to a decoder, which is slow at the end of each block.
    file.decodermaxblock = max(file.decodermaxblock, len(opened.data))
    if opened.format == "TIFF":
        file.info.pop("xmp", None)  # Pillow turns a TIFF while it loads it, and would follow XMP where EXIF is silent
    file.load()


def orientation(opened: Opened) -> int:
    """The EXIF orientation of a loaded file, 1 to 8. A TIFF is turned by its reader.

    XMP has another, which browsers do not follow.
    """
    if opened.format == "TIFF":
        return 1
    try:
        exif = Image.Exif()
        exif.load(opened.file.info.get("exif") or b"")
        value = exif.get(ORIENTATION_TAG, 1)
    except DECODER_ERRORS:  # damaged EXIF data does not make the picture unusable
        return 1
    return value if isinstance(value, int) and value in range(1, 9) else 1


def turned(pixels: Image.Image, value: int) -> Image.Image:
    """Pixels turned upright from an EXIF orientation."""
    return pixels.transpose(TRANSPOSITIONS[value]) if value in TRANSPOSITIONS else pixels


def _format(data: bytes, limits: Limits) -> str:
    found = signatures.name(data)
    if found in limits.formats:
        return found
    allowed = ", ".join(limits.formats)
    if found is None:
        raise UnsupportedFormat(
            f"got {len(data):,} bytes that are not a picture of an allowed format; send one of {allowed}"
        )
    remedy = "allow it with the setting `formats`, or " if found in readers.READERS else ""
    raise UnsupportedFormat(f"got {_a(found)} file, which is not read here; {remedy}send one of {allowed}")


def _a(kind: str) -> str:
    return f"{'an' if kind.startswith(SPOKEN_WITH_A_VOWEL) else 'a'} {kind}"


def _read(kind: str, data: bytes, limits: Limits, work: Callable[[Opened], T]) -> T:
    try:
        file = readers.open_file(kind, data)
    except DECODER_ERRORS as error:
        raise CorruptPicture(
            f"got {_a(kind)} file whose header cannot be read ({error}); send the whole, undamaged file"
        ) from error
    _check_size(file, limits)
    try:
        return work(Opened(file, kind, data))
    except DECODER_ERRORS as error:
        raise CorruptPicture(
            f"got {_a(kind)} file whose pixels cannot be read ({error}); send the whole, undamaged file"
        ) from error


def _check_size(file: ImageFile.ImageFile, limits: Limits) -> None:
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


def _picture(opened: Opened, limits: Limits, at_least: int | None) -> Picture:
    file = opened.file
    size = file.size
    if at_least is not None and opened.format == "JPEG":
        file.draft(file.mode, (at_least, at_least))
    load(opened)
    animated = opened.format in frames.ANIMATIONS and frames.has_several(file)
    pixels, turn = flatten.rgb(file, still=not animated), orientation(opened)
    if animated:
        pixels = frames.first_that_shows(file, pixels, limits.max_pixels)
    if opened.format == "TIFF":
        size = file.size
    width, height = reversed(size) if turn >= 5 else size
    facts = exposure.of_picture(file)
    return Picture(turned(pixels, turn), width, height, opened.format, facts.taken, facts.camera)
