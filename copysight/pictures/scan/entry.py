"""A picture file of a source, or a member of a tar file, that is not read yet."""

from dataclasses import dataclass
from pathlib import Path

from copysight.errors import PictureError
from copysight.pictures.decode import Limits, Picture, decode
from copysight.pictures.scan.account import Failure
from copysight.system import names


@dataclass(frozen=True)
class Entry:
    """One picture file, not read yet.

    ``key`` is its path relative to the source; for a member of a shard: the shard's path, a slash, the member's path.
    Its bytes are ``size`` bytes of ``file``, starting at ``offset``. ``stamp`` changes when the file changes.
    ``former`` is the key that version 0.1 gave to the file, if it was another one.
    """

    key: str
    file: Path
    offset: int
    size: int
    stamp: str
    in_shard: bool
    former: str | None = None

    def read(self) -> bytes:
        """Read the bytes. Raises ``OSError``."""
        with self.file.open("rb") as file:
            file.seek(self.offset)
            return file.read(self.size)

    def decode(self, limits: Limits, at_least: int | None = None) -> Picture | Failure:
        """The decoded picture, or why it cannot be read. The file may have changed or vanished since the scan."""
        try:
            return decode(self.read(), limits, at_least)
        except (PictureError, OSError) as error:
            return failure(self.key, error)

    @property
    def source(self) -> str | None:
        """The path of the file as text (``names.path_of`` reads it); None for a member of a shard."""
        return None if self.in_shard else names.source_of(self.file.resolve())


def failure(key: str, error: PictureError | OSError) -> Failure:
    """The record of a file that could not be read or decoded."""
    if isinstance(error, PictureError):
        return Failure(key, error.code, error.message)
    return Failure(key, "unreadable_file", f"the file cannot be read: {error.strerror or error}")
