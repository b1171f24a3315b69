"""Verify candidate pairs: probability and kind of each, as `copysight compare` would state them, but more strictly.

A picture that holds next to nothing is a copy only of equal pictures; pages that differ in details are no copies; and a
pair of which no part can be laid over each other is one only if both look the same when they are reduced.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

from PIL import Image

from copysight.duplicates import kinds, plain
from copysight.duplicates.candidates import Scorer
from copysight.duplicates.pair import Kind, Pair
from copysight.matching.verification import Prepared
from copysight.pictures import information
from copysight.scoring import evidence, verified
from copysight.scoring.calibration import DIFFERENT
from copysight.scoring.evidence import Evidence
from copysight.scoring.verified import NO_RIVAL, Candidate, Checked

SAME = 0.999
"""Cosine from which on the files of two pictures of one size are compared for equal pixels."""
PREPARED = 1024
"""Prepared pictures in memory, 0.15 MB each."""


@dataclass(frozen=True)
class Contents:
    """Access to the pictures by number; all functions are called from several threads.

    ``prepared``: for verification, None if it is not at hand. ``thumbnail``: RGB pixels, None likewise. ``sizes``:
    width and height of the originals. ``equal_pixels``: whether two files show the same pixels, alpha and frames.
    """

    prepared: Callable[[int], Prepared | None]
    thumbnail: Callable[[int], Image.Image | None]
    sizes: Callable[[int], tuple[int, int]]
    equal_pixels: Callable[[int, int], bool]


class Verifier:
    """Verifies pairs, and remembers what it needs of each picture. Thread-safe."""

    def __init__(self, contents: Contents, scorer: Scorer) -> None:
        self._contents = contents
        self._scorer = scorer
        self._prepared = lru_cache(PREPARED)(contents.prepared)
        self._holds_enough = lru_cache(None)(self._information_is_enough)

    def verify(self, one: int, other: int, score: float) -> Pair:
        """Compare two pictures, ``one`` < ``other``, whose files have other bytes; ``score`` is that of the pair."""
        if self._is_equal(one, other):
            return Pair(one, other, 1.0, "exact")
        query, reference = self._directed(one, other)
        candidate = Candidate(score, self._scorer.probability(score), self._scorer.calibration.share)
        if (found := self._plain(query, reference)) is not None:
            probability = evidence.probability(_with_score(found, candidate), self._scorer.line)
            enough = self._holds_enough(one) and self._holds_enough(other)
            probability = probability if enough else min(probability, DIFFERENT)
            return Pair(one, other, probability, "resized" if self._is_resized(one, other) else "edited")
        return self._by_features(one, other, query, reference, candidate)

    def _by_features(self, one: int, other: int, query: int, reference: int, candidate: Candidate) -> Pair:
        left, right = self._prepared(query), self._prepared(reference)
        if left is None or right is None:  # the thumbnail is lost, so that nothing can be verified
            return Pair(one, other, min(candidate.probability, DIFFERENT), "edited")
        checked = verified.check(left, right)
        known = verified.evidence_of([candidate], {0: checked})[0]
        probability = evidence.probability(known, self._scorer.line)
        if probability > DIFFERENT and self._is_refuted(one, other, checked):
            probability = DIFFERENT
        kind, part = self._kind(query, reference, checked) if probability > DIFFERENT else ("edited", None)
        return Pair(one, other, probability, kind, part)

    def _plain(self, query: int, reference: int) -> Evidence | None:
        """The evidence of a plain copy; None for any other pair."""
        if float(self._scorer.vectors[query] @ self._scorer.vectors[reference]) < plain.COSINE:
            return None
        left, right = self._contents.thumbnail(query), self._contents.thumbnail(reference)
        return None if left is None or right is None else plain.evidence(left, right)

    def _directed(self, one: int, other: int) -> tuple[int, int]:
        """Query and reference: the smaller picture is looked for in the larger; the result has no direction."""
        areas = [
            (width * height, number) for number in (one, other) for width, height in [self._contents.sizes(number)]
        ]
        (_, query), (_, reference) = sorted(areas)
        return query, reference

    def _is_equal(self, one: int, other: int) -> bool:
        if self._contents.sizes(one) != self._contents.sizes(other):
            return False
        cosine = float(self._scorer.vectors[one] @ self._scorer.vectors[other])
        return cosine >= SAME and self._contents.equal_pixels(one, other)

    def _is_refuted(self, one: int, other: int, checked: Checked) -> bool:
        if not (self._holds_enough(one) and self._holds_enough(other)):
            return True
        if checked.found is None:
            return not self._is_resized(one, other)
        return checked.found.details.differ

    def _information_is_enough(self, number: int) -> bool:
        thumbnail = self._contents.thumbnail(number)
        return thumbnail is None or information.information(thumbnail) >= information.LEAST

    def _kind(self, query: int, reference: int, checked: Checked) -> tuple[Kind, int | None]:
        if checked.found is not None and (which := kinds.part_of(checked.found)) is not None:
            return "part", query if which == "one" else reference
        return ("resized" if self._is_resized(query, reference) else "edited"), None

    def _is_resized(self, one: int, other: int) -> bool:
        first, second = self._contents.thumbnail(one), self._contents.thumbnail(other)
        return first is not None and second is not None and kinds.is_resized(first, second)


def _with_score(found: Evidence, candidate: Candidate) -> Evidence:
    """What was found, with what the score of the pair says; there is no other candidate."""
    odds, margin = evidence.odds_of(candidate.probability), candidate.score - NO_RIVAL
    return replace(found, odds=odds, margin=margin, share=candidate.share)
