"""Mend WebP files: sizes that do not fit, metadata, a missing last byte (RFC 9649)."""

import struct

METADATA = {b"ICCP", b"XMP "}
CUT_SHORT = {b"VP8 ", b"VP8L"}
"""Chunks whose decoder tells itself whether all of its picture is there."""


def with_right_sizes(data: bytes) -> bytes | None:
    """The file with sizes that fit what is there, without colour profile and XMP; ``None`` if a chunk is missing.

    The last chunk of picture data may be cut short: libwebp refuses it unless it holds every block. A frame of an
    animation must be whole.
    """
    chunks: list[bytes] = []
    at = 12
    while at + 8 <= len(data):
        kind, (size,) = data[at : at + 4], struct.unpack_from("<I", data, at + 4)
        body = data[at + 8 : at + 8 + size]
        if len(body) < size and kind not in CUT_SHORT:
            break
        if kind not in METADATA:
            chunks.append(kind + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2))
        at += 8 + size + size % 2
    body = b"".join(chunks)
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body if chunks else None
