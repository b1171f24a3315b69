"""New items: what a caller wishes to add, checked, and its way into blobs and catalog."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from copysight.catalog import Added, NewItem
from copysight.errors import InvalidArgument, KeyConflict
from copysight.index import Snapshot
from service.http.problems import shown
from service.intake.url_fetch import Given
from service.queries.inference import Seen
from service.state import State

LONGEST_KEY = 1024
LONGEST_COLLECTION = 200
FIELDS = ("key", "collection", "metadata")
"""What may be said of a picture that is added, in a form or in JSON."""


@dataclass(frozen=True)
class Wish:
    """A picture to be added; without a ``key`` it goes by its sha256."""

    picture: Given
    key: str | None
    collection: str
    metadata: Mapping[str, Any]

    @classmethod
    def of(cls, picture: Given, fields: Mapping[str, Any]) -> "Wish":
        """From the fields ``key``, ``collection``, ``metadata`` of a request. Raises ``InvalidArgument``."""
        key, collection = _text("key", fields.get("key")), _text("collection", fields.get("collection"))
        return cls(
            picture,
            _name("key", key, LONGEST_KEY) if key else None,  # a field of a form may be left empty
            "default" if collection is None else _name("collection", collection, LONGEST_COLLECTION),
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


def replaces(given: object, usual: bool) -> bool:
    """What the field ``replace`` of a body says, ``usual`` if it says nothing. Raises ``InvalidArgument``."""
    if given is None:
        return usual
    if given in ("true", "false"):
        return given == "true"
    if not isinstance(given, bool):
        raise InvalidArgument(f"got replace = {shown(given)}; needed is true or false")
    return given


def _text(name: str, given: object) -> str | None:
    if given is not None and not isinstance(given, str):
        raise InvalidArgument(f"got a {name} of the type {type(given).__name__}; needed is a text")
    return given


def _name(kind: str, name: str, longest: int) -> str:
    if not 0 < len(name) <= longest or not name.isprintable():
        raise InvalidArgument(f"got a {kind} of {len(name)} letters; needed are 1 to {longest} printable ones")
    return name


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
