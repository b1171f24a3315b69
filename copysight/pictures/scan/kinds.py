"""Decide from its name, and for odd names from its first bytes, whether a file is a picture, a tar file or neither."""

import re
from collections.abc import Callable

from copysight.pictures.decode import Limits
from copysight.pictures.formats import signatures

OF_FORMAT = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".jfi", ".jif", ".pjpeg", ".pjp", ".mpo"),
    "PNG": (".png", ".apng"),
    "WEBP": (".webp",),
    "GIF": (".gif",),
    "BMP": (".bmp", ".dib"),
    "TIFF": (".tif", ".tiff"),
    "AVIF": (".avif", ".avifs"),
    "HEIC": (".heic", ".heif", ".hif", ".heics", ".heifs"),
}
"""Suffixes of the formats that can be read."""
FORMAT_OF = {suffix: name for name, suffixes in OF_FORMAT.items() for suffix in suffixes}
SUFFIXES = frozenset(suffix for name in Limits().formats for suffix in OF_FORMAT[name])
OTHER_PICTURES = re.compile(
    r"\.(jxl|jp2|j2k|jpf|jpx|jpm|jxr|wdp|hdp|bpg|flif|qoi|psd|psb|xcf|kra|svgz?|ai|eps|ico|cur|icns|tga|pcx|pbm|pgm|ppm"
    r"|pnm|pam|xbm|xpm|exr|hdr|dds|fits|dcm|djvu|wmf|emf|jng|mng|jps|pns"
    r"|raw|dng|cr2|cr3|crw|nef|nrw|arw|sr2|srf|orf|rw2|raf|pef|srw|x3f|mrw|3fr|iiq|erf|kdc|dcr)"
)
"""Suffixes of pictures that are never read."""
ARCHIVES = re.compile(r"\.(zip|7z|rar|t?gz|tbz2?|bz2|t?xz|t?zst|lzma|lz4|cb[zrt]|iso)")
TAR, PICTURE = "tar", "picture"
NOT_A_PICTURE, UNSUPPORTED, ARCHIVE = "not_a_picture", "unsupported_format", "archive"
ORDINARY = re.compile(r"\.(?=[a-z0-9]*[a-z])[a-z0-9]{1,10}")
WITH_ENDING = re.compile(rf"({'|'.join(map(re.escape, FORMAT_OF))})[^a-z0-9].*", re.DOTALL)
"""A suffix of a picture with something behind it: ``.jpg_large``, ``.jpg!d``, ``.jpg?w=100``, ``.jpg~``."""
HEAD = 4096


def kind_of(name: str, head: Callable[[], bytes], formats: tuple[str, ...]) -> str:
    """``PICTURE``, ``TAR``, or the reason why the file is neither.

    ``head`` reads the first bytes. It is called only if the suffix says nothing: there is none, or it is no suffix as
    in ``… at 10.30.15``. Raises what ``head`` raises.
    """
    stem, dot, ending = name.rpartition(".")
    suffix = f".{ending.lower()}" if dot and stem else ""
    if suffix == ".tar":
        return TAR
    if suffix in FORMAT_OF or (extended := WITH_ENDING.fullmatch(suffix)):
        found = FORMAT_OF[suffix if suffix in FORMAT_OF else extended[1]]  # type: ignore[index]
        return PICTURE if found in formats or _is_picture(head(), formats) else UNSUPPORTED
    if OTHER_PICTURES.fullmatch(suffix):
        return UNSUPPORTED
    if ARCHIVES.fullmatch(suffix):
        return ARCHIVE
    return NOT_A_PICTURE if ORDINARY.fullmatch(suffix) or not _is_picture(head(), formats) else PICTURE


def _is_picture(head: bytes, formats: tuple[str, ...]) -> bool:
    return signatures.name(head) in formats
