"""Local features of the stored pictures, computed from their thumbnails when they are first needed, and kept.

They are kept in memory, and in files ``features/ab/<sha256>`` of the index. Those files are a cache: a missing, damaged
or older one is computed again, and the folder may be removed at any time.
"""

import struct
import uuid
import zlib
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np

from copysight.blobs import Blobs
from copysight.errors import PictureError
from copysight.matching import features
from copysight.matching.features import Bytes, Features
from copysight.matching.verification import Prepared
from copysight.pictures.decode import decode
from copysight.system.latest import Latest

MEMORY = 128 * 2**20
"""Bytes of features that are kept in memory: those of about 2,500 pictures."""
VERSION = b"CSF1"
POINT_UNITS = 64
"""Steps of a stored coordinate in a pixel."""
HEAD = struct.Struct("<4sHHH")  # version, width, height, number of keypoints


class LocalFeatures:
    """Prepared pictures by the sha256 of their originals. Thread-safe."""

    def __init__(self, blobs: Blobs, directory: Path, memory: int = MEMORY) -> None:
        self._blobs = blobs
        self._directory = directory
        self._kept = Latest[Features](memory, lambda one: one.bytes)

    @property
    def bytes(self) -> int:
        """Memory of the kept features."""
        return self._kept.bytes

    def get(self, sha256: str) -> Prepared | None:
        """The prepared picture; None if its thumbnail is missing or damaged."""
        found = self._kept.get(sha256)
        if found is None and (found := self._read(sha256)) is not None:
            self._kept.put(sha256, found)
        if found is not None:
            return Prepared(found, partial(self._grey, sha256))
        pixels = self._grey(sha256)
        if not pixels.size:
            return None
        found = features.extract(pixels)
        self._write(sha256, found)
        self._kept.put(sha256, found)
        return Prepared(found, lambda: pixels)  # decoded once for both

    def delete(self, sha256: str) -> None:
        """Remove the file of a picture that is no longer stored."""
        self._path(sha256).unlink(missing_ok=True)

    def _grey(self, sha256: str) -> Bytes:
        """The grey pixels of the thumbnail; empty if there is none."""
        data = self._blobs.thumbnail(sha256)
        try:
            return features.grey(decode(data).pixels) if data is not None else np.zeros((0, 0), np.uint8)
        except PictureError:
            return np.zeros((0, 0), np.uint8)

    def _path(self, sha256: str) -> Path:
        return self._directory / sha256[:2] / sha256

    def _read(self, sha256: str) -> Features | None:
        try:
            return unpack(self._path(sha256).read_bytes())
        except OSError:
            return None

    def _write(self, sha256: str, found: Features) -> None:
        """Write the file, unless the index is read-only or the disk is full: it is only a cache."""
        path = self._path(sha256)
        temporary = path.with_name(f".{sha256}.{uuid.uuid4().hex}.tmp")
        try:
            # Without parents: an index that was moved away is not created again at its old place.
            for folder in (self._directory, path.parent):
                folder.mkdir(exist_ok=True)
            # Not synced: after a power cut the checksum tells a torn file.
            temporary.write_bytes(pack(found))
            temporary.replace(path)
        except OSError:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)


def pack(found: Features) -> bytes:
    """The contents of a file: a head, then a compressed body with its checksum."""
    points = np.rint(found.points * POINT_UNITS).clip(0, 65535).astype("<u2")
    others = np.concatenate([found.scales, found.angles]).astype("<f2")
    body = points.tobytes() + others.tobytes() + found.descriptors.tobytes()
    return HEAD.pack(VERSION, found.width, found.height, len(found)) + zlib.compress(body, 1)


def unpack(data: bytes) -> Features | None:
    """Read ``pack``; None for a file that is damaged or of another version."""
    try:
        version, width, height, count = HEAD.unpack_from(data)
        body = zlib.decompress(data[HEAD.size :])  # ends with a checksum
    except (struct.error, zlib.error):
        return None
    if version != VERSION or len(body) != count * (8 + 128):
        return None
    points = np.frombuffer(body, "<u2", 2 * count).reshape(count, 2).astype(np.float32) / np.float32(POINT_UNITS)
    scales, angles = np.frombuffer(body, "<f2", 2 * count, offset=4 * count).astype(np.float32).reshape(2, count)
    descriptors = np.frombuffer(body, np.uint8, offset=8 * count).reshape(count, 128)
    return Features(width, height, points, scales, angles, descriptors)
