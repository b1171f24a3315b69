"""Search the index and build the JSON of answers. All functions may block: call them in a thread."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from PIL import Image
from starlette.responses import Response

from copysight.catalog import Item
from copysight.errors import PictureError
from copysight.index import Hit, Query, Snapshot, find_copies
from copysight.matching import verification
from copysight.matching.verification import Prepared
from copysight.model.embedder import Embedder, probabilities
from copysight.pictures.decode import decode
from copysight.scoring.judge import SAME_PICTURE
from copysight.scoring.query_views import QueryView
from copysight.system import exact_json
from service.queries.inference import PictureFeatures
from service.queries.search_options import SearchOptions
from service.state import State

Float = npt.NDArray[np.float32]
ITEM_FIELDS = (
    "id", "key", "collection", "sha256", "width", "height", "sequence", "information", "bytes", "taken", "camera",
)  # fmt: skip
"""The fields of an item in answers, besides its metadata."""
PROTOTYPES = 5
"""Number of prototypes in an answer, the most probable ones."""


@dataclass(frozen=True)
class QueryFile:
    """What is known of a file without reading it: its sha256 and the sides of its upright picture in pixels."""

    sha256: str
    width: int
    height: int


@dataclass(frozen=True)
class SearchQuery:
    """A query: vectors (V, D) of the query ``views`` (V,) of a ``picture``; or one vector (1, D) without a picture.

    ``stored``: the item that the vector belongs to, if it is one of the collection.
    """

    vectors: Float
    views: Sequence[QueryView] = ()
    picture: PictureFeatures | None = None
    stored: Item | None = None

    @classmethod
    def of(cls, picture: PictureFeatures) -> Self:
        """A picture with all its query views."""
        return cls(picture.vectors, picture.views, picture)

    @property
    def file(self) -> "QueryFile | None":
        """The file that was searched for; None for a vector."""
        if self.picture is not None:
            return QueryFile(self.picture.sha256, self.picture.picture.width, self.picture.picture.height)
        return None if self.stored is None else QueryFile(self.stored.sha256, self.stored.width, self.stored.height)

    def data(self, state: State) -> bytes | None:
        """The bytes of that file; None if the collection does not have the original of a stored item."""
        if self.picture is not None:
            return self.picture.data
        return None if self.stored is None else state.index.blobs.original(self.stored.sha256, self.stored.source)

    def asked(self, state: State) -> Query:
        """The query for the index."""
        return Query(
            self.vectors,
            self.views,
            partial(self.pixels, state),
            partial(self.prepare, state),
            partial(_is_equal, state, self),
        )

    def pixels(self, state: State) -> Image.Image | None:
        """The picture (RGB), of a stored item its thumbnail; None for a vector, or without a thumbnail."""
        if self.picture is not None:
            return self.picture.picture.pixels
        data = None if self.stored is None else state.index.blobs.thumbnail(self.stored.sha256)
        return None if data is None else decode(data).pixels

    def prepare(self, state: State) -> Prepared | None:
        """The picture for verification; None for a vector, or if the thumbnail of a stored item is missing."""
        if self.picture is not None:
            return verification.prepare(self.picture.picture.pixels)
        return None if self.stored is None else state.index.features.get(self.stored.sha256)


def json(content: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer. NumPy arrays and numbers are allowed."""
    return Response(exact_json.dumps(content), status, dict(headers or {}), media_type="application/json")


def index_fields(snapshot: Snapshot, embedder: Embedder | None = None) -> dict[str, Any]:
    """Fields of every answer about the index: model, generation, sequence; with an ``embedder`` its precision."""
    generation = snapshot.generation.name if snapshot.generation else None
    fields = {"model": snapshot.bundle.id, "generation": generation, "sequence": snapshot.sequence}
    return fields if embedder is None else fields | {"variant": embedder.runtime.variant}


def index_headers(snapshot: Snapshot) -> dict[str, str]:
    """Model and generation as headers, for answers that are not JSON."""
    generation = snapshot.generation.name if snapshot.generation else ""
    return {"X-Copysight-Model": snapshot.bundle.id, "X-Copysight-Generation": generation}


def search(
    state: State, snapshot: Snapshot, queries: Sequence[SearchQuery], options: SearchOptions
) -> list[dict[str, Any]]:
    """For each query as JSON: its ``matches`` with scores and verdicts, and ``information`` if that was measured."""
    began = time.monotonic()
    answers = []
    for query in queries:
        found = find_copies(state.index, snapshot, query.asked(state), options.selection)
        matches = [one.to_json(query.views) for one in found.matches]
        least = options.min_probability
        kept = [one for one in matches if least is None or (one["probability"] or 0.0) >= least]
        answers.append({"matches": kept} | ({} if found.information is None else {"information": found.information}))
    state.metrics.observe_stage("search", time.monotonic() - began)
    return answers


def memberships(state: State, snapshot: Snapshot, vectors: Float) -> list[dict[str, Any] | None]:
    """The cluster of each of ``vectors`` (B, D); ``None`` if the index has no clusters yet."""
    names = state.index.catalog.names.all()
    found = snapshot.assign(vectors)
    return [None if one is None else asdict(one) | {"name": names.get(one.id)} for one in found]


def prototypes(snapshot: Snapshot, logits: Float | None) -> list[dict[str, Any]] | None:
    """The most probable prototypes for logits (K,); ``None`` for a bundle without prototypes."""
    if logits is None:
        return None
    chances = probabilities(logits[None], snapshot.bundle)[0]
    best = np.argsort(-chances, kind="stable")[:PROTOTYPES]
    return [{"index": int(one), "probability": float(chances[one])} for one in best]


def item(found: Item) -> dict[str, Any]:
    """An item as JSON."""
    return {name: getattr(found, name) for name in ITEM_FIELDS} | {"metadata": dict(found.metadata)}


def _is_equal(state: State, query: SearchQuery, hit: Hit, found: Item) -> bool:
    file = query.file
    return file is not None and (file.sha256 == found.sha256 or _same_pixels(state, hit, found, query, file))


def _same_pixels(state: State, hit: Hit, found: Item, query: SearchQuery, file: QueryFile) -> bool:
    if hit.similarity < SAME_PICTURE or hit.view or (file.width, file.height) != (found.width, found.height):
        return False
    original = state.index.blobs.original(found.sha256, found.source)
    data = None if original is None else query.data(state)
    return original is not None and data is not None and same_pixels(data, original, state)


def same_pixels(one: bytes, other: bytes, state: State) -> bool:
    """Whether two files show exactly the same: pixels, alpha and frames."""
    try:
        first, second = (state.decoder.digest(data) for data in (one, other))
    except PictureError:
        return False
    return first is not None and first == second
