"""Rehearsal: edited copies of a collection's own pictures are asked for, to learn what its scores mean."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.random import Generator
from PIL import Image

from copysight import calibration, edits, scoring
from copysight import curve as curves
from copysight import looks as looking
from copysight.calibration import Calibration
from copysight.curve import Curve
from copysight.looks import EFFORTS, Effort, Look

Float = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
ALIKE = 0.9
"""Cosine from which on pictures of a collection are copies of each other, and no wrong answers for each other."""
BLOCK = 16384
MILD, SINGLE = 0.25, 0.375
"""Shares of the copies that are edited mildly, and by one edit alone; the rest is edited strongly."""


@dataclass(frozen=True)
class Copy:
    """An edited picture, and which ``others`` of the given pictures it may show, too: it is a copy of these as well."""

    pixels: Image.Image
    others: tuple[int, ...]


@dataclass(frozen=True)
class Observations:
    """What came out on top for Q queries: ``scores`` (Q,), ``right`` (Q,), and ``has_copy`` (Q,): was there a copy."""

    scores: Float
    right: npt.NDArray[np.bool_]
    has_copy: npt.NDArray[np.bool_]

    def calibration(self, share: float = 0.5, source: str = "index", curve: Curve | None = None) -> Calibration:
        """What these scores mean: see ``calibration.fit``. Raises ``InvalidArgument`` for too few."""
        return calibration.fit(self.scores, self.right, self.has_copy, share, source=source, curve=curve)

    def curve(self) -> Curve | None:
        """The shape of the way from score to odds; None for too few observations."""
        return curves.fit(self.scores, self.right)


def rehearse(
    pictures: Sequence[Image.Image],
    sources: Ints,
    vectors: Float,
    background: Float,
    embed: Callable[[Sequence[Image.Image]], Float],
    rng: Generator,
    efforts: Sequence[Effort] = EFFORTS,
) -> dict[Effort, Observations]:
    """Edit M ``pictures`` and ask for them among ``vectors`` (N, D), with each effort: 2 M observations, see below.

    ``sources`` (M,) are the pictures' rows in ``vectors``; ``background`` (K, D) serves normalisation; ``embed`` gives
    unit rows (L, D).
    """
    made = copies(pictures, rng)
    shown = sources[np.array([[number, *copy.others] for number, copy in enumerate(made)])]
    seen = [looking.looks(copy.pixels, max(efforts, key=EFFORTS.index)) for copy in made]
    owners = np.repeat(np.arange(len(seen)), [len(some) for some in seen])
    flat = [look for some in seen for look in some]
    queries = embed([look.pixels for look in flat])
    handicaps = scoring.offsets(queries, background) + np.array([look.handicap for look in flat], np.float32)
    rows = {effort: _rows(flat, effort) for effort in efforts}
    return {
        effort: observe(queries[chosen], owners[chosen], shown, vectors, handicaps[chosen])
        for effort, chosen in rows.items()
    }


def calibrations(
    seen: Mapping[Effort, Observations],
    curves: Mapping[Effort, Curve | None],
    share: float = 0.5,
    source: str = "index",
) -> dict[str, Any]:
    """What becomes of a rehearsal: a calibration for each effort, as JSON. Raises ``InvalidArgument`` for too few."""
    return {effort: one.calibration(share, source, curves.get(effort)).to_json() for effort, one in seen.items()}


def copies(pictures: Sequence[Image.Image], rng: Generator) -> list[Copy]:
    """One edited copy of each RGB picture, as people make them; two others serve where an edit needs another."""
    return [_copy(pictures, number, rng) for number in range(len(pictures))]


def observe(queries: Float, owners: Ints, shown: Ints, vectors: Float, handicaps: Float) -> Observations:
    """Ask twice for each of M copies, in the collection as it is and in the collection without their source.

    ``queries`` (L, D) are the embeddings of looks at the copies numbered ``owners`` (L,), ``handicaps`` (L,) what is
    taken from a look's similarities. ``shown`` (M, 1 + others) are rows in ``vectors`` (N, D): the source that a copy
    was made from, then others that it shows. Whatever is like one of these is no stranger, and left out of both.
    Gives 2 M observations; a tie of source and stranger counts as wrong.
    """
    originals = vectors[shown[:, 0]]
    strangers = np.full(len(queries), -1.0, np.float32)
    for start in range(0, len(vectors), BLOCK):
        block = vectors[start : start + BLOCK]
        similarities = queries @ block.T
        alike = (vectors[shown] @ block.T).max(axis=1) >= ALIKE
        similarities[alike[owners]] = -1.0
        np.maximum(strangers, similarities.max(axis=1), out=strangers)
    own = looking.best(np.einsum("ld,ld->l", queries, originals[owners]) - handicaps, owners, len(shown))
    other = looking.best(strangers - handicaps, owners, len(shown))
    nobody = np.zeros(len(shown), np.bool_)
    return Observations(
        scores=np.concatenate([np.maximum(own, other), other]),
        right=np.concatenate([own > other, nobody]),
        has_copy=np.concatenate([~nobody, nobody]),
    )


def _rows(flat: Sequence[Look], effort: Effort) -> Ints:
    return np.flatnonzero([looking.within(look, effort) for look in flat])


def _copy(pictures: Sequence[Image.Image], number: int, rng: Generator) -> Copy:
    picture, chance = pictures[number], rng.random()
    others = tuple((number + 1 + int(step)) % len(pictures) for step in rng.integers(0, len(pictures) - 1, 2))
    if chance < MILD:
        return Copy(edits.mild(picture, rng), others)
    if chance < MILD + SINGLE:
        name = edits.NAMES[int(rng.integers(0, len(edits.NAMES)))]
        return Copy(edits.apply(name, picture, rng, float(rng.uniform(0.2, 0.8)), pictures[others[0]]), others)
    return Copy(edits.strong(picture, rng, [pictures[other] for other in others]), others)
