"""Originals and thumbnails as objects on S3, by the names that the files have: ``PREFIX/ab/abcdef…``."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from obstore.store import S3Store as Bucket

from copysight.blobs.s3.address import Address
from copysight.blobs.s3.failures import explaining
from copysight.blobs.store import NAME, SUFFIX, path_of
from copysight.system import durable
from copysight.system.latest import Latest

CONNECT_SECONDS, ANSWER_SECONDS, RETRY_SECONDS = 2, 10, 6
"""Until an address is given up; until an answer is there; until a failed call is not begun again."""
RETRIES = 2
LARGEST = 8
"""An object of more than this part (1/8) of the cache is not kept."""
AT_ONCE = 16
"""Requests at a time, where there are many."""
MOST_DELETED = 1000
"""Objects in one request, by S3's rules."""
CONTENT_TYPES = {SUFFIX: "image/jpeg", "": "application/octet-stream"}

T = TypeVar("T")
R = TypeVar("R")


class S3Store:
    """A prefix of a bucket. Endpoint, region and credentials are those of the environment (``AWS_*``).

    An object is stored as a whole or not at all, and durable when S3 has acknowledged it. Thread-safe.
    """

    def __init__(self, address: Address, cache: int) -> None:
        """``cache``: bytes of objects that are kept in memory.

        Not on disk, so that a picture which another machine has deleted lies on no disk of this one.
        """
        self.address = address
        self._cache = Latest[bytes](cache, len, largest=cache // LARGEST)
        self._bucket = bucket_of(address)

    def lacks(self, name: str, size: int | None = None) -> bool:  # noqa: ARG002
        """True: an upload is one request, as the question would be."""
        path_of(name)
        return True

    def write(self, files: Mapping[str, bytes]) -> None:
        """Upload objects by name."""
        self._each(lambda name: self._upload(name, files[name]), files)
        for name, data in files.items():
            if data:  # an empty object counts as missing
                self._cache.put(name, data)

    def move_in(self, files: Iterable[Path]) -> None:
        """Upload files, then remove them here."""
        files = list(files)
        self._each(lambda file: self._upload(file.name, file.read_bytes()), files)
        for file in files:
            file.unlink()

    def read(self, name: str) -> bytes | None:
        """The contents; None if there is no such object, or an empty one."""
        if (known := self._cache.get(name)) is not None:
            return known
        data = self._download(name)
        if data is not None:
            self._cache.put(name, data)
        return data

    def holds(self, names: Iterable[str]) -> set[str]:
        """Those of the names under which there is an object that is not empty."""
        names = list(names)
        sizes = self._each(self._size, names)
        return {name for name, size in zip(names, sizes, strict=True) if size > 0}

    def held(self) -> Callable[[str], bool]:
        """A function that says whether there is an object under a name: one listing of all, 80 bytes of memory each."""
        listed = {_short(name) for name, size in self._listing() if size > 0}
        return lambda name: _short(name) in listed

    def names(self) -> Iterator[str]:
        """All names."""
        return (name for name, _ in self._listing())

    def damaged(self) -> Iterator[str]:
        """The originals whose bytes have another sha256. Downloads all of them."""

        def is_damaged(name: str) -> bool:
            data = self._download(name)
            return data is not None and hashlib.sha256(data).hexdigest() != name

        originals = sorted(name for name in self.names() if not name.endswith(SUFFIX))
        for start in range(0, len(originals), MOST_DELETED):
            part = originals[start : start + MOST_DELETED]
            yield from (name for name, bad in zip(part, self._each(is_damaged, part), strict=True) if bad)

    def copy_to(self, names: Iterable[str], directory: Path) -> None:
        """Download objects to ``ab/abcdef…`` below ``directory``."""

        def copy(name: str) -> None:
            if (data := self._download(name)) is not None:
                target = directory / path_of(name)
                target.parent.mkdir(parents=True, exist_ok=True)
                with durable.writable(directory):
                    target.write_bytes(data)

        self._each(copy, names)

    def delete(self, names: Iterable[str]) -> None:
        """Remove objects, also from the cache of this process."""
        names = list(names)
        for start in range(0, len(names), MOST_DELETED):
            part = names[start : start + MOST_DELETED]
            with explaining():
                self._bucket.delete([path_of(name) for name in part])
            for name in part:
                self._cache.drop(name)

    def clean(self) -> None:
        """Nothing to do: S3 keeps nothing of an upload that was not finished."""

    def _upload(self, name: str, data: bytes) -> None:
        suffix = SUFFIX if name.endswith(SUFFIX) else ""
        with explaining():
            # One request: an upload in parts that is killed leaves parts which are paid for.
            self._bucket.put(
                path_of(name), data, attributes={"Content-Type": CONTENT_TYPES[suffix]}, use_multipart=False
            )

    def _download(self, name: str) -> bytes | None:
        path = path_of(name)
        try:
            with explaining():
                return bytes(self._bucket.get(path).bytes()) or None
        except FileNotFoundError:
            return None

    def _size(self, name: str) -> int:
        path = path_of(name)
        try:
            with explaining():
                return int(self._bucket.head(path)["size"])
        except FileNotFoundError:
            return -1

    def _listing(self) -> Iterator[tuple[str, int]]:
        with explaining():
            for part in self._bucket.list():
                for found in part:
                    name = found["path"].rpartition("/")[2]
                    if NAME.fullmatch(name) and found["path"] == path_of(name):
                        yield name, int(found["size"])

    def _each(self, call: Callable[[T], R], given: Iterable[T]) -> list[R]:
        given = list(given)
        if len(given) < 2:
            return [call(one) for one in given]
        with ThreadPoolExecutor(min(AT_ONCE, len(given)), thread_name_prefix="s3") as pool:
            return list(pool.map(call, given))


def bucket_of(address: Address) -> Bucket:
    """A client for a prefix."""
    return Bucket(
        address.bucket,
        prefix=address.prefix or None,
        client_options={
            "allow_http": True,  # whoever gives an address with http: means it
            "connect_timeout": timedelta(seconds=CONNECT_SECONDS),
            "timeout": timedelta(seconds=ANSWER_SECONDS),
        },
        retry_config={
            "max_retries": RETRIES,
            "retry_timeout": timedelta(seconds=RETRY_SECONDS),
            "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=2)},
        },
    )


def _short(name: str) -> bytes:
    """A name in 32 or 33 bytes."""
    return bytes.fromhex(name[:64]) + name[64:65].encode()
