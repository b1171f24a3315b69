"""Rehearsal: edited copies of a collection's own pictures are asked for, to learn what its scores mean."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numpy.random import Generator
from PIL import Image

from copysight.pictures import edits
from copysight.scoring import calibration, judge
from copysight.scoring import curve as curves
from copysight.scoring import query_views as looking
from copysight.scoring.calibration import Answers, Calibration
from copysight.scoring.curve import Curve
from copysight.scoring.query_views import EFFORTS, Effort

SAMPLE, THOROUGH, LEAST = 500, 200, 100
"""Pictures of a collection that are edited, those whose copies are looked at with high effort, too (which finds little
that differs and costs thrice as much), and pictures below which a collection says too little."""
Float = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
ALIKE = 0.9
"""Cosine, seen from the mean of the collection, from which on pictures are copies of each other, and no wrong answers
for each other. Features not trained for copies share most of their length: seen from zero all pictures look alike."""
BLOCK = 16384
MILD, SINGLE, CHAIN = 0.25, 0.375, 0.1875
"""Shares of the copies that are edited mildly, by one edit alone, and by two to four; the rest is edited strongly."""


@dataclass(frozen=True)
class Copy:
    """An edited picture, and which ``others`` of the given pictures it may show, too: it is a copy of these as well."""

    pixels: Image.Image
    others: tuple[int, ...]


def rehearse(
    pictures: Sequence[Image.Image],
    sources: Ints,
    vectors: Float,
    background: Float,
    embed: Callable[[Sequence[Image.Image]], Float],
    rng: Generator,
    thorough: int | None = None,
) -> dict[Effort, Answers]:
    """Edit M ``pictures`` and ask for them among ``vectors`` (N, D), with each effort: 2 M answers, see below.

    ``sources`` (M,) are the pictures' rows in ``vectors``; ``background`` (K, D) serves normalisation; ``embed`` gives
    unit rows (L, D). Of the copies ``thorough`` are looked at with high effort, too; None: all.
    """
    made = copies(pictures, rng)
    shown = sources[np.array([[number, *copy.others] for number, copy in enumerate(made)])]
    deep = np.linspace(0, len(made) - 1, min(thorough or len(made), len(made))).round().astype(np.int64)
    efforts = np.full(len(made), EFFORTS.index("normal"))
    efforts[deep] = EFFORTS.index("high")
    seen = [looking.views_of(copy.pixels, EFFORTS[effort]) for copy, effort in zip(made, efforts, strict=True)]
    owners = np.repeat(np.arange(len(seen)), [len(some) for some in seen])
    flat = [view for some in seen for view in some]
    queries = embed([view.pixels for view in flat])
    penalties = judge.offsets(queries, background) + np.array([view.penalty for view in flat], np.float32)
    found = {}
    for effort in EFFORTS:
        asked = np.flatnonzero(efforts >= EFFORTS.index(effort))
        chosen = np.array([looking.within(view, effort) for view in flat]) & np.isin(owners, asked)
        numbers = np.searchsorted(asked, owners[chosen])
        found[effort] = observe(queries[chosen], numbers, shown[asked], vectors, penalties[chosen])
    return found


def calibrations(
    seen: Mapping[Effort, Answers],
    curves: Mapping[Effort, Curve | None],
    share: float = 0.5,
    source: str = "index",
) -> dict[Effort, Calibration]:
    """What becomes of a rehearsal: a calibration for each effort. Raises ``InvalidArgument`` for too few answers.

    Where curves are known, one line suits all efforts to the collection: it differs from others by its strangers,
    however hard one views.
    """
    known = {effort: curve for effort in seen if (curve := curves.get(effort)) is not None}
    if not known:
        return {effort: calibration.fit(one, share, source=source) for effort, one in seen.items()}
    line = calibration.adapted([(seen[effort], curve) for effort, curve in known.items()], share)
    return {
        effort: calibration.fit(seen[effort], share, source=source, curve=curve, line=line)
        for effort, curve in known.items()
    }


def shapes(seen: Mapping[Effort, Answers]) -> dict[Effort, Curve | None]:
    """The shape of the way from score to odds for each effort; None for too few answers."""
    return {effort: curves.fit(one.scores, one.right) for effort, one in seen.items()}


def copies(pictures: Sequence[Image.Image], rng: Generator) -> list[Copy]:
    """One edited copy of each RGB picture, as people make them; two others serve where an edit needs another."""
    return [_copy(pictures, number, rng) for number in range(len(pictures))]


def observe(queries: Float, owners: Ints, shown: Ints, vectors: Float, penalties: Float) -> Answers:
    """Ask twice for each of M copies, in the collection as it is and in the collection without their source.

    ``queries`` (L, D) are the embeddings of looks at the copies numbered ``owners`` (L,), ``penalties`` (L,) what is
    taken from a look's similarities. ``shown`` (M, 1 + others) are rows in ``vectors`` (N, D): the source that a copy
    was made from, then others that it shows. Whatever is like one of these is no stranger, and left out of both.
    Gives 2 M answers; a tie of source and stranger counts as wrong.
    """
    originals, middle = vectors[shown[:, 0]], vectors.mean(axis=0)
    strangers = np.full(len(queries), -1.0, np.float32)
    for start in range(0, len(vectors), BLOCK):
        block = vectors[start : start + BLOCK]
        similarities = queries @ block.T
        similarities[_alike(vectors[shown] - middle, block - middle)[owners]] = -1.0
        np.maximum(strangers, similarities.max(axis=1), out=strangers)
    own = looking.best(np.einsum("ld,ld->l", queries, originals[owners]) - penalties, owners, len(shown))
    other = looking.best(strangers - penalties, owners, len(shown))
    nobody = np.zeros(len(shown), np.bool_)
    return Answers(
        scores=np.concatenate([np.maximum(own, other), other]),
        right=np.concatenate([own > other, nobody]),
        has_copy=np.concatenate([~nobody, nobody]),
    )


def _alike(shown: Float, block: Float) -> npt.NDArray[np.bool_]:
    """Which of ``block`` (B, D) are copies of one of those in a row of ``shown`` (M, S, D): (M, B); of any length.

    A product is compared with the mean of both squares in place of both lengths: so equal rows always are alike.
    """
    half = ALIKE / 2
    products = shown @ block.T
    products -= half * np.square(shown).sum(axis=-1, keepdims=True)
    found: npt.NDArray[np.bool_] = products.max(axis=1) >= half * np.square(block).sum(axis=-1)
    return found


def _copy(pictures: Sequence[Image.Image], number: int, rng: Generator) -> Copy:
    picture, chance = pictures[number], rng.random()
    others = tuple((number + 1 + int(step)) % len(pictures) for step in rng.integers(0, len(pictures) - 1, 2))
    if chance < MILD:
        return Copy(edits.mild(picture, rng), others)
    if chance < MILD + SINGLE:
        name = edits.NAMES[int(rng.integers(0, len(edits.NAMES)))]
        return Copy(edits.apply(name, picture, rng, float(rng.uniform(0.2, 0.8)), pictures[others[0]]), others)
    if chance < MILD + SINGLE + CHAIN:
        return Copy(edits.chain(picture, rng, pictures[others[0]]), others)
    return Copy(edits.strong(picture, rng, [pictures[other] for other in others]), others)
