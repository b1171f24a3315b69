"""The answer to a query: the best matches of an index, with their probabilities, and verified where it pays."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from copysight.catalog import Item
from copysight.index.index import Index
from copysight.index.live.merge_views import Hit
from copysight.index.live.snapshot import Collections, Snapshot
from copysight.matching import verification
from copysight.matching.verification import Prepared
from copysight.pictures import information
from copysight.scoring import verified
from copysight.scoring.calibration import DIFFERENT, Verdicts
from copysight.scoring.judge import SAME_PICTURE, Judge, Judgement
from copysight.scoring.precision import Policy
from copysight.scoring.query_views import Effort, QueryView
from copysight.scoring.verified import CANDIDATES, Candidate, Checked, Mode, Outcome

Float = npt.NDArray[np.float32]


@dataclass
class Shared:
    """What several searches for one query need: the first of them fills it in.

    ``offsets`` (V,): those of the vectors, see `Snapshot.offsets`. ``checked``: what verification found, by the sha256
    of the item.
    """

    offsets: Float | None = None
    checked: dict[str, Checked | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Query:
    """What is searched for: vectors (V, D) of its ``views`` (V,), or one vector (1, D) without a picture.

    ``picture`` returns the RGB picture, or None if there is none; it is only called if a match may be a copy.
    ``prepare`` returns it for verification. ``is_equal`` says whether an item has the same bytes or pixels. ``shared``:
    for several searches of snapshots of the same bundle.
    """

    vectors: Float
    views: Sequence[QueryView]
    picture: Callable[[], Image.Image | None]
    prepare: Callable[[], Prepared | None]
    is_equal: Callable[[Hit, Item], bool]
    shared: Shared = field(default_factory=Shared)

    @property
    def penalties(self) -> list[float]:
        """The penalty (V,) that is subtracted from the scores of each query view."""
        return [view.penalty for view in self.views] or [0.0]


@dataclass(frozen=True)
class Selection:
    """Which matches are wanted: at most ``k``, of a ``collection`` or several, with a ``filter`` (JSON).

    ``precision``: only matches that keep this expected precision, see `Judge.policy`. ``unlikely``: at most so many of
    the best items whose score alone calls them different; the others are not read and not verified. None: all.
    """

    k: int = 10
    collection: Collections = None
    filter: object | None = None
    effort: Effort = "low"
    verify: Mode = "auto"
    precision: float | None = None
    unlikely: int | None = None

    def policy(self, judge: Judge) -> Policy | None:
        """The policy of the wanted precision; None if none is wanted. Raises ``InvalidArgument``."""
        if self.precision is None:
            return None
        return judge.policy(self.precision, self.effort, self.verify != "never")


@dataclass(frozen=True)
class Match:
    """An item, its judgement, the number of the query view that found it, and what verification found."""

    item: Item
    judgement: Judgement
    view: int
    outcome: Outcome

    def where(self, views: Sequence[QueryView]) -> dict[str, Any] | None:
        """Where the match is, as JSON; None for a whole picture that was not verified.

        The fields are described in docs/reference/copy-detection.md.
        """
        return where(views[self.view] if views else None, self.outcome)

    def to_json(self, views: Sequence[QueryView]) -> dict[str, Any]:
        """The match as an answer states it; ``views`` are those of the query."""
        names = {name: getattr(self.item, name) for name in ("id", "key", "collection")}
        place = {"verified": self.outcome.verified, "where": self.where(views)}
        return names | vars(self.judgement) | place | {"metadata": dict(self.item.metadata)}


@dataclass(frozen=True)
class Answer:
    """The matches of a query. ``information``: how much its picture holds, 0..1; None if that was of no importance.

    Below `information.LEAST`, only items with equal bytes or pixels are copies.
    """

    matches: list[Match]
    information: float | None = None


def find_copies(index: Index, snapshot: Snapshot, query: Query, wanted: Selection) -> Answer:
    """The best matches, the most probable first; those of equal bytes or pixels before all others.

    Raises ``InvalidArgument``.
    """
    take = wanted.k if wanted.verify == "never" else max(wanted.k, CANDIDATES)
    if query.shared.offsets is None:
        query.shared.offsets = snapshot.offsets(query.vectors)
    hits = snapshot.search_views(
        query.vectors,
        take,
        query.penalties,
        collection=wanted.collection,
        filter=wanted.filter,
        offsets=query.shared.offsets,
    )
    if wanted.unlikely is not None:
        hits = _likely(hits, snapshot.judge, wanted.effort, wanted.unlikely)
    items = index.catalog.get_many({hit.id for hit in hits})
    # An item that was deleted after the snapshot is not in the catalog, and so not in the answer.
    pairs = [(hit, items[hit.id]) for hit in hits if hit.id in items]
    judgements = [
        snapshot.judge.judge(hit.similarity, hit.penalty, query.is_equal(hit, item), wanted.effort)
        for hit, item in pairs
    ]
    items_found = [item for _, item in pairs]
    found = _verified(index, query, items_found, judgements, snapshot.judge, wanted)
    matches = [
        Match(item, judged(judgement, one, snapshot.judge.verdicts), hit.view, one)
        for (hit, item), judgement, one in zip(pairs, judgements, found, strict=True)
    ]
    if wanted.verify != "never":
        matches = sorted(matches, key=_rank)[: wanted.k]
    policy = wanted.policy(snapshot.judge)
    held = _information(query, matches)
    verdicts = snapshot.judge.verdicts
    matches = [
        replace(match, judgement=_refuted(match.judgement, verdicts)) if _is_empty(held, match.item) else match
        for match in matches
    ]
    if policy is not None:
        matches = [one for one in matches if (one.judgement.probability or 0.0) >= policy.probability]
    return Answer(matches, held)


def judge_pair(
    found: Judgement, one: Image.Image, other: Image.Image, mode: Mode, judge: Judge, effort: Effort
) -> tuple[Judgement, Outcome]:
    """Verify two RGB pictures, ``other`` laid over ``one``, and judge them by all evidence.

    Pictures that hold next to nothing are copies only if they are equal.
    """
    outcome = _verified_pair(found, one, other, mode, judge, effort)
    judgement = judged(found, outcome, judge.verdicts)
    if judgement.verdict not in {"exact", "different"} and _least_information(one, other) < information.LEAST:
        judgement = _refuted(judgement, judge.verdicts)
    return judgement, outcome


def judged(judgement: Judgement, found: Outcome, verdicts: Verdicts) -> Judgement:
    """The judgement after verification: its probability, and the verdict that follows from it."""
    if not found.verified or judgement.probability is None or judgement.verdict == "exact":
        return judgement
    return replace(judgement, probability=found.probability, verdict=verdicts.of(found.probability))


def where(view: QueryView | None, found: Outcome) -> dict[str, Any] | None:
    """Region and turn of the query view, and, if it was verified, the parts of both pictures; None for neither."""
    seen = view.where() if view is not None else None
    if found.verification is None:
        return seen
    return (seen or {"region": None, "turn": 0}) | verification.where(found.verification)


def _likely(hits: list[Hit], judge: Judge, effort: Effort, unlikely: int) -> list[Hit]:
    """The hits, by descending score, without those after the first ``unlikely`` that the score alone calls different.

    Same pictures stand first and are never left out.
    """
    for number in range(unlikely, len(hits)):
        hit = hits[number]
        if hit.similarity < SAME_PICTURE or hit.view:
            probability = judge.judge(hit.similarity, hit.penalty, effort=effort).probability
            if probability is None or probability <= DIFFERENT:
                return hits[:number]
    return hits


def _information(query: Query, matches: Sequence[Match]) -> float | None:
    """How much the picture of the query holds; None if it has none, or if no match may be a copy anyway."""
    if all(one.judgement.verdict in {"exact", "different"} for one in matches):
        return None
    picture = query.picture()
    return None if picture is None else information.information(picture)


def _is_empty(held: float | None, item: Item) -> bool:
    """Whether the query or the item holds next to nothing, as far as that is known."""
    return any(one is not None and one < information.LEAST for one in (held, item.information))


def _refuted(judgement: Judgement, verdicts: Verdicts) -> Judgement:
    if judgement.verdict == "exact" or judgement.probability is None:
        return judgement
    probability = min(judgement.probability, verdicts.different)
    return replace(judgement, probability=probability, verdict=verdicts.of(probability))


def _verified(
    index: Index, query: Query, items: Sequence[Item], judgements: Sequence[Judgement], judge: Judge, wanted: Selection
) -> list[Outcome]:
    mode, share = wanted.verify, judge.share(wanted.effort)
    results = [Outcome(1.0 if one.probability is None else one.probability) for one in judgements]
    numbers = [number for number, one in enumerate(judgements) if _is_open(one, mode)]
    candidates = [Candidate(judgements[number].score, results[number].probability, share) for number in numbers]
    sha256s = [items[number].sha256 for number in numbers]
    check_one = verified.checking(query.prepare, lambda place: index.features.get(sha256s[place]))

    def check(place: int) -> Checked | None:
        known = query.shared.checked
        if sha256s[place] not in known:
            known[sha256s[place]] = check_one(place)
        return known[sha256s[place]]

    for number, one in zip(numbers, verified.verify(candidates, check, mode, line=judge.verified.line), strict=True):
        results[number] = one
    return results


def _is_open(judgement: Judgement, mode: Mode) -> bool:
    """Equal pictures need no verification; without a calibration there is no probability that it could change."""
    return mode == "always" or (judgement.verdict != "exact" and judgement.probability is not None)


def _verified_pair(
    found: Judgement, one: Image.Image, other: Image.Image, mode: Mode, judge: Judge, effort: Effort
) -> Outcome:
    candidate = Candidate(found.score, 1.0 if found.probability is None else found.probability, judge.share(effort))
    if not _is_open(found, mode):
        return Outcome(candidate.probability)
    check = verified.checking(lambda: verification.prepare(one), lambda _: verification.prepare(other))
    [outcome] = verified.verify([candidate], check, mode, line=judge.verified.line)
    return outcome


def _least_information(*pictures: Image.Image) -> float:
    return min(information.information(one) for one in pictures)


def _rank(match: Match) -> tuple[bool, float, float, int]:
    judgement = match.judgement
    exact = judgement.verdict == "exact"
    return not exact, -(judgement.probability or 0.0), -judgement.score, match.item.id
