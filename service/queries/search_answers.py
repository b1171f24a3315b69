"""The parts of answers that several routes share. Everything here runs in threads, off the loop."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import orjson
from starlette.responses import Response

from copysight.catalog import Item
from copysight.errors import PictureError
from copysight.index import Hit, Snapshot
from copysight.model.embedder import Embedder, probabilities
from copysight.scoring.judge import SAME
from copysight.scoring.query_views import Effort, QueryView
from service.queries.inference import Seen
from service.queries.search_options import Question
from service.state import State

Float = npt.NDArray[np.float32]
PROTOTYPES = 5


@dataclass(frozen=True)
class Asked:
    """A query: vectors (L, D) of ``looks`` (L,) at a picture that was ``seen``; or a vector (1, D) of no picture."""

    vectors: Float
    views: Sequence[QueryView] = ()
    seen: Seen | None = None

    @classmethod
    def of(cls, seen: Seen) -> Self:
        """A picture, with all looks at it."""
        return cls(seen.vectors, seen.views, seen)

    @property
    def penalties(self) -> list[float]:
        """What is taken from the scores of each look."""
        return [view.penalty for view in self.views] or [0.0]

    def where(self, view: int) -> dict[str, Any] | None:
        """What look number ``view`` was at."""
        return self.views[view].where() if self.views else None


def json(content: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer; NumPy arrays and numbers may be in it."""
    body = orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)
    return Response(body, status, dict(headers or {}), media_type="application/json")


def head(snapshot: Snapshot, embedder: Embedder | None = None) -> dict[str, Any]:
    """What every answer about the index says: the model, the generation and the sequence that it was made from.

    With the ``embedder`` that saw pictures for it: its precision, too.
    """
    generation = snapshot.generation.name if snapshot.generation else None
    about = {"model": snapshot.bundle.id, "generation": generation, "sequence": snapshot.sequence}
    return about if embedder is None else about | {"variant": embedder.runtime.variant}


def stamp(snapshot: Snapshot) -> dict[str, str]:
    """The same as headers, for answers that are no JSON."""
    generation = snapshot.generation.name if snapshot.generation else ""
    return {"X-Copysight-Model": snapshot.bundle.id, "X-Copysight-Generation": generation}


def search(
    state: State, snapshot: Snapshot, queries: Sequence[Asked], question: Question
) -> list[list[dict[str, Any]]]:
    """Matches of each query, judged."""
    began = time.monotonic()
    kept: dict[str, Any] = {"collection": question.collection, "filter": question.filter}
    found = [snapshot.ask(asked.vectors, question.k, asked.penalties, **kept) for asked in queries]
    items = state.index.catalog.get_many({hit.id for hits in found for hit in hits})
    answers = []
    for hits, asked in zip(found, queries, strict=True):
        # An item deleted since the snapshot was taken is gone from the catalog, and so from the answer.
        judged = [
            _match(state, snapshot, hit, asked, items[hit.id], question.effort) for hit in hits if hit.id in items
        ]
        least = question.min_probability
        answers.append([one for one in judged if least is None or (one["probability"] or 0.0) >= least])
    state.metrics.stage("search", time.monotonic() - began)
    return answers


def memberships(state: State, snapshot: Snapshot, vectors: Float) -> list[dict[str, Any] | None]:
    """The cluster of each of ``vectors`` (B, D); ``None`` where there are no clusters yet."""
    names = state.index.catalog.names.all()
    found = snapshot.assign(vectors)
    return [None if one is None else asdict(one) | {"name": names.get(one.id)} for one in found]


def prototypes(snapshot: Snapshot, logits: Float | None) -> list[dict[str, Any]] | None:
    """The most probable prototypes for logits (K,); ``None`` for a bundle without."""
    if logits is None:
        return None
    chances = probabilities(logits[None], snapshot.bundle)[0]
    best = np.argsort(-chances, kind="stable")[:PROTOTYPES]
    return [{"index": int(one), "probability": float(chances[one])} for one in best]


def item(found: Item) -> dict[str, Any]:
    """An item as JSON."""
    names = ("id", "key", "collection", "sha256", "width", "height", "sequence")
    return {name: getattr(found, name) for name in names} | {"metadata": dict(found.metadata)}


def _match(state: State, snapshot: Snapshot, hit: Hit, asked: Asked, found: Item, effort: Effort) -> dict[str, Any]:
    seen = asked.seen
    equal = seen is not None and (seen.sha256 == found.sha256 or _same_pixels(state, hit, found, seen))
    judgement = vars(snapshot.judge.judge(hit.similarity, hit.penalty, equal, effort))
    names = {"id": found.id, "key": found.key, "collection": found.collection}
    return names | judgement | {"where": asked.where(hit.view), "metadata": dict(found.metadata)}


def _same_pixels(state: State, hit: Hit, found: Item, seen: Seen) -> bool:
    size = (seen.picture.width, seen.picture.height)
    if hit.similarity < SAME or hit.view or size != (found.width, found.height):
        return False
    original = state.index.blobs.original(found.sha256, found.source)
    return original is not None and same_pixels(seen.data, original, state)


def same_pixels(one: bytes, other: bytes, state: State) -> bool:
    """Whether two files decode to the very same pixels."""
    try:
        first, second = (state.decoding.decode(data).pixels for data in (one, other))
    except PictureError:
        return False
    return np.array_equal(np.asarray(first), np.asarray(second))
