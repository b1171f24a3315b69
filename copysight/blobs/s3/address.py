"""Where blobs are on S3: the bucket and the prefix of the environment, and what an index says of its blobs."""

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

from copysight.errors import IndexCorrupt, InvalidArgument

VARIABLE = "COPYSIGHT_BLOBS"
CACHE_VARIABLE = "COPYSIGHT_BLOBS_CACHE"
CACHE_BYTES = 256 * 2**20
ADDRESS = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/([A-Za-z0-9!_.*'()/-]*))?")
CONTENT = b'{"engine": "s3"}\n'
"""The file of an index whose blobs are on S3. It holds no address: a bucket may be moved."""


@dataclass(frozen=True)
class Address:
    """A bucket, and a prefix without slashes at its ends; empty: the whole bucket."""

    bucket: str
    prefix: str

    def below(self, name: str) -> "Address":
        """The prefix ``name`` below this one."""
        return Address(self.bucket, f"{self.prefix}/{name}" if self.prefix else name)

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}"


def configured() -> Address | None:
    """The address of COPYSIGHT_BLOBS; None if the variable is not set. Raises ``InvalidArgument``.

    It is read here and not handed down, like COPYSIGHT_CATALOG, so that every command that opens an index knows it.
    """
    given = os.environ.get(VARIABLE, "")
    return address(given) if given else None


def address(given: str) -> Address:
    """The address ``s3://BUCKET/PREFIX``. Raises ``InvalidArgument``."""
    found = ADDRESS.fullmatch(given)
    if found is None:
        raise InvalidArgument(f"got {VARIABLE} = {given[:80]!r}; it must be an address s3://BUCKET/PREFIX")
    return Address(found[1], "/".join(part for part in (found[2] or "").split("/") if part))


def cache_bytes() -> int:
    """Bytes of files that each process keeps in memory: COPYSIGHT_BLOBS_CACHE. Raises ``InvalidArgument``."""
    given = os.environ.get(CACHE_VARIABLE, "") or str(CACHE_BYTES)
    if not given.isdecimal():
        raise InvalidArgument(f"got {CACHE_VARIABLE} = {given[:80]!r}; it must be a number of bytes")
    return int(given)


def check(file: Path) -> None:
    """Raise ``IndexCorrupt`` unless the file says that the blobs are on S3."""
    try:
        engine = json.loads(file.read_bytes())["engine"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise IndexCorrupt(f"{file} does not say where the blobs are ({error}); restore it from a backup") from error
    if engine != "s3":
        raise IndexCorrupt(f"{file} names the engine {engine!r:.80}, which this version does not know")
