"""Which lists a picture matches, and what to do with it. All functions may block: call them in a thread."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from copysight.catalog.moderation.entries import UNNOTED, Entry
from copysight.catalog.moderation.lists import StoredList
from copysight.catalog.moderation.matches import NewMatch
from copysight.errors import NotWritable
from copysight.index import find_copies
from copysight.index.find_copies import Match, Selection
from copysight.scoring.calibration import DIFFERENT, Line
from copysight.scoring.decided import corrected
from copysight.scoring.judge import Judge
from copysight.scoring.verified import CANDIDATES, Outcome
from service.moderation.rules import Current
from service.queries.search_options import SearchOptions
from service.queries.search_query import SearchQuery
from service.state import State

log = logging.getLogger("copysight.moderation")
UNLIKELY = 2
"""Items of lists that are verified although the score alone calls them different, the best ones. Of copies that all
forty would find, the original is the best item of the lists (docs/notes/copy-detection.md, lists)."""


@dataclass(frozen=True)
class ListMatch:
    """A match with an item of a list.

    ``stated``: its probability before the list's decisions correct it; None for equal pictures, or if there is none.
    ``same_bytes``: the query is this item's file. ``quarantined``: the match decides nothing. ``number``: that of the
    recorded match; None if it is not recorded.
    """

    of: StoredList
    match: Match
    stated: float | None
    same_bytes: bool
    quarantined: bool
    entry: Entry = UNNOTED
    number: int | None = None

    @property
    def rank(self) -> tuple[int, float]:
        """Which match decides, the lowest first: allow for the same bytes, block, review, allow; then the best."""
        if self.quarantined:
            return 5, 0.0
        if self.of.list.policy == "allow" and self.same_bytes:
            return 0, 0.0
        order = ("block", "review", "allow").index(self.of.list.policy)
        return order + 1, -(self.match.judgement.probability or 0.0)


@dataclass(frozen=True)
class Consulted:
    """The matches of a query with lists. ``upload``: the item as which the query was added; None if it was not."""

    query: SearchQuery
    matches: Sequence[ListMatch]
    upload: int | None = None


def list_matches(state: State, current: Current, query: SearchQuery, options: SearchOptions) -> list[ListMatch]:
    """The matches of a query with the items of all lists, those that decide first.

    The nearest ``CANDIDATES`` items of all lists together are judged, as `find_copies` does, and all items of the same
    bytes. A match counts if it keeps the precision of its list and its pair was not denied.
    """
    names = tuple(sorted(current.lists))
    unlikely = UNLIKELY if _counts_likely_only(current, options) else None
    wanted = Selection(CANDIDATES, names, None, options.effort, options.verify, unlikely=unlikely)
    found = find_copies(state.index, current.snapshot, query.asked(state), wanted).matches
    found += _same_bytes(state, current, query, {one.item.id for one in found})
    no_more, judge = denied(state, current, query), current.snapshot.judge
    sha256 = None if query.file is None else query.file.sha256
    matches = [_list_match(current, one, sha256) for one in found if one.item.sha256 not in no_more]
    kept = [one for one in matches if _counts(one.match, _least(one.of, judge, options))]
    if not kept:
        return []
    entries = state.index.catalog.moderation.entries(one.match.item.id for one in kept)
    noted = [replace(one, entry=entries.get(one.match.item.id, UNNOTED)) for one in kept]
    return sorted(noted, key=lambda one: one.rank)


def denied(state: State, current: Current, query: SearchQuery) -> frozenset[str]:
    """The sha256 of the pictures whose match with a query was denied."""
    if not current.denied or query.file is None:
        return frozenset()
    return state.index.catalog.moderation.denied(query.file.sha256)


def record(state: State, found: Sequence[Consulted], author: str | None) -> list[Sequence[ListMatch]]:
    """Record the matches of pictures, in one transaction. Returns the matches of each query, with their numbers.

    An index that cannot be written answers all the same.
    """
    new = [
        _new(one, query.file.sha256, asked.upload)
        for asked in found
        if (query := asked.query).picture is not None and query.file is not None
        for one in asked.matches
    ]
    if not new:
        return [asked.matches for asked in found]
    try:
        numbers = iter(state.index.catalog.moderation.record(new, author))
    except NotWritable as error:
        log.warning("matches with lists were answered and not recorded: %s", error.message)
        return [asked.matches for asked in found]
    return [
        asked.matches if asked.query.picture is None else [replace(one, number=next(numbers)) for one in asked.matches]
        for asked in found
    ]


def to_json(matches: Sequence[ListMatch], query: SearchQuery) -> dict[str, Any]:
    """The fields of an answer: the ``lists`` that match, with their matches, and the ``decision``; null if none."""
    by_list: dict[str, list[ListMatch]] = {}
    for one in matches:
        by_list.setdefault(one.of.list.name, []).append(one)
    first = matches[0] if matches and not matches[0].quarantined else None
    decision = None if first is None else _named(first.of) | {"id": first.match.item.id, "match": first.number}
    lists = [_named(found[0].of) | {"matches": [_json(one, query) for one in found]} for found in by_list.values()]
    return {"lists": lists, "decision": decision}


def _json(one: ListMatch, query: SearchQuery) -> dict[str, Any]:
    entry = {"note": one.entry.note, "labels": list(one.entry.labels), "quarantined": one.quarantined}
    return one.match.to_json(query.views) | {"match": one.number, "same_bytes": one.same_bytes} | entry


def _named(one: StoredList) -> dict[str, Any]:
    return {"list": one.list.name, "policy": one.list.policy, "action": one.list.action}


def _new(one: ListMatch, query: str, upload: int | None) -> NewMatch:
    item, judgement, policy = one.match.item, one.match.judgement, one.of.list
    return NewMatch(
        policy.name,
        item.id,
        item.sha256,
        query,
        one.stated,
        judgement.probability,
        judgement.verdict,
        policy.policy,
        policy.action,
        upload,
    )


def _list_match(current: Current, match: Match, sha256: str | None) -> ListMatch:
    """The match of a list, its probability corrected by what the list has learned."""
    of, judgement = current.lists[match.item.collection], match.judgement
    stated = None if judgement.verdict == "exact" else judgement.probability
    if stated is not None and of.learned is not None:
        probability = _corrected(of, stated)
        verdict = current.snapshot.judge.verdicts.of(probability)
        match = replace(match, judgement=replace(judgement, probability=probability, verdict=verdict))
    return ListMatch(of, match, stated, match.item.sha256 == sha256, match.item.id in current.quarantined)


def _corrected(of: StoredList, stated: float) -> float:
    return stated if of.learned is None else corrected(stated, Line(of.learned.slope, of.learned.intercept))


def _counts_likely_only(current: Current, options: SearchOptions) -> bool:
    """Whether no list counts a match that the score alone calls different: then few of them need to be verified."""
    if options.verify == "always":
        return False
    judge = current.snapshot.judge
    return all(_corrected(one, DIFFERENT) < _least(one, judge, options) for one in current.lists.values())


def _same_bytes(state: State, current: Current, query: SearchQuery, known: set[int]) -> list[Match]:
    """The items of lists that have the bytes of the query, besides the known ones.

    Many copies of one picture may stand before them in the search, and an allow list must not be missed.
    """
    if query.file is None:
        return []
    catalog, snapshot = state.index.catalog, current.snapshot
    ids = [one for one in catalog.moderation.same_bytes(query.file.sha256, current.lists) if one not in known]
    items = catalog.get_many(one for one in ids if snapshot.holds(one)) if ids else {}
    offset = float(snapshot.offsets(query.vectors[:1])[0]) if items else 0.0
    judgement = snapshot.judge.judge(1.0, offset, equal=True)
    return [Match(item, judgement, 0, Outcome(1.0)) for item in items.values()]


def _least(one: StoredList, judge: Judge, options: SearchOptions) -> float:
    """From which probability on matches with a list count."""
    if one.list.precision is None or options.effort not in judge.calibrations:
        return judge.verdicts.copy
    return judge.policy(one.list.precision, options.effort, options.verify != "never").probability


def _counts(match: Match, least: float) -> bool:
    judgement = match.judgement
    return judgement.verdict == "exact" or (judgement.probability is not None and judgement.probability >= least)
