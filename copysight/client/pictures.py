"""Convert a picture in any accepted form to the bytes that are sent."""

from io import BytesIO
from pathlib import Path

from PIL import Image

Source = str | Path | bytes | Image.Image
"""A path, the bytes of a file, or a PIL image, which is sent as PNG, without loss."""


def encoded(source: Source) -> bytes:
    """The bytes of a picture file. Raises ``OSError`` for a path that cannot be read."""
    if isinstance(source, bytes):
        return source
    if isinstance(source, str | Path):
        return Path(source).read_bytes()
    out = BytesIO()
    source.save(out, "PNG", compress_level=1)
    return out.getvalue()
