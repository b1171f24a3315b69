"""One picture, looked at several times: what its looks find becomes one list."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from copysight.index.live.search import Match
from copysight.scoring.judge import SAME

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Hit:
    """An item, its cosine to look number ``view``, and what is taken from that for the score."""

    id: int
    similarity: float
    penalty: float
    view: int

    @property
    def score(self) -> float:
        """What hits are compared by."""
        return self.similarity - self.penalty


def merged(found: Sequence[Sequence[Match]], penalties: Sequence[float], k: int) -> list[Hit]:
    """The k best items over the views, each by its best look: by falling score, equal ones by rising id.

    ``found`` (L,) are the k nearest items of each look, the whole picture first; ``penalties`` (L,) are theirs.
    The same picture as a whole comes before what is like a part, and is judged as a whole.
    """
    best: dict[int, Hit] = {}
    for view, (matches, penalty) in enumerate(zip(found, penalties, strict=True)):
        for match in matches:
            hit = Hit(match.id, match.similarity, penalty, view)
            if match.id not in best or _rank(hit) < _rank(best[match.id]):
                best[match.id] = hit
    return sorted(best.values(), key=_rank)[:k]


def _rank(hit: Hit) -> tuple[bool, float, int]:
    return not (hit.view == 0 and hit.similarity >= SAME), -hit.score, hit.id
