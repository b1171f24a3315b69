"""Create, revoke and check API keys. ``keys.json`` in the index, or PostgreSQL, holds only their checksums."""

import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

from copysight.catalog.engines import opening
from copysight.errors import IndexCorrupt, InvalidArgument
from copysight.index.generations.layout import Layout
from copysight.system import names

Scope = Literal["read", "write", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
"""Each scope includes those before it."""
NAME, PREFIX = "keys", "cs"


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
    """The keys of one index. Changes of other processes count for the next call, on PostgreSQL after a second."""

    def __init__(self, directory: Path, clock: Callable[[], float] = time.time) -> None:
        self._document, self._clock = opening.document(Layout(directory).catalog, NAME), clock
        self._known: tuple[bytes | None, dict[str, Key]] = (None, {})

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
        self._change(
            lambda keys: keys | {number: Key(number, name, scope, _digest(key), self._clock(), expires, quota)}
        )
        return key

    def revoke(self, number: str) -> Key:
        """Revoke a key by its id; the next request with it is refused. Raises ``InvalidArgument``."""
        revoked: list[Key] = []

        def without(keys: dict[str, Key]) -> dict[str, Key]:
            if number not in keys:
                raise InvalidArgument(f"got the unknown key id {number!r}; `copysight keys list` shows the ids")
            revoked.append(keys[number])
            return {one: key for one, key in keys.items() if one != number}

        self._change(without)
        return revoked[0]

    def find(self, key: str) -> Key | None:
        """The entry of a key; None if it does not exist or was revoked. Compares in constant time."""
        parts = key.split("_", 2)
        known = self._current().get(parts[1]) if len(parts) == 3 else None
        return known if known is not None and hmac.compare_digest(known.digest, _digest(key)) else None

    def _current(self) -> dict[str, Key]:
        content = self._document.read()
        if content is not self._known[0]:
            self._known = (content, _load(content))
        return self._known[1]

    def _change(self, change: Callable[[dict[str, Key]], dict[str, Key]]) -> None:
        def changed(content: bytes | None) -> bytes:
            return json.dumps({"keys": [asdict(key) for key in change(_load(content)).values()]}, indent=1).encode()

        self._document.change(changed)


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _load(content: bytes | None) -> dict[str, Key]:
    try:
        return {} if content is None else {row["id"]: Key(**row) for row in json.loads(content)["keys"]}
    except (ValueError, KeyError, TypeError) as error:
        raise IndexCorrupt(
            f"{NAME}.json is damaged ({error}); remove it and create new keys with `copysight keys add`"
        ) from error
