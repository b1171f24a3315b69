"""New items: what a caller wishes to add, checked, and its way into blobs and catalog."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from copysight.catalog import Added, NewItem
from copysight.errors import InvalidArgument, KeyConflict
from copysight.index import Snapshot
from service.fetching import Url
from service.state import State
from service.vision import Seen

LONGEST_KEY = 1024


@dataclass(frozen=True)
class Wish:
    """A picture to be added; without a ``key`` it goes by its sha256."""

    picture: bytes | Url
    key: str | None
    collection: str
    metadata: Mapping[str, Any]

    @classmethod
    def of(cls, picture: bytes | Url, fields: Mapping[str, Any]) -> "Wish":
        """From the fields ``key``, ``collection``, ``metadata`` of a request. Raises ``InvalidArgument``."""
        key, collection = fields.get("key"), fields.get("collection")
        return cls(
            picture,
            None if key is None or key == "" else _key(key),
            "default" if collection is None else str(collection),
            _metadata(fields.get("metadata")),
        )


def store(
    state: State, snapshot: Snapshot, seen: Sequence[Seen], wishes: Sequence[Wish], replace: bool
) -> list[Added | KeyConflict]:
    """Add pictures in one durable transaction; blocks. Raises what the catalog raises."""
    blobs = state.index.blobs
    new = [_item(one, wish) for one, wish in zip(seen, wishes, strict=True)]
    # Blobs are durable before the catalog names them, and held against a delete of the same bytes meanwhile.
    with blobs.hold():
        for one in seen:
            blobs.put_original(one.data)
            blobs.put_thumbnail(one.sha256, one.picture.pixels)
        return state.index.catalog.add(new, model=snapshot.bundle.id, replace=replace)


def _item(seen: Seen, wish: Wish) -> NewItem:
    return NewItem(
        key=wish.key or seen.sha256,
        sha256=seen.sha256,
        width=seen.picture.width,
        height=seen.picture.height,
        vector=np.asarray(seen.features.embedding),
        collection=wish.collection,
        metadata=wish.metadata,
    )


def _key(given: object) -> str:
    key = str(given)
    if not 0 < len(key) <= LONGEST_KEY or not key.isprintable():
        raise InvalidArgument(f"got a key of {len(key)} letters; needed are 1 to {LONGEST_KEY} printable ones")
    return key


def _metadata(given: object) -> dict[str, Any]:
    if given is None:
        return {}
    try:
        found = orjson.loads(given) if isinstance(given, str) else given
    except orjson.JSONDecodeError as error:
        raise InvalidArgument(f"got metadata that is no JSON ({error}); write a JSON object") from error
    if not isinstance(found, dict):
        raise InvalidArgument('got metadata that is no JSON object; write for example {"album": "2026"}')
    return found
