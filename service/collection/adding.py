"""Check new pictures and their fields, and store them in blobs and catalog."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from copysight.catalog import Added, NewItem, limits
from copysight.errors import InvalidArgument, KeyConflict
from copysight.index import Snapshot
from copysight.pictures.information import information
from copysight.system import exact_json, names
from service.intake.url_fetch import PictureSource
from service.queries.inference import PictureFeatures
from service.state import State

LONGEST_KEY = 1024
LONGEST_COLLECTION = 200
FIELDS = ("key", "collection", "metadata")
"""Fields of a new picture, in a form or in JSON."""


@dataclass(frozen=True)
class NewPicture:
    """A picture to add. Without a ``key``, its sha256 becomes the key."""

    picture: PictureSource
    key: str | None
    collection: str
    metadata: Mapping[str, Any]

    @classmethod
    def of(cls, picture: PictureSource, fields: Mapping[str, Any]) -> "NewPicture":
        """From the fields ``key``, ``collection`` and ``metadata`` of a request. Raises ``InvalidArgument``."""
        key, collection = _text("key", fields.get("key")), _text("collection", fields.get("collection"))
        return cls(
            picture,
            _name("key", key, LONGEST_KEY) if key else None,  # a form field may be empty
            "default" if collection is None else _name("collection", collection, LONGEST_COLLECTION),
            _metadata(fields.get("metadata")),
        )


def store(
    state: State,
    snapshot: Snapshot,
    features: Sequence[PictureFeatures],
    new_pictures: Sequence[NewPicture],
    replace: bool,
) -> list[Added | KeyConflict]:
    """Add pictures in one durable transaction; blocks. Raises the errors of the catalog."""
    blobs = state.index.blobs
    items = [_item(one, new) for one, new in zip(features, new_pictures, strict=True)]
    # Blobs are durable before the catalog refers to them. The hold protects them from a delete of the same bytes.
    with blobs.hold():
        blobs.put_originals(one.data for one in features)
        blobs.put_thumbnails({one.sha256: one.picture.pixels for one in features})
        return state.index.catalog.add(items, model=snapshot.bundle.id, replace=replace)


def _item(features: PictureFeatures, new: NewPicture) -> NewItem:
    return NewItem(
        key=new.key or features.sha256,
        sha256=features.sha256,
        width=features.picture.width,
        height=features.picture.height,
        vector=np.asarray(features.features.embedding),
        collection=new.collection,
        metadata=new.metadata,
        files=True,
        information=information(features.picture.pixels),
        bytes=len(features.data),
        taken=features.picture.taken,
        camera=features.picture.camera,
    )


def _text(name: str, given: object) -> str | None:
    if given is not None and not isinstance(given, str):
        raise InvalidArgument(f"got a {name} of the type {type(given).__name__}; it must be a string")
    return given


def _name(kind: str, name: str, longest: int) -> str:
    if not 0 < len(name) <= longest or not names.is_allowed(name):
        raise InvalidArgument(
            f"got the {kind} {name[:80]!r} of {len(name)} characters; it must have 1 to {longest}, without control "
            "characters, line breaks and characters that change the direction of the text"
        )
    return name


def _metadata(given: object) -> dict[str, Any]:
    if given is None:
        return {}
    try:
        found = exact_json.loads(given) if isinstance(given, str) else given
    except orjson.JSONDecodeError as error:
        raise InvalidArgument(f"got metadata that is not valid JSON ({error}); write a JSON object") from error
    if not isinstance(found, dict):
        raise InvalidArgument('got metadata that is not a JSON object; write for example {"album": "2026"}')
    limits.check_metadata(found)  # before the picture is embedded and stored
    return found
