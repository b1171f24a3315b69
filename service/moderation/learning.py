"""Lists learn from decisions: their probabilities follow what people decided about their matches."""

from copysight.catalog.moderation.lists import Learned
from copysight.catalog.moderation.moderation import Moderation
from copysight.scoring.decided import fit_decided

LATEST = 2000
"""Decided pairs that a list learns from, the latest ones: what it matches may change."""


def learn(moderation: Moderation, name: str) -> Learned | None:
    """Fit the probabilities of a list to its decisions, and store the fit; None if there are too few.

    After a decision was withdrawn, too few may be left: then the list forgets what it had learned.
    """
    known = moderation.answered(name, LATEST)
    line = fit_decided([one.stated for one in known], [one.correct for one in known])
    if line is None:
        if any(one.list.name == name and one.learned for one in moderation.lists()):
            moderation.learn(name, None)
        return None
    learned = Learned(line.slope, line.intercept, len(known))
    moderation.learn(name, learned)
    return learned
