"""Decide which pixels of a file without its end are there: decode it with different endings and compare."""

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageChops

from copysight.pictures.formats.readers import DECODER_ERRORS, open_file

DRAFT = 1024
"""A large JPEG is compared at 1/2, 1/4 or 1/8 of its size, with at least this many pixels on its shortest side."""


@dataclass(frozen=True)
class Difference:
    """The box of the pixels that depend on the ending (``None`` if none does), in a picture of ``size``."""

    box: tuple[int, int, int, int] | None
    size: tuple[int, int]


def completed(kind: str, data: bytes, endings: Sequence[bytes], max_pixels: int) -> bytes | None:
    """``data`` with the first ending if its pixels are the same with every ending, else ``None``."""
    found = difference(kind, data, endings, max_pixels)
    return data + endings[0] if found is not None and found.box is None else None


def difference(kind: str, data: bytes, endings: Sequence[bytes], max_pixels: int) -> Difference | None:
    """How the pixels depend on the ending; ``None`` if they cannot be decoded with each, within ``max_pixels``."""
    boxes: list[tuple[int, int, int, int]] = []
    try:
        first = _decoded(kind, data + endings[0], max_pixels)
        if first is None:
            return None
        for ending in endings[1:]:
            other = _decoded(kind, data + ending, max_pixels)
            if other is None or first.size != other.size:
                return None
            box = ImageChops.difference(first, other).getbbox()
            boxes += [box] if box is not None else []
    except DECODER_ERRORS:
        return None
    if not boxes:
        return Difference(None, first.size)
    lefts, tops, rights, bottoms = zip(*boxes, strict=True)
    return Difference((min(lefts), min(tops), max(rights), max(bottoms)), first.size)


def _decoded(kind: str, data: bytes, max_pixels: int) -> Image.Image | None:
    file = open_file(kind, data)
    if file.width * file.height > max_pixels:
        return None
    file.draft(None, (DRAFT, DRAFT))
    file.load()
    return file.convert("RGB")
