"""Create, revoke and check API keys. ``keys.json`` beside the index holds only their checksums."""

import fcntl
import hashlib
import hmac
import json
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

from copysight.errors import IndexCorrupt, InvalidArgument
from copysight.system import durable, names

Scope = Literal["read", "write", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
"""Each scope includes those before it."""
FILE, LOCK, PREFIX = "keys.json", ".keys.lock", "cs"


@dataclass(frozen=True)
class Key:
    """The stored entry of a key. ``digest`` is the sha256 of the whole key.

    ``created`` and ``expires`` (None: never) are in seconds since the epoch. ``quota``: requests that it may make in a
    day (UTC); None: any number.

    A key has 256 random bits and cannot be guessed, so a fast hash is as good as a slow one.
    """

    id: str
    name: str
    scope: Scope
    digest: str
    created: float
    expires: float | None = None
    quota: int | None = None

    def allows(self, wanted: Scope) -> bool:
        """Whether its scope is ``wanted`` or includes it."""
        return SCOPES.index(self.scope) >= SCOPES.index(wanted)


class Keys:
    """The keys of one index. Keys that other processes add or revoke are seen by the next call."""

    def __init__(self, directory: Path, clock: Callable[[], float] = time.time) -> None:
        self._file, self._lock, self._clock = directory / FILE, directory / LOCK, clock
        self._read: tuple[tuple[int, int, int] | None, dict[str, Key]] = (None, {})

    def all(self) -> list[Key]:
        """Every key, the oldest first."""
        return list(self._current().values())

    def add(self, name: str, scope: Scope, expires: float | None = None, quota: int | None = None) -> str:
        """Create a key and return it. It cannot be shown again. Raises ``InvalidArgument`` for a bad name."""
        if not 0 < len(name) <= 200 or not names.is_allowed(name):
            raise InvalidArgument(
                f"got the key name {name[:80]!r} of {len(name)} characters; it must have 1 to 200, without control "
                "characters, line breaks and characters that change the direction of the text"
            )
        number = secrets.token_hex(4)
        key = f"{PREFIX}_{number}_{secrets.token_urlsafe(32)}"
        with self._writing() as keys:
            keys[number] = Key(number, name, scope, _digest(key), self._clock(), expires, quota)
        return key

    def revoke(self, number: str) -> Key:
        """Revoke a key by its id; the next request with it is refused. Raises ``InvalidArgument``."""
        with self._writing() as keys:
            if number not in keys:
                raise InvalidArgument(f"got the unknown key id {number!r}; `copysight keys list` shows the ids")
            return keys.pop(number)

    def find(self, key: str) -> Key | None:
        """The entry of a key; None if it does not exist or was revoked. Compares in constant time."""
        parts = key.split("_", 2)
        known = self._current().get(parts[1]) if len(parts) == 3 else None
        return known if known is not None and hmac.compare_digest(known.digest, _digest(key)) else None

    def _current(self) -> dict[str, Key]:
        stamp = _stamp(self._file)
        if stamp != self._read[0]:
            self._read = (stamp, _load(self._file) if stamp else {})
        return self._read[1]

    @contextmanager
    def _writing(self) -> Iterator[dict[str, Key]]:
        handle = durable.open_lock(self._lock, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            keys = _load(self._file) if self._file.exists() else {}
            yield keys
            text = json.dumps({"keys": [asdict(key) for key in keys.values()]}, indent=1)
            durable.write_file(self._file, text.encode())
            self._file.chmod(0o600)
        finally:
            os.close(handle)


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _stamp(file: Path) -> tuple[int, int, int] | None:
    try:
        stat = file.stat()
    except FileNotFoundError:
        return None
    return stat.st_ino, stat.st_mtime_ns, stat.st_size


def _load(file: Path) -> dict[str, Key]:
    try:
        return {row["id"]: Key(**row) for row in json.loads(file.read_bytes())["keys"]}
    except (ValueError, KeyError, TypeError) as error:
        raise IndexCorrupt(
            f"{file.name} is damaged ({error}); remove it and create new keys with `copysight keys add`"
        ) from error
