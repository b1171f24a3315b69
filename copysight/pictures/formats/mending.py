"""Mend what may be wrong with a file whose pixels are all there: metadata, a missing end, a wrong length.

A file comes here only after its reader has failed. Whether all scan lines are there is never guessed from sizes: where
the format does not tell, the file is decoded with different endings, and pixels that change with the ending were not
in the file.
"""

from collections.abc import Callable, Iterator

from copysight.pictures.formats import endings, jpeg, png, webp

BMP_ENDINGS = (b"\0\0\0", b"\xff\xff\xff")
"""A row of a BMP is filled up to four bytes; the fill of the last row may be missing."""
GIF_ENDINGS = (b"\0" * 256 + b";", b"\xff" * 256 + b";", b"\x55\xaa" * 128 + b";")
"""Enough for the longest block of data."""


def mended(kind: str, data: bytes, max_pixels: int) -> Iterator[bytes]:
    """Mended files to try, in this order. ``max_pixels`` limits what is decoded to decide."""
    for one in MENDERS.get(kind, _nothing)(data, max_pixels):
        if one is not None and one != data:
            yield one


def _nothing(data: bytes, max_pixels: int) -> Iterator[bytes | None]:  # noqa: ARG001
    yield from ()


def _png(data: bytes, max_pixels: int) -> Iterator[bytes | None]:
    yield png.without_metadata(data, animation=True)
    yield png.without_metadata(data, animation=False)
    yield png.completed(data, max_pixels)


def _jpeg(data: bytes, max_pixels: int) -> Iterator[bytes | None]:
    plain = jpeg.without_metadata(data)
    yield plain
    yield jpeg.completed(plain, max_pixels)


def _webp(data: bytes, max_pixels: int) -> Iterator[bytes | None]:  # noqa: ARG001
    yield webp.with_right_sizes(data)


def _bmp(data: bytes, max_pixels: int) -> Iterator[bytes | None]:
    yield endings.completed("BMP", data, BMP_ENDINGS, max_pixels)


def _gif(data: bytes, max_pixels: int) -> Iterator[bytes | None]:
    yield endings.completed("GIF", data, GIF_ENDINGS, max_pixels)


MENDERS: dict[str, Callable[[bytes, int], Iterator[bytes | None]]] = {
    "PNG": _png,
    "JPEG": _jpeg,
    "WEBP": _webp,
    "BMP": _bmp,
    "GIF": _gif,
}
