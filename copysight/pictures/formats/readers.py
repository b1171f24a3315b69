"""Open a file with Pillow's reader of its format, without Pillow's search among all formats."""

import importlib
import importlib.util
import struct
import zlib
from collections.abc import Callable, Iterable
from io import BytesIO

from PIL import AvifImagePlugin, Image, ImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

# What Pillow's decoders raise on damaged files, found by fuzzing. Any other exception is a bug.
DECODER_ERRORS = (
    OSError,
    EOFError,
    SyntaxError,
    ValueError,
    TypeError,
    IndexError,
    KeyError,
    AttributeError,
    RuntimeError,
    ArithmeticError,
    MemoryError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)
HEIF_PLUGIN = "pillow_heif.as_plugin"
HEIC = "HEIC"


def _heic(file: BytesIO, name: str) -> ImageFile.ImageFile:
    opened: ImageFile.ImageFile = importlib.import_module(HEIF_PLUGIN).HeifImageFile(file, name)
    return opened


# Pillow's own opener of JPEG returns another class for a file with several pictures (MPO: stereo cameras, previews).
# Such a file is read as browsers read it: its first picture.
READERS: dict[str, Callable[[BytesIO, str], ImageFile.ImageFile]] = {
    "JPEG": JpegImageFile,
    "PNG": PngImageFile,
    "WEBP": WebPImageFile,
    "GIF": GifImageFile,
    "BMP": BmpImageFile,
    "TIFF": TiffImageFile,
    "AVIF": AvifImagePlugin.AvifImageFile,
    HEIC: _heic,
}


def open_file(kind: str, data: bytes) -> ImageFile.ImageFile:
    """Read the header of a file of format ``kind``, a key of ``READERS``. Raises one of ``DECODER_ERRORS``."""
    return READERS[kind](BytesIO(data), "")


def prepare(formats: tuple[str, ...], max_pixels: int) -> None:
    """Set the two limits that Pillow has for a whole process: pixels of a picture, threads of one AVIF decoder.

    Pillow's pixel limit is only ever raised. The readers' callers check ``max_pixels`` themselves.
    """
    if Image.MAX_IMAGE_PIXELS is not None and max_pixels > Image.MAX_IMAGE_PIXELS:
        Image.MAX_IMAGE_PIXELS = max_pixels
    if "AVIF" in formats:
        AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # pictures, not parts of one, are what is decoded in parallel


def load(formats: tuple[str, ...]) -> None:
    """Import the decoders that are imported when they are first used, before a process limits its memory."""
    if HEIC in formats:
        importlib.import_module(HEIF_PLUGIN)


def check(names: Iterable[str]) -> tuple[str, ...]:
    """Names of formats in capitals, without spaces. Raises ``ValueError`` for one that cannot be read here."""
    found = tuple(name.strip().upper() for name in names)
    for name in found:
        if name not in READERS:
            raise ValueError(f"got the format {name!r}; the formats are {', '.join(READERS)}")
        if not installed(name):
            raise ValueError(f"the decoder of {name} is not installed; install it with: pip install 'copysight[heic]'")
    return found


def installed(kind: str) -> bool:
    """Whether the decoder of a format is installed. All are part of Pillow but that of HEIC."""
    return kind != HEIC or importlib.util.find_spec("pillow_heif") is not None
