"""Originals and thumbnails as files named after the sha256 of the original: ``blobs/ab/abcdef…`` and ``….jpg``."""

import fcntl
import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from PIL import Image

from copysight.errors import InvalidArgument
from copysight.system import durable

THUMBNAIL_SIDE = 512  # pixels of the longer side
THUMBNAIL_QUALITY = 82
THUMBNAIL_SUFFIX = ".jpg"
THUMBNAIL_TYPE = "image/jpeg"
LOCK = ".lock"


class Blobs:
    """Content-addressed files; each is durable when the call that wrote it returns.

    ``policy`` says what becomes of originals: ``keep`` stores them, ``reference`` relies on the path that they came
    from for as long as its bytes are the same, ``discard`` lets them go. Thumbnails are always kept.
    """

    def __init__(self, directory: Path, policy: str = "keep") -> None:
        self.directory = directory
        self.policy = policy

    def put_original(self, data: bytes) -> str:
        """Store an original if the policy says so; returns its sha256, 64 hexadecimal digits."""
        sha256 = hashlib.sha256(data).hexdigest()
        if self.policy == "keep":
            self._put(self._path(sha256), data)
        return sha256

    def put_thumbnail(self, sha256: str, picture: Image.Image) -> None:
        """Store what `encode_thumbnail` makes of a picture, unless there is one."""
        path = self._path(sha256, THUMBNAIL_SUFFIX)
        if not path.exists():
            self._put(path, encode_thumbnail(picture))

    def take_in(self, files: Iterable[Path]) -> None:
        """Move originals (``<sha256>``) and thumbnails (``<sha256>.jpg``) to their places.

        The files are on the same file system and durable already; one sync for all makes the moves durable. What is
        stored already is replaced by its equal. Call it under `hold`.
        """
        for file in files:
            target = self._path(file.stem, file.suffix)
            target.parent.mkdir(exist_ok=True)
            file.replace(target)
        durable.sync_filesystem(self.directory)

    def has_thumbnail(self, sha256: str) -> bool:
        """Whether there is a thumbnail."""
        return self._path(sha256, THUMBNAIL_SUFFIX).exists()

    def thumbnail(self, sha256: str) -> bytes | None:
        """The JPEG, if there is one."""
        return _read(self._path(sha256, THUMBNAIL_SUFFIX))

    def original(self, sha256: str, source: str | None = None) -> bytes | None:
        """The original: the file kept, or the ``source`` path if its bytes are still the same; else None."""
        kept = _read(self._path(sha256))
        if kept is not None or source is None or self.policy != "reference":
            return kept
        data = _read(Path(source))
        return data if data is not None and hashlib.sha256(data).hexdigest() == sha256 else None

    def has_original(self, sha256: str, source: str | None = None) -> bool:
        """Whether `original` has a file to read; that its bytes are the same is known only by reading them."""
        elsewhere = source is not None and self.policy == "reference" and Path(source).is_file()
        return self._path(sha256).exists() or elsewhere

    def delete(self, sha256: str) -> None:
        """Remove the original and the thumbnail; what is not there is no fault."""
        for suffix in ("", THUMBNAIL_SUFFIX):
            self._path(sha256, suffix).unlink(missing_ok=True)

    @contextmanager
    def hold(self) -> Iterator[None]:
        """While blobs are put and until the catalog names them: keeps `sweep` of any process from removing them."""
        with self._lock(fcntl.LOCK_SH):
            yield

    @contextmanager
    def sweep(self, wait: bool = True) -> Iterator[bool]:
        """While blobs that nobody names are found and removed; gives true once nobody holds.

        Without ``wait`` it gives false where somebody holds: the removal is then for later.
        """
        with self._lock(fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB)) as free:
            yield free

    def files(self, sha256: str) -> list[Path]:
        """Paths of the original and the thumbnail, as far as they are stored."""
        return [path for suffix in ("", THUMBNAIL_SUFFIX) if (path := self._path(sha256, suffix)).exists()]

    def names(self) -> Iterable[str]:
        """The sha256 of every original or thumbnail that is stored, each once."""
        found = {
            path.name.removesuffix(THUMBNAIL_SUFFIX) for path in self.directory.glob("??/*") if path.name[0] != "."
        }
        return sorted(found)

    def _put(self, path: Path, data: bytes) -> None:
        if path.exists():
            durable.sync_directory(path.parent)  # whoever wrote it may not have come that far yet
            return
        with durable.writable(self.directory):
            if not path.parent.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                durable.sync_directory(self.directory)
            durable.write_file(path, data)

    def _path(self, sha256: str, suffix: str = "") -> Path:
        if len(sha256) != 64 or sha256.strip("0123456789abcdef"):
            raise InvalidArgument(f"got the sha256 {sha256[:80]!r}; needed are 64 hexadecimal digits")
        return self.directory / sha256[:2] / (sha256 + suffix)

    @contextmanager
    def _lock(self, kind: int) -> Iterator[bool]:
        # A descriptor of its own for each holder: flock then also holds between threads of one process.
        self.directory.mkdir(parents=True, exist_ok=True)
        handle = os.open(self.directory / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            yield _locked(handle, kind)
        finally:
            os.close(handle)


def encode_thumbnail(picture: Image.Image) -> bytes:
    """A JPEG of at most 512 x 512 pixels; a smaller picture keeps its size."""
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
    try:
        return path.read_bytes()
    except OSError:
        return None
