"""Search the index and build the JSON of answers. All functions may block: call them in a thread."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from starlette.responses import Response

from copysight.catalog import Item
from copysight.index import Snapshot, find_copies
from copysight.model.embedder import Embedder, probabilities
from copysight.system import exact_json
from service.moderation.rules import Current
from service.queries import list_matches
from service.queries.list_matches import Consulted, ListMatch
from service.queries.search_options import SearchOptions
from service.queries.search_query import SearchQuery
from service.state import State

Float = npt.NDArray[np.float32]
ITEM_FIELDS = (
    "id", "key", "collection", "sha256", "width", "height", "sequence", "information", "bytes", "taken", "camera",
)  # fmt: skip
"""The fields of an item in answers, besides its metadata."""
PROTOTYPES = 5
"""Number of prototypes in an answer, the most probable ones."""


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


@dataclass(frozen=True)
class Found:
    """What was found for a query: its ``answer`` as JSON, and its matches with ``lists``; None if there are no lists.

    ``upload``: the item as which the query was added.
    """

    query: SearchQuery
    answer: dict[str, Any]
    lists: Sequence[ListMatch] | None
    upload: int | None = None


def search(
    state: State,
    snapshot: Snapshot,
    queries: Sequence[SearchQuery],
    options: SearchOptions,
    author: str | None = None,
) -> list[dict[str, Any]]:
    """For each query as JSON: its ``matches`` with scores and verdicts, and ``information`` if that was measured.

    If there are lists also ``lists``, those that match, and ``decision``. Matches of pictures with lists are recorded
    for ``author``, the name of a key.
    """
    return finish(state, find(state, snapshot, queries, options), author)


def find(state: State, snapshot: Snapshot, queries: Sequence[SearchQuery], options: SearchOptions) -> list[Found]:
    """What each query matches. Nothing is recorded."""
    began = time.monotonic()
    current = state.rules.current(snapshot)
    found = []
    for query in queries:
        answer = _answer(state, current, query, options)
        asked = bool(current.lists) and options.lists
        lists = list_matches.list_matches(state, current, query, options) if asked else None
        found.append(Found(query, answer, lists))
        if query.picture is not None:
            state.memory.add(snapshot.bundle.id, query.picture.sha256, query.picture.vector)
    state.metrics.observe_stage("search", time.monotonic() - began)
    return found


def finish(state: State, found: Sequence[Found], author: str | None) -> list[dict[str, Any]]:
    """Record the matches with lists, and return the answers."""
    asked = [Consulted(one.query, one.lists, one.upload) for one in found if one.lists is not None]
    recorded = iter(list_matches.record(state, asked, author))
    return [
        one.answer if one.lists is None else one.answer | list_matches.to_json(next(recorded), one.query)
        for one in found
    ]


def _answer(state: State, current: Current, query: SearchQuery, options: SearchOptions) -> dict[str, Any]:
    denied, wanted = list_matches.denied(state, current, query), options.selection
    found = find_copies(state.index, current.snapshot, query.asked(state), replace(wanted, k=wanted.k + len(denied)))
    allowed = [one for one in found.matches if one.item.sha256 not in denied][: wanted.k]
    matches = [one.to_json(query.views) for one in allowed]
    least = options.min_probability
    kept = [one for one in matches if least is None or (one["probability"] or 0.0) >= least]
    return {"matches": kept} | ({} if found.information is None else {"information": found.information})


def memberships(state: State, snapshot: Snapshot, vectors: Float) -> list[dict[str, Any] | None]:
    """The cluster of each of ``vectors`` (B, D); ``None`` if the index has no clusters yet."""
    names = state.index.catalog.names.all()
    found = snapshot.clustered().assign(vectors)
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
