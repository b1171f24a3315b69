"""Calibrate a collection on itself: search for edited copies of its own pictures and fit the calibrations."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numpy.random import Generator
from PIL import Image

from copysight.pictures import edits
from copysight.scoring import calibration, judge, query_views
from copysight.scoring import curve as curves
from copysight.scoring.calibration import Answers, Calibration
from copysight.scoring.curve import Curve
from copysight.scoring.query_views import EFFORTS, Effort

SAMPLE_SIZE, HIGH_EFFORT_SAMPLE, MIN_PICTURES = 500, 200, 100
"""Number of pictures that are edited; number of copies that are also searched with high effort, which costs three times
as much and changes little; minimum number of pictures for a calibration."""
Float = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
DUPLICATE_COSINE = 0.9
"""Pictures with at least this cosine, after subtraction of the collection's mean, count as copies of each other, not as
wrong answers. Without this centring, features not trained for copies have a high cosine for all pairs of pictures."""
BLOCK_ROWS = 16384
MILD_SHARE, SINGLE_SHARE, CHAIN_SHARE = 0.25, 0.375, 0.1875
"""Shares of the copies with mild edits, with one edit, and with a chain of two to four; the rest gets strong edits."""


@dataclass(frozen=True)
class Copy:
    """An edited picture; it may also contain the pictures numbered ``others``, so it is a copy of these as well."""

    pixels: Image.Image
    others: tuple[int, ...]


def run_queries(
    pictures: Sequence[Image.Image],
    sources: Ints,
    vectors: Float,
    background: Float,
    embed: Callable[[Sequence[Image.Image]], Float],
    rng: Generator,
    high_effort: int | None = None,
) -> dict[Effort, Answers]:
    """Edit M ``pictures`` and search for them in ``vectors`` (N, D) with each effort: 2 M answers, see `best_answers`.

    ``sources`` (M,) are the pictures' rows in ``vectors``; ``background`` (R, D) is for score normalisation; ``embed``
    returns unit rows (V, D). ``high_effort`` is the number of copies that are also searched with high effort (None:
    all).
    """
    copies = make_copies(pictures, rng)
    contained = sources[np.array([[number, *copy.others] for number, copy in enumerate(copies)])]
    high = np.linspace(0, len(copies) - 1, min(high_effort or len(copies), len(copies))).round().astype(np.int64)
    efforts = np.full(len(copies), EFFORTS.index("normal"))
    efforts[high] = EFFORTS.index("high")
    views = [query_views.views_of(copy.pixels, EFFORTS[effort]) for copy, effort in zip(copies, efforts, strict=True)]
    owners = np.repeat(np.arange(len(views)), [len(some) for some in views])
    flat = [view for some in views for view in some]
    queries = embed([view.pixels for view in flat])
    penalties = judge.offsets(queries, background) + np.array([view.penalty for view in flat], np.float32)
    answers = {}
    for effort in EFFORTS:
        searched = np.flatnonzero(efforts >= EFFORTS.index(effort))
        included = np.array([query_views.is_included(view, effort) for view in flat]) & np.isin(owners, searched)
        numbers = np.searchsorted(searched, owners[included])
        answers[effort] = best_answers(queries[included], numbers, contained[searched], vectors, penalties[included])
    return answers


def fit_calibrations(
    answers: Mapping[Effort, Answers],
    curves: Mapping[Effort, Curve | None],
    share: float = 0.5,
    source: str = "index",
) -> dict[Effort, Calibration]:
    """Fit a calibration for each effort. Raises ``InvalidArgument`` for too few answers.

    With curves, one line is fitted for all efforts: a collection differs from others by its unrelated pictures, which
    shifts the scores of all efforts alike.
    """
    known = {effort: curve for effort in answers if (curve := curves.get(effort)) is not None}
    if not known:
        return {effort: calibration.fit(one, share, source=source) for effort, one in answers.items()}
    line = calibration.fit_line([(answers[effort], curve) for effort, curve in known.items()], share)
    return {
        effort: calibration.fit(answers[effort], share, source=source, curve=curve, line=line)
        for effort, curve in known.items()
    }


def fit_curves(answers: Mapping[Effort, Answers]) -> dict[Effort, Curve | None]:
    """Fit the curve from score to log odds for each effort; None for too few answers."""
    return {effort: curves.fit(one.scores, one.correct) for effort, one in answers.items()}


def make_copies(pictures: Sequence[Image.Image], rng: Generator) -> list[Copy]:
    """Make one edited copy of each RGB picture; edits that need another picture use two random others."""
    return [_copy(pictures, number, rng) for number in range(len(pictures))]


def best_answers(queries: Float, owners: Ints, contained: Ints, vectors: Float, penalties: Float) -> Answers:
    """Search for each of M copies twice: in the whole collection, and in the collection without the copy's source.

    ``queries`` (V, D) are the embeddings of views of the copies numbered ``owners`` (V,); ``penalties`` (V,) are
    subtracted from their similarities. ``contained`` (M, 1 + others) are rows in ``vectors`` (N, D): the source of a
    copy, then other pictures that it contains. Pictures similar to one of these (`DUPLICATE_COSINE`) count neither as
    correct nor as wrong answers. Returns 2 M answers; a tie of the source and an unrelated picture counts as wrong.
    """
    originals, mean = vectors[contained[:, 0]], vectors.mean(axis=0)
    unrelated = np.full(len(queries), -1.0, np.float32)
    for start in range(0, len(vectors), BLOCK_ROWS):
        block = vectors[start : start + BLOCK_ROWS]
        similarities = queries @ block.T
        similarities[_are_copies(vectors[contained] - mean, block - mean)[owners]] = -1.0
        np.maximum(unrelated, similarities.max(axis=1), out=unrelated)
    similarities = np.einsum("vd,vd->v", queries, originals[owners])
    own = query_views.best_per_query(similarities - penalties, owners, len(contained))
    other = query_views.best_per_query(unrelated - penalties, owners, len(contained))
    none = np.zeros(len(contained), np.bool_)
    return Answers(
        scores=np.concatenate([np.maximum(own, other), other]),
        correct=np.concatenate([own > other, none]),
        has_copy=np.concatenate([~none, none]),
    )


def _are_copies(contained: Float, block: Float) -> npt.NDArray[np.bool_]:
    """Which of ``block`` (N, D) are copies of one of the vectors in a row of ``contained`` (M, S, D): (M, N).

    Vectors have any length. The inner product is compared with the mean of both squared norms instead of the product of
    both norms, so equal rows always count as copies.
    """
    half = DUPLICATE_COSINE / 2
    products = contained @ block.T
    products -= half * np.square(contained).sum(axis=-1, keepdims=True)
    found: npt.NDArray[np.bool_] = products.max(axis=1) >= half * np.square(block).sum(axis=-1)
    return found


def _copy(pictures: Sequence[Image.Image], number: int, rng: Generator) -> Copy:
    picture, chance = pictures[number], rng.random()
    others = tuple((number + 1 + int(step)) % len(pictures) for step in rng.integers(0, len(pictures) - 1, 2))
    if chance < MILD_SHARE:
        return Copy(edits.mild(picture, rng), others)
    if chance < MILD_SHARE + SINGLE_SHARE:
        name = edits.NAMES[int(rng.integers(0, len(edits.NAMES)))]
        return Copy(edits.apply(name, picture, rng, float(rng.uniform(0.2, 0.8)), pictures[others[0]]), others)
    if chance < MILD_SHARE + SINGLE_SHARE + CHAIN_SHARE:
        return Copy(edits.chain(picture, rng, pictures[others[0]]), others)
    return Copy(edits.strong(picture, rng, [pictures[other] for other in others]), others)
