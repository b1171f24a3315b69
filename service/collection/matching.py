"""Match pictures with the collection and its lists, and add them, from one run of the model; all of it may block."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from copysight.catalog import Added
from copysight.errors import KeyConflict
from copysight.index import Snapshot
from service.collection import adding
from service.collection.adding import NewPicture
from service.moderation.looking_back import look_back
from service.queries import search_answers
from service.queries.inference import PictureFeatures
from service.queries.search_answers import Found
from service.queries.search_options import SearchOptions
from service.queries.search_query import SearchQuery
from service.state import State

Outcome = Added | KeyConflict


@dataclass(frozen=True)
class Uploaded:
    """The outcome of adding a picture, and if asked ``matches``, ``lists`` and ``decision``, as JSON."""

    added: Outcome
    matched: dict[str, Any]


def add(
    state: State,
    snapshot: Snapshot,
    features: Sequence[PictureFeatures],
    new: Sequence[NewPicture],
    replaced: bool,
    match: bool,
    author: str | None,
) -> list[Uploaded]:
    """Add pictures; with ``match``, also what each matched before they were added. Raises the errors of the catalog.

    Matches with lists are recorded after the pictures: a call that is killed in between is repeated by its caller.
    """
    options = SearchOptions(precision=state.settings.precision)
    found = search_answers.find(state, snapshot, [SearchQuery.of(one) for one in features], options) if match else []
    added = adding.store(state, snapshot, features, new, replaced)
    matched = _finish(state, found, added, author) if match else [{} for _ in added]
    recent = [_looked_back(state, snapshot, *pair, author) for pair in zip(features, added, strict=True)]
    return [Uploaded(one, more | back) for one, more, back in zip(added, matched, recent, strict=True)]


def _looked_back(
    state: State, snapshot: Snapshot, features: PictureFeatures, added: Outcome, author: str | None
) -> dict[str, Any]:
    """The remembered queries that match an item that came onto a list, as `recent`; empty for any other."""
    if not state.memory.seconds or not isinstance(added, Added) or added.status == "unchanged":
        return {}
    of = state.rules.current(state.index.snapshot()).lists.get(added.item.collection)
    if of is None:
        return {}
    moderation = state.index.catalog.moderation
    found = look_back(state.memory, moderation, snapshot, added.item, features.vector, of, author)
    return {"recent": found}


def _finish(state: State, found: Sequence[Found], added: Sequence[Outcome], author: str | None) -> list[dict[str, Any]]:
    """The answers for the pictures that were added; empty for the others. Records matches with lists."""
    pairs = [(one, outcome.item.id) for one, outcome in zip(found, added, strict=True) if isinstance(outcome, Added)]
    finished = iter(search_answers.finish(state, [_without(one, number) for one, number in pairs], author))
    return [next(finished) if isinstance(outcome, Added) else {} for outcome in added]


def _without(found: Found, number: int) -> Found:
    """What was found for an item that was added, without itself: it may have been there already."""
    matches = [one for one in found.answer["matches"] if one["id"] != number]
    lists = [one for one in found.lists or () if one.match.item.id != number]
    return replace(found, answer=found.answer | {"matches": matches}, lists=lists, upload=number)
