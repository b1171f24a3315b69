"""Originals and thumbnails of pictures, by the sha256 of the original, and which of them may be removed."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from PIL import Image

from copysight.blobs.file_store import FileStore, is_there, read
from copysight.blobs.store import SUFFIX, Store
from copysight.blobs.thumbnail import encode_thumbnail
from copysight.system import names
from copysight.system.locks.shared_lock import SharedFileLock, SharedLock

LOCK = ".lock"


class Blobs:
    """Content-addressed files in a ``store``. Each is durable when the call that wrote it returns.

    ``policy`` sets how originals are stored: ``keep`` stores a copy, ``reference`` reads the source path as long as its
    bytes do not change, ``discard`` stores nothing. Thumbnails are always stored. Every method that asks a store on
    another machine raises ``BlobsUnavailable`` when that does not answer.
    """

    def __init__(self, store: Store, policy: str, lock: SharedLock, check: Callable[[], None] = lambda: None) -> None:
        """``lock`` excludes `sweep` from `hold`, also on other machines, if they use the store.

        ``check`` raises if the index was moved or replaced, so that nothing is written to another one.
        """
        self.store = store
        self.policy = policy
        self._lock = lock
        self._check = check

    @classmethod
    def in_directory(cls, directory: Path, policy: str = "keep") -> Self:
        """Files in a directory, with their lock beside them."""
        return cls(FileStore(directory), policy, SharedFileLock(directory / LOCK))

    def put_original(self, data: bytes) -> str:
        """Store an original if the policy is ``keep``. Return its sha256, 64 hexadecimal digits."""
        [sha256] = self.put_originals([data])
        return sha256

    def put_originals(self, files: Iterable[bytes]) -> list[str]:
        """Store originals if the policy is ``keep``. Return their sha256, in their order."""
        files = list(files)
        sums = [hashlib.sha256(data).hexdigest() for data in files]
        if self.policy == "keep":
            named = dict(zip(sums, files, strict=True))
            self.store.write({name: data for name, data in named.items() if self.store.lacks(name, len(data))})
        return sums

    def put_thumbnail(self, sha256: str, picture: Image.Image) -> None:
        """Store the thumbnail of a picture, unless one is stored already."""
        self.put_thumbnails({sha256: picture})

    def put_thumbnails(self, pictures: Mapping[str, Image.Image]) -> None:
        """Store the thumbnails of pictures by the sha256 of their originals, unless they are stored already."""
        lacking = {one + SUFFIX: picture for one, picture in pictures.items() if self.store.lacks(one + SUFFIX)}
        self.store.write({name: encode_thumbnail(picture) for name, picture in lacking.items()})

    def move_in(self, files: Iterable[Path]) -> None:
        """Move files named ``<sha256>`` (originals) and ``<sha256>.jpg`` (thumbnails) into the store.

        The files must be durable and on the file system of the index. A file that is stored already is replaced by the
        equal new one. Call this under `hold`.
        """
        self.store.move_in(files)

    def has_thumbnail(self, sha256: str) -> bool:
        """Whether a whole thumbnail is stored."""
        return bool(self.with_thumbnail([sha256]))

    def with_thumbnail(self, sha256s: Iterable[str]) -> set[str]:
        """Those pictures of which a whole thumbnail is stored."""
        return {name.removesuffix(SUFFIX) for name in self.store.holds([one + SUFFIX for one in sha256s])}

    def thumbnail(self, sha256: str) -> bytes | None:
        """The bytes of the thumbnail (JPEG), or None."""
        return self.store.read(sha256 + SUFFIX)

    def original(self, sha256: str, source: str | None = None) -> bytes | None:
        """The bytes of the original: the stored file, or ``source`` if its bytes are still the same; else None."""
        stored = self.store.read(sha256)
        if stored is not None or source is None or self.policy != "reference":
            return stored
        data = read(names.path_of(source))
        return data if data is not None and hashlib.sha256(data).hexdigest() == sha256 else None

    def has_original(self, sha256: str, source: str | None = None) -> bool:
        """Whether there is a file that `original` would read, and that is not empty. No bytes are compared."""
        return self.at_source(source) or bool(self.store.holds([sha256]))

    def at_source(self, source: str | None) -> bool:
        """Whether originals are read at their sources, and there is a file at this one."""
        return source is not None and self.policy == "reference" and is_there(names.path_of(source))

    def held(self) -> Callable[[str], bool]:
        """A function that says whether a file is stored: ``<sha256>`` or ``<sha256>.jpg``. For many questions."""
        return self.store.held()

    def delete(self, sha256s: Iterable[str]) -> None:
        """Remove originals and thumbnails. A missing file is not an error."""
        self.store.delete(name for sha256 in sha256s for name in (sha256, sha256 + SUFFIX))

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Prevent `sweep` in any process. Hold this from the first write until the catalog has the files."""
        self._check()
        with self._lock.shared():
            self._check()  # it may have waited long
            yield

    @contextmanager
    def sweep(self, wait: bool = True) -> Iterator[bool]:
        """Exclusive lock for finding and removing files that are not in the catalog; yields true once it is locked.

        Waits until no process is inside `hold`. With ``wait=False`` it yields false instead of waiting; the caller then
        removes nothing.
        """
        self._check()
        with self._lock.alone(wait) as locked:
            self._check()
            yield locked

    def names(self) -> list[str]:
        """The sha256 of every stored original or thumbnail, sorted, each once."""
        return sorted({name.removesuffix(SUFFIX) for name in self.store.names()})

    def damaged(self) -> Iterator[str]:
        """The sha256 of every stored original whose bytes have another one. Reads all of them."""
        return self.store.damaged()
