"""The verified pairs of a collection in a file of the index, from which groups are formed when somebody asks.

Groups are not stored: what people decide, the keep rules and deleted items change them, and need no new search. The
file is a cache, as the features are: it may be removed at any time, and a backup does not have it.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from copysight.duplicates.pair import Pair
from copysight.duplicates.picture import Picture
from copysight.system import durable

FORMAT = 1
ALL = "all"


@dataclass(frozen=True)
class Result:
    """The pairs of a ``collection`` (None: of all) whose probability is at least ``minimum``.

    ``pairs`` name ``pictures`` by number; ``ids`` are the items of these. ``made``: seconds since the epoch.
    ``generation`` and ``sequence``: the state of the index that was searched, with ``searched`` pictures.
    """

    collection: str | None
    made: float
    generation: str | None
    sequence: int
    model: str
    minimum: float
    searched: int
    ids: tuple[int, ...]
    pictures: tuple[Picture, ...]
    pairs: tuple[Pair, ...]


def write(directory: Path, found: Result) -> None:
    """Write the result of a collection, in the place of an older one. Raises ``NotWritable``."""
    pictures = [[number, *_facts(one)] for number, one in zip(found.ids, found.pictures, strict=True)]
    head = {name: getattr(found, name) for name in HEAD}
    text = json.dumps({"format": FORMAT, **head, "pictures": pictures, "pairs": [astuple(one) for one in found.pairs]})
    with durable.writable(directory):
        directory.mkdir(exist_ok=True)
        durable.write_file(path_of(directory, found.collection), text.encode())


def read(path: Path) -> Result | None:
    """The result in a file; None if there is none, or if it is damaged or of another version."""
    try:
        given = json.loads(path.read_bytes())
        return _result(given) if given["format"] == FORMAT else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def path_of(directory: Path, collection: str | None) -> Path:
    """The file of a collection."""
    name = ALL if collection is None else hashlib.sha256(collection.encode(errors="surrogatepass")).hexdigest()[:16]
    return directory / f"{name}.json"


HEAD = ("collection", "made", "generation", "sequence", "model", "minimum", "searched")


def _facts(one: Picture) -> Sequence[Any]:
    return [
        one.path, one.sha256, one.width, one.height, one.bytes, one.format, one.taken, one.camera, one.modified
    ]  # fmt: skip


def _result(given: dict[str, Any]) -> Result:
    pictures = given["pictures"]
    return Result(
        **{name: given[name] for name in HEAD},
        ids=tuple(row[0] for row in pictures),
        pictures=tuple(Picture(*row[1:]) for row in pictures),
        pairs=tuple(Pair(*row) for row in given["pairs"]),
    )
