"""Verify the candidates of a search, the best first, and give each the probability that all evidence allows."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal, get_args

from copysight.errors import InvalidArgument
from copysight.matching import verification
from copysight.matching.verification import Prepared, Verification
from copysight.scoring import evidence
from copysight.scoring.calibration import COPY, DIFFERENT, IDENTITY, Line
from copysight.scoring.evidence import Evidence

Mode = Literal["auto", "always", "never"]
MODES: tuple[Mode, ...] = get_args(Mode)
DEFAULT_MODE: Mode = "auto"
CANDIDATES = 40
"""Candidates that a search fetches for verification, if it does not ask for more matches. On graphics the original is
among the best 30 of 96.7 % of copies, and among the best 40 of 97.3 %; on photographs of 99.1 % and 99.3 %."""
HOPELESS = 0.001
"""With mode ``auto``, no candidate is verified whose probability is below, from the score and if half of the queries
have a copy. With 0.002, two of 750 copies of a benchmark are lost; one in twenty unrelated queries is left out."""
BUDGET = 2.0
"""Seconds after which a search stops verifying. It protects the service from pictures that take very long."""
PLAIN_AGREEING, PLAIN_AGREEMENT, PLAIN_CLOSENESS = 20, 0.95, 0.9
"""Pairs of keypoints, agreement and closeness of the overlap from which on a candidate is plainly a copy, if details do
not differ."""
NO_RIVAL = 0.1
"""Score of the best other candidate if there is none: about that of the best match of an unrelated picture."""


@dataclass(frozen=True)
class Candidate:
    """A match of a search: its ``score``, and the ``probability`` that follows from the score alone.

    ``share``: the share of queries with a copy that the calibration assumes.
    """

    score: float
    probability: float
    share: float = 0.5


@dataclass(frozen=True)
class Checked:
    """What verification found for a candidate, or None, and the keypoints of the picture that has fewer."""

    found: Verification | None
    keypoints: int


@dataclass(frozen=True)
class Outcome:
    """The final ``probability`` of a candidate. ``verification`` is None if nothing was found.

    ``verified``: whether it was looked for at all; otherwise the probability is that of its score.
    """

    probability: float
    verified: bool = False
    verification: Verification | None = None


def mode_of(text: str) -> Mode:
    """Convert a name to a mode. Raises ``InvalidArgument``."""
    for mode in MODES:
        if text == mode:
            return mode
    raise InvalidArgument(f"got verify = {text!r}; use one of {', '.join(MODES)}")


def verify(
    candidates: Sequence[Candidate],
    check: Callable[[int], Checked | None],
    mode: Mode = DEFAULT_MODE,
    budget: float = BUDGET,
    line: Line = IDENTITY,
) -> list[Outcome]:
    """Verify ``candidates``, sorted by descending score. Returns one result each, in the same order.

    ``check`` compares the query with the candidate of a number, or returns None if one of them has no picture at hand;
    it is only called for what is verified. ``line`` is that of the collection, see `evidence.probability`.
    """
    until = time.monotonic() + budget
    found: dict[int, Checked] = {}
    settled = False
    for number in _chosen(candidates, mode):
        if time.monotonic() > until:
            break
        # Once the copy is found, the score alone is enough for candidates that it calls different.
        if settled and mode == "auto" and candidates[number].probability <= DIFFERENT:
            continue
        checked = check(number)
        if checked is not None:
            found[number] = checked
            settled = settled or evidence.probability(_evidence(candidates, number, found), line) >= COPY
    return _judged(candidates, found, line)


def _chosen(candidates: Sequence[Candidate], mode: Mode) -> list[int]:
    """The numbers of the candidates to verify."""
    if mode == "never":
        return []
    odds = [evidence.odds_of(one.probability) - evidence.prior(one.share) for one in candidates]
    least = -math.inf if mode == "always" else evidence.odds_of(HOPELESS)
    return [number for number, one in enumerate(odds) if one >= least]


def checking(
    query: Callable[[], Prepared | None], reference: Callable[[int], Prepared | None]
) -> Callable[[int], Checked | None]:
    """The ``check`` of `verify` for prepared pictures, None if there is none. The query is prepared once, if at all."""
    asked = cache(query)

    def check_one(number: int) -> Checked | None:
        one = asked()
        other = None if one is None else reference(number)
        return None if one is None or other is None else check(one, other)

    return check_one


def check(query: Prepared, reference: Prepared) -> Checked:
    """Verify one pair."""
    return Checked(verification.verify(query, reference), min(len(query.features), len(reference.features)))


def _judged(candidates: Sequence[Candidate], found: dict[int, Checked], line: Line) -> list[Outcome]:
    known = evidence_of(candidates, found)
    results = []
    for number, candidate in enumerate(candidates):
        probability = evidence.probability(known[number], line) if number in known else candidate.probability
        checked = found.get(number)
        results.append(Outcome(probability, checked is not None, checked.found if checked is not None else None))
    return results


def _is_plain(checked: Checked) -> bool:
    """Whether the overlap alone says that a candidate is a copy.

    Two such candidates are no rivals: a collection may hold a picture twice, or frames of one scene, and a query show
    two pictures. What merely resembles the copy, as another page of its form, differs in details.
    """
    if checked.found is None or checked.found.agreeing < PLAIN_AGREEING or checked.found.details.differ:
        return False
    aligned = checked.found.alignment
    return aligned.agreement >= PLAIN_AGREEMENT and aligned.closeness >= PLAIN_CLOSENESS


def evidence_of(candidates: Sequence[Candidate], found: dict[int, Checked]) -> dict[int, Evidence]:
    """The evidence of each verified candidate, by its number."""
    return {number: _evidence(candidates, number, found) for number in found}


def _evidence(candidates: Sequence[Candidate], number: int, found: dict[int, Checked]) -> Evidence:
    candidate, checked = candidates[number], found[number]
    no_rivals = {place for place, one in found.items() if _is_plain(one)} if _is_plain(checked) else {number}
    rivals = [place for place in range(len(candidates)) if place not in no_rivals]
    other = max((candidates[place].score for place in rivals), default=NO_RIVAL)
    agreeing = [one.found.agreeing for place, one in found.items() if one.found is not None and place in rivals]
    return replace(
        overlap_evidence(checked),
        odds=evidence.odds_of(candidate.probability),
        margin=candidate.score - other,
        rival=max(agreeing, default=0),
        share=candidate.share,
        alone=len(candidates) == 1,
    )


def overlap_evidence(checked: Checked) -> Evidence:
    """What local features alone say of a pair: even odds from the score, and no rival."""
    found = checked.found
    if found is None:
        return Evidence(0.0, 0.0, keypoints=checked.keypoints, alone=True)
    aligned = found.alignment
    return Evidence(
        0.0,
        0.0,
        agreeing=found.agreeing,
        agreement=aligned.agreement,
        closeness=aligned.closeness,
        cells=aligned.cells,
        keypoints=checked.keypoints,
        places=found.details.places,
        unlike=found.details.share,
        differ=found.details.differ,
        alone=True,
    )
