"""Mend JPEG files: leave out damaged metadata, add a missing end where all scan lines are there (ITU-T T.81)."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

from copysight.pictures.formats import endings

END = b"\xff\xd9"
NOISE = (b"\x35\xca\x5a\x96\x0f\xb7\x61\x48" * 4, b"\xe9\x1c\x73\xd4\x2b\x80\xa6\x5f" * 4)
"""Two patterns that a decoder takes for picture data where the file's own ends too early."""
RESTARTS = [bytes((0xFF, 0xD0 + number)) for number in range(8)]
ENDINGS = (END, *(b"".join(noise + marker for marker in RESTARTS * 2) + noise + END for noise in NOISE))
KEPT = {0xE0: 18, 0xEE: 16}
"""Application segments that tell how colours are stored, JFIF (APP0) and Adobe (APP14), and their least bytes."""
COMMENT, SCAN, FRAMES = 0xFE, 0xDA, {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
PROGRESSIVE = {0xC2, 0xC6, 0xCA, 0xCE}
MAX_LOST = 0.01
"""Share of the pixels that may be lost at the end of the last row of blocks."""


@dataclass(frozen=True)
class Frame:
    """The frame header: rows of the picture, rows of a block (MCU), identifiers of the components."""

    rows: int
    block: int
    components: tuple[int, ...]
    progressive: bool


def without_metadata(data: bytes) -> bytes:
    """The file without comments and application segments, but for those about colours, up to its first scan."""
    kept = [data[:2]]
    at = 2
    for start, marker, end in _segments(data):
        metadata = marker == COMMENT or (0xE0 <= marker <= 0xEF and end - start < KEPT.get(marker, len(data)))
        kept += [] if metadata else [data[start:end]]
        at = end
        if marker == SCAN:
            break
    return b"".join(kept) + data[at:]


def completed(data: bytes, max_pixels: int) -> bytes | None:
    """The file with an end-of-image marker if all scan lines are there, else ``None``.

    All are there if every scan is, and if only pixels of the last row of blocks, and few of them, are not in the data.
    """
    body = data.rstrip(b"\0").removesuffix(b"\xff")
    frame = _frame(body)
    if frame is None or not _has_all_scans(body, frame):
        return None
    found = endings.difference("JPEG", body, ENDINGS, max_pixels)
    return body + END if found is not None and _is_small(found, frame) else None


def _is_small(found: endings.Difference, frame: Frame) -> bool:
    if found.box is None:
        return True
    left, top, _, _ = found.box
    width, height = found.size
    last = height / frame.rows * frame.block * (ceil(frame.rows / frame.block) - 1)
    # Colours are interpolated with the row above. All of the last row from the first lost block on is lost, not only
    # the pixels that differ.
    return top >= last - 2 and (width - left) * (height - last) <= MAX_LOST * width * height


def _frame(data: bytes) -> Frame | None:
    for start, marker, end in _segments(data):
        body = data[start + 4 : end]
        if marker in FRAMES and len(body) >= 6 and len(body) >= 6 + 3 * body[5]:
            components = [body[6 + 3 * number : 9 + 3 * number] for number in range(body[5])]
            rows = int.from_bytes(body[1:3], "big")
            if not rows or not components:
                return None
            sampling = 1 if len(components) == 1 else max(one[1] & 15 for one in components)
            return Frame(rows, 8 * sampling, tuple(one[0] for one in components), marker in PROGRESSIVE)
    return None


def _has_all_scans(data: bytes, frame: Frame) -> bool:
    """Whether every coefficient of every component has a scan, in a progressive file down to its last bit."""
    missing = {(component, at) for component in frame.components for at in range(64 if frame.progressive else 1)}
    for start, marker, end in _segments(data):
        body = data[start + 4 : end]
        if marker != SCAN or not body or len(body) < 4 + 2 * body[0]:
            continue
        first, last, bits = body[1 + 2 * body[0] :][:3]
        if not frame.progressive:
            first, last, bits = 0, 0, 0
        if bits & 15 == 0:
            scanned = [body[1 + 2 * number] for number in range(body[0])]
            missing -= {(one, at) for one in scanned for at in range(first, last + 1)}
    return not missing


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Start, marker and end of each segment that has a length; what lies between them is picture data."""
    at = 2
    while (at := data.find(b"\xff", at)) >= 0 and at + 4 <= len(data):
        marker = data[at + 1]
        if marker == 0xD9:
            return
        if marker < 0xC0 or 0xD0 <= marker <= 0xD8 or marker == 0xFF:
            at += 1 if marker == 0xFF else 2
            continue
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        yield at, marker, min(end, len(data))
        at = max(end, at + 4)
