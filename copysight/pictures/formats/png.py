"""Mend PNG files: leave out chunks that hold no pixels, add a missing end (PNG specification, third edition)."""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

SIGNATURE = b"\x89PNG\r\n\x1a\n"
END = struct.pack(">I", 0) + b"IEND" + struct.pack(">I", zlib.crc32(b"IEND"))
CRITICAL = {b"IHDR", b"PLTE", b"IDAT"}
ANIMATION = {b"acTL", b"fcTL", b"fdAT"}
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Samples of a pixel for each colour type."""
TRANSPARENCY_SIZES = {0: (2,), 2: (6,), 3: range(1, 257)}
"""Allowed lengths of tRNS for each colour type; the others have their own alpha."""
PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""Adam7: first column, first row, step of columns, step of rows."""


@dataclass(frozen=True)
class Chunk:
    """A chunk, perhaps cut short. ``whole``: its bytes as they are, checksum included. ``sound``: the checksum fits."""

    kind: bytes
    body: bytes
    whole: bytes
    sound: bool


def without_metadata(data: bytes, animation: bool) -> bytes:
    """The file without the chunks that no pixel depends on, and without what follows its end.

    Kept are the critical chunks as they are, transparency and EXIF (for the orientation) where they are sound, and
    with ``animation`` its frames.
    """
    kept = [SIGNATURE]
    colour = None
    for chunk in _chunks(data):
        if chunk.kind == b"IHDR" and len(chunk.body) == 13:
            colour = chunk.body[9]
        if chunk.kind in CRITICAL or (chunk.sound and _is_kept(chunk, colour, animation)):
            kept.append(chunk.whole)
    return b"".join(kept) + END


def completed(data: bytes, max_pixels: int) -> bytes | None:
    """The still picture with its data packed anew, if all scan lines can be unpacked; else ``None``."""
    chunks = list(_chunks(data))
    header = next((chunk.body for chunk in chunks if chunk.kind == b"IHDR" and chunk.sound), b"")
    if len(header) != 13 or header[9] not in CHANNELS:
        return None
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", header)
    if width * height > max_pixels:
        return None
    size = _unpacked_size(width, height, depth * CHANNELS[colour], bool(interlaced))
    packed = b"".join(chunk.body for chunk in chunks if chunk.kind == b"IDAT")
    try:
        # Without the two bytes of the zlib header: its checksum, at the end, may be wrong or missing.
        lines = zlib.decompressobj(wbits=-zlib.MAX_WBITS).decompress(packed[2:], size)
    except zlib.error:
        return None
    if not size or len(lines) < size:
        return None
    others = [chunk.whole for chunk in chunks if chunk.kind in {b"IHDR", b"PLTE"} or _is_still(chunk, colour)]
    return SIGNATURE + b"".join(others) + _chunk(b"IDAT", zlib.compress(lines, 1)) + END


def _is_kept(chunk: Chunk, colour: int | None, animation: bool) -> bool:
    return _is_still(chunk, colour) or (animation and chunk.kind in ANIMATION)


def _is_still(chunk: Chunk, colour: int | None) -> bool:
    if chunk.kind == b"tRNS":
        return chunk.sound and len(chunk.body) in TRANSPARENCY_SIZES.get(colour if colour is not None else -1, ())
    return chunk.kind == b"eXIf" and chunk.sound


def _unpacked_size(width: int, height: int, bits: int, interlaced: bool) -> int:
    """Bytes of all scan lines; each begins with a byte for its filter. A pass without columns has none."""
    passes = PASSES if interlaced else ((0, 0, 1, 1),)
    sizes = [(-(-(width - x) // across), -(-(height - y) // down)) for x, y, across, down in passes]
    return sum(rows * (1 + (columns * bits + 7) // 8) for columns, rows in sizes if columns > 0 and rows > 0)


def _chunks(data: bytes) -> Iterator[Chunk]:
    at = len(SIGNATURE)
    while at + 8 <= len(data):
        (size,) = struct.unpack_from(">I", data, at)
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + size]
        if kind == b"IEND":
            return
        check = data[at + 8 + size : at + 12 + size]
        if len(body) < size or len(check) < 4:  # the file ends in this chunk
            yield Chunk(kind, body, _chunk(kind, body), sound=False)
            return
        sound = check == struct.pack(">I", zlib.crc32(data[at + 4 : at + 8 + size]))
        yield Chunk(kind, body, data[at : at + 12 + size], sound)
        at += 12 + size


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
