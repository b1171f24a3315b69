"""Store originals and thumbnails as files named by the sha256 of the original: ``blobs/ab/abcdef…`` and ``….jpg``."""

import fcntl
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from PIL import Image

from copysight.errors import InvalidArgument
from copysight.system import durable, names

THUMBNAIL_SIDE = 512  # pixels of the longer side
THUMBNAIL_QUALITY = 82
THUMBNAIL_SUFFIX = ".jpg"
THUMBNAIL_TYPE = "image/jpeg"
JPEG_ENDS = (b"\xff\xd8", b"\xff\xd9")
"""The first and the last two bytes of a JPEG file."""
LOCK = ".lock"


class Blobs:
    """Content-addressed files. Each file is durable when the call that wrote it returns.

    ``policy`` sets how originals are stored: ``keep`` stores a copy, ``reference`` reads the source path as long as its
    bytes do not change, ``discard`` stores nothing. Thumbnails are always stored.
    """

    def __init__(self, directory: Path, policy: str = "keep", check: Callable[[], None] = lambda: None) -> None:
        """``check`` raises if the index was moved or replaced, so that nothing is written to another one."""
        self.directory = directory
        self.policy = policy
        self._check = check

    def put_original(self, data: bytes) -> str:
        """Store an original if the policy is ``keep``. Return its sha256, 64 hexadecimal digits."""
        sha256 = hashlib.sha256(data).hexdigest()
        if self.policy == "keep":
            path = self._path(sha256)
            if _size(path) == len(data):
                durable.sync_directory(path.parent)  # another writer may not have synced it yet
            else:
                self._write(path, data)
        return sha256

    def put_thumbnail(self, sha256: str, picture: Image.Image) -> None:
        """Store the thumbnail of a picture, unless one is stored already."""
        path = self._path(sha256, THUMBNAIL_SUFFIX)
        if not self.has_thumbnail(sha256):
            self._write(path, encode_thumbnail(picture))

    def move_in(self, files: Iterable[Path]) -> None:
        """Move files named ``<sha256>`` (originals) and ``<sha256>.jpg`` (thumbnails) into the store.

        The files must be durable and on the same file system; one sync makes all moves durable. A file that is stored
        already is replaced by the equal new one. Call this under `hold`.
        """
        for file in files:
            target = self._path(file.stem, file.suffix)
            target.parent.mkdir(exist_ok=True)
            file.replace(target)
        durable.sync_filesystem(self.directory)

    def has_thumbnail(self, sha256: str) -> bool:
        """Whether a thumbnail is stored: a whole JPEG file, as far as its first and last bytes say."""
        try:
            with self._path(sha256, THUMBNAIL_SUFFIX).open("rb", buffering=0) as file:
                begin = file.read(2)
                file.seek(-min(2, file.seek(0, os.SEEK_END)), os.SEEK_END)
                return (begin, file.read(2)) == JPEG_ENDS
        except OSError:
            return False

    def thumbnail(self, sha256: str) -> bytes | None:
        """The bytes of the thumbnail (JPEG), or None."""
        return _read(self._path(sha256, THUMBNAIL_SUFFIX))

    def original(self, sha256: str, source: str | None = None) -> bytes | None:
        """The bytes of the original: the stored file, or ``source`` if its bytes are still the same; else None."""
        stored = _read(self._path(sha256))
        if stored is not None or source is None or self.policy != "reference":
            return stored
        data = _read(names.path_of(source))
        return data if data is not None and hashlib.sha256(data).hexdigest() == sha256 else None

    def has_original(self, sha256: str, source: str | None = None) -> bool:
        """Whether there is a file that `original` would read, and that is not empty. No bytes are compared."""
        at_source = source is not None and self.policy == "reference" and _size(names.path_of(source)) > 0
        return _size(self._path(sha256)) > 0 or at_source

    def delete(self, sha256: str) -> None:
        """Remove the original and the thumbnail. A missing file is not an error."""
        for suffix in ("", THUMBNAIL_SUFFIX):
            self._path(sha256, suffix).unlink(missing_ok=True)

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Prevent `sweep` in any process. Hold this from the first write until the catalog has the files."""
        self._check()
        with self._lock(fcntl.LOCK_SH):
            yield

    @contextmanager
    def sweep(self, wait: bool = True) -> Iterator[bool]:
        """Exclusive lock for finding and removing files that are not in the catalog; yields true once it is locked.

        Waits until no process is inside `hold`. With ``wait=False`` it yields false instead of waiting; the caller then
        removes nothing.
        """
        self._check()
        with self._lock(fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB)) as locked:
            yield locked

    def files(self, sha256: str) -> list[Path]:
        """Paths of the original and the thumbnail that are stored."""
        return [path for suffix in ("", THUMBNAIL_SUFFIX) if (path := self._path(sha256, suffix)).exists()]

    def names(self) -> Iterable[str]:
        """The sha256 of every stored original or thumbnail, sorted, each once."""
        found = {
            path.name.removesuffix(THUMBNAIL_SUFFIX) for path in self.directory.glob("??/*") if path.name[0] != "."
        }
        return sorted(found)

    def _write(self, path: Path, data: bytes) -> None:
        with durable.writable(self.directory):
            if not path.parent.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                durable.sync_directory(self.directory)
            durable.write_file(path, data)

    def _path(self, sha256: str, suffix: str = "") -> Path:
        if len(sha256) != 64 or sha256.strip("0123456789abcdef"):
            raise InvalidArgument(f"got the sha256 {sha256[:80]!r}; 64 hexadecimal digits are needed")
        return self.directory / sha256[:2] / (sha256 + suffix)

    @contextmanager
    def _lock(self, kind: int) -> Iterator[bool]:
        # Each holder opens its own descriptor, so that flock also works between threads of one process.
        with durable.writable(self.directory):
            self.directory.mkdir(parents=True, exist_ok=True)
        handle = durable.open_lock(self.directory / LOCK)
        try:
            yield _locked(handle, kind)
        finally:
            os.close(handle)


def encode_thumbnail(picture: Image.Image) -> bytes:
    """Encode a JPEG of at most 512 x 512 pixels. A smaller picture keeps its size."""
    small = picture.copy()
    small.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE), reducing_gap=2.0)
    out = BytesIO()
    small.save(out, "JPEG", quality=THUMBNAIL_QUALITY)
    return out.getvalue()


def _locked(handle: int, kind: int) -> bool:
    try:
        fcntl.flock(handle, kind)
    except BlockingIOError:
        return False
    return True


def _read(path: Path) -> bytes | None:
    """The contents of a file; None if there is none, or if it is empty, as after a power cut of another writer."""
    try:
        return path.read_bytes() or None
    except (OSError, ValueError):  # ValueError: a path that no file can have
        return None


def _size(path: Path) -> int:
    """Bytes of a file; -1 if there is none."""
    try:
        return path.stat().st_size if path.is_file() else -1
    except (OSError, ValueError):
        return -1
