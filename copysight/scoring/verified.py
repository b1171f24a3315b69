"""Verify the candidates of a search, the best first, and give each the probability that all evidence allows."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from copysight.errors import InvalidArgument
from copysight.matching import verification
from copysight.matching.verification import Prepared, Verification
from copysight.scoring import evidence
from copysight.scoring.evidence import Evidence

Mode = Literal["auto", "always", "never"]
MODES: tuple[Mode, ...] = get_args(Mode)
DEFAULT_MODE: Mode = "auto"
CANDIDATES = 30
"""Candidates that a search fetches for verification."""
FIRST = 10
"""Candidates that are verified in any case; the others only if none of these is a copy."""
HOPELESS = 0.004
"""With mode ``auto``, candidates with a lower probability from their score are not verified. On photographs 1 of 200
copies among the candidates lies below."""
FOUND = 0.9
"""Probability from which on a candidate counts as the copy that was looked for."""
BUDGET = 2.0
"""Seconds after which a search stops verifying. It protects the service from pictures that take very long."""
MIN_KEYPOINTS = 30
"""Keypoints that both pictures must have before it counts that nothing was found; a smooth picture has fewer."""
NO_RIVAL = 0.1
"""Score of the best other candidate if there is none: about that of the best match of an unrelated picture."""


@dataclass(frozen=True)
class Candidate:
    """A match of a search: its ``score``, and the ``probability`` that follows from the score alone."""

    score: float
    probability: float


@dataclass(frozen=True)
class Checked:
    """What verification found for a candidate, or None, and the keypoints of the picture that has fewer."""

    found: Verification | None
    keypoints: int

    @property
    def is_decided(self) -> bool:
        """Whether this says anything: two smooth pictures have too few keypoints to be verified or refuted."""
        return self.found is not None or self.keypoints >= MIN_KEYPOINTS


@dataclass(frozen=True)
class Verified:
    """The final ``probability`` of a candidate. ``verification`` is None if nothing was found.

    ``checked``: whether the candidate was verified at all. If not, or if both pictures are too smooth for it, the
    probability is that of the score.
    """

    probability: float
    checked: bool = False
    verification: Verification | None = None


def mode_of(text: str) -> Mode:
    """Convert a name to a mode. Raises ``InvalidArgument``."""
    for mode in MODES:
        if text == mode:
            return mode
    raise InvalidArgument(f"got verify = {text!r}; use one of {', '.join(MODES)}")


def verify(
    query: Callable[[], Prepared | None],
    candidates: Sequence[Candidate],
    reference: Callable[[int], Prepared | None],
    mode: Mode = DEFAULT_MODE,
    budget: float = BUDGET,
) -> list[Verified]:
    """Verify ``candidates``, sorted by descending score. Returns one result each, in the same order.

    ``query`` and ``reference`` (of the candidate with this number) return prepared pictures, or None for a picture that
    is not at hand; they are only called for what is verified.
    """
    scored = [Verified(candidate.probability) for candidate in candidates]
    numbers = [
        number
        for number, candidate in enumerate(candidates)
        if mode == "always" or (mode == "auto" and candidate.probability >= HOPELESS)
    ]
    picture = query() if numbers else None
    if picture is None:
        return scored
    until = time.monotonic() + budget
    found: dict[int, Checked] = {}
    results = scored
    for part in (numbers[:FIRST], numbers[FIRST:]):
        _check(picture, part, reference, until, found)
        results = _judged(candidates, found)
        if any(one.probability >= FOUND for one in results if one.checked):
            break
    return results


def _check(
    query: Prepared,
    numbers: Sequence[int],
    reference: Callable[[int], Prepared | None],
    until: float,
    found: dict[int, Checked],
) -> None:
    for number in numbers:
        if time.monotonic() > until:
            return
        other = reference(number)
        if other is not None:
            found[number] = check(query, other)


def check(query: Prepared, reference: Prepared) -> Checked:
    """Verify one pair."""
    return Checked(verification.verify(query, reference), min(len(query.features), len(reference.features)))


def _judged(candidates: Sequence[Candidate], found: dict[int, Checked]) -> list[Verified]:
    known = evidence_of(candidates, found)
    results = []
    for number, candidate in enumerate(candidates):
        probability = evidence.probability(known[number]) if number in known else candidate.probability
        checked = found.get(number)
        results.append(Verified(probability, checked is not None, checked.found if checked is not None else None))
    return results


def evidence_of(candidates: Sequence[Candidate], found: dict[int, Checked]) -> dict[int, Evidence]:
    """The evidence of each candidate that was verified or refuted, by its number."""
    agreeing = {number: one.found.agreeing for number, one in found.items() if one.found is not None}
    return {
        number: _evidence(candidates, number, one.found, agreeing) for number, one in found.items() if one.is_decided
    }


def _evidence(
    candidates: Sequence[Candidate], number: int, found: Verification | None, agreeing: dict[int, int]
) -> Evidence:
    candidate = candidates[number]
    other = max((one.score for place, one in enumerate(candidates) if place != number), default=NO_RIVAL)
    odds, margin = evidence.odds_of(candidate.probability), candidate.score - other
    rival = max((count for place, count in agreeing.items() if place != number), default=0)
    if found is None:
        return Evidence(odds, margin, rival=rival)
    alignment = found.alignment
    return Evidence(
        odds, margin, found.agreeing, alignment.agreement, alignment.cells, found.query.share, found.reference.share,
        rival,
    )  # fmt: skip
