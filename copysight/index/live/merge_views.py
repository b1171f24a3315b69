"""Merge the search results of a picture's query views into one list."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from copysight.index.live.search import Match
from copysight.scoring.judge import SAME_PICTURE

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Hit:
    """An item, its cosine to the query view number ``view``, and the ``penalty`` subtracted for the score."""

    id: int
    similarity: float
    penalty: float
    view: int

    @property
    def score(self) -> float:
        """Similarity minus penalty; hits are sorted by it."""
        return self.similarity - self.penalty


def merge_views(found: Sequence[Sequence[Match]], penalties: Sequence[float], k: int) -> list[Hit]:
    """The k best items over all views, each with its best view, by descending score, then by ascending id.

    ``found`` (V,) has the k nearest items of each view, the whole picture first; ``penalties`` (V,) are those of the
    views. An item that is the same picture as the whole query comes before all others and keeps view 0.
    """
    best: dict[int, Hit] = {}
    for view, (matches, penalty) in enumerate(zip(found, penalties, strict=True)):
        for match in matches:
            hit = Hit(match.id, match.similarity, penalty, view)
            if match.id not in best or _rank(hit) < _rank(best[match.id]):
                best[match.id] = hit
    return sorted(best.values(), key=_rank)[:k]


def _rank(hit: Hit) -> tuple[bool, float, int]:
    return not (hit.view == 0 and hit.similarity >= SAME_PICTURE), -hit.score, hit.id
