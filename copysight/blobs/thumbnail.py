"""Encode thumbnails."""

from io import BytesIO

from PIL import Image

THUMBNAIL_SIDE = 512  # pixels of the longer side
THUMBNAIL_QUALITY = 82
THUMBNAIL_TYPE = "image/jpeg"


def encode_thumbnail(picture: Image.Image) -> bytes:
    """Encode a JPEG of at most 512 x 512 pixels. A smaller picture keeps its size."""
    small = picture.copy()
    small.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE), reducing_gap=2.0)
    out = BytesIO()
    small.save(out, "JPEG", quality=THUMBNAIL_QUALITY)
    return out.getvalue()
