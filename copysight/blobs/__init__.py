"""Originals and thumbnails of pictures."""

from copysight.blobs.blobs import Blobs
from copysight.blobs.store import SUFFIX as THUMBNAIL_SUFFIX
from copysight.blobs.thumbnail import THUMBNAIL_SIDE, THUMBNAIL_TYPE, encode_thumbnail

__all__ = ["THUMBNAIL_SIDE", "THUMBNAIL_SUFFIX", "THUMBNAIL_TYPE", "Blobs", "encode_thumbnail"]
