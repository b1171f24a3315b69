"""Verify candidate pairs: probability and kind of each, as `copysight compare` would state them, but more strictly.

A picture that holds next to nothing is a copy only of equal pictures; pages that differ in details are no copies; and a
pair of which no part can be laid over each other is one only if both look the same when they are reduced. There may be
thousands of pages of one form, each beside all others, so that what is rare in a search is not rare here.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

from PIL import Image

from copysight.duplicates import kinds, plain
from copysight.duplicates.candidates import Scorer
from copysight.duplicates.pair import Kind, Pair
from copysight.duplicates.plain import Laid
from copysight.matching.verification import Prepared
from copysight.pictures import information
from copysight.pictures.edits.documents import is_drawn
from copysight.scoring import evidence, verified
from copysight.scoring.calibration import DIFFERENT
from copysight.scoring.evidence import Evidence
from copysight.scoring.verified import NO_RIVAL, Candidate, Checked

SAME = 0.999
"""Cosine from which on the files of two pictures of one size are compared for equal pixels."""
MIN_QUARTILE = 0.6
"""Lower quartile of the correlations in detail of a copy. It refutes pages whose text differs nearly everywhere, which
`Details.differ` does not see, as it compares with the median. Of 594 edited photographs one had less, of 700 copies of
graphics and drawn pages five; pages of one form have 0 to 0.5."""
MAX_UNLIKE = 1
"""Unlike cells of a copy of a drawn page laid over it as it is; a page of a form with other entries has more. 578
resized and recompressed pages and graphics had none; 780 pairs of a login page that differ in the name of the user had
two or more. Where the place is estimated, the rule would lose 0.4 % of the copies of photographs on white ground."""
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
        self._is_drawn = lru_cache(None)(self._thumbnail_is_drawn)

    def verify(self, one: int, other: int, score: float) -> Pair:
        """Compare two pictures, ``one`` < ``other``, whose files have other bytes; ``score`` is that of the pair."""
        if self._is_equal(one, other):
            return Pair(one, other, 1.0, "exact")
        query, reference = self._directed(one, other)
        candidate = Candidate(score, self._scorer.probability(score), self._scorer.calibration.share)
        pair = self._as_laid(one, other, query, reference, candidate)
        return pair or self._by_features(one, other, query, reference, candidate)

    def _as_laid(self, one: int, other: int, query: int, reference: int, candidate: Candidate) -> Pair | None:
        """What laying them over each other as they are says; None if it takes local features to say it."""
        laid = self._laid(query, reference)
        if laid is None or not laid.is_same_frame:
            return None
        if laid.detailed.unlike > MAX_UNLIKE and self._are_drawn(one, other):
            return Pair(one, other, min(candidate.probability, DIFFERENT), "edited")
        found = laid.evidence()
        if found is None:
            return None
        probability = evidence.probability(_with_score(found, candidate), self._scorer.line)
        probability = probability if self._hold_enough(one, other) else min(probability, DIFFERENT)
        return Pair(one, other, probability, "resized" if self._is_resized(one, other) else "edited")

    def _by_features(self, one: int, other: int, query: int, reference: int, candidate: Candidate) -> Pair:
        left, right = self._prepared(query), self._prepared(reference)
        if left is None or right is None:  # the thumbnail is lost, so that nothing can be verified
            return Pair(one, other, min(candidate.probability, DIFFERENT), "edited")
        checked = verified.check(left, right)
        known = verified.evidence_of([candidate], {0: checked})[0]
        probability = evidence.probability(known, self._scorer.line)
        if probability > DIFFERENT:
            alike = checked.found is not None or kinds.may_be_resized(left.grey, right.grey)
            probability = DIFFERENT if not alike or self._is_refuted(one, other, checked) else probability
        kind, part = self._kind(query, reference, checked) if probability > DIFFERENT else ("edited", None)
        return Pair(one, other, probability, kind, part)

    def _laid(self, query: int, reference: int) -> Laid | None:
        """Two pictures laid over each other as they are; None if they do not look it."""
        if float(self._scorer.vectors[query] @ self._scorer.vectors[reference]) < plain.COSINE:
            return None
        left, right = self._contents.thumbnail(query), self._contents.thumbnail(reference)
        return None if left is None or right is None else plain.lay(left, right)

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
        """Whether something speaks against a copy. What few pairs need, as it reads the pictures, comes last."""
        if checked.found is None:
            return not (self._is_resized(one, other) and self._hold_enough(one, other))
        found = checked.found.details
        return found.differ or found.lower_quartile < MIN_QUARTILE or not self._hold_enough(one, other)

    def _hold_enough(self, one: int, other: int) -> bool:
        """Whether neither picture is nearly empty."""
        return self._holds_enough(one) and self._holds_enough(other)

    def _are_drawn(self, one: int, other: int) -> bool:
        """Whether both are drawn pages, such as forms, which other entries make another picture."""
        return self._is_drawn(one) and self._is_drawn(other)

    def _information_is_enough(self, number: int) -> bool:
        thumbnail = self._contents.thumbnail(number)
        return thumbnail is None or information.information(thumbnail) >= information.LEAST

    def _thumbnail_is_drawn(self, number: int) -> bool:
        thumbnail = self._contents.thumbnail(number)
        return thumbnail is not None and is_drawn(thumbnail)

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
