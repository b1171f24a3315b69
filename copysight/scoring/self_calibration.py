"""Rehearse a collection: search for edited copies of its own pictures, which calibrations are fitted to."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numpy.random import Generator
from PIL import Image

from copysight.pictures import edits
from copysight.scoring import query_views
from copysight.scoring.fitting import Answers
from copysight.scoring.query_views import EFFORTS, Effort
from copysight.vectors.score_normalisation import ScoreNormalisation

Float = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
BLOCK_ROWS = 16384
MILD_SHARE, SINGLE_SHARE, CHAIN_SHARE = 0.25, 0.375, 0.1875
"""Shares of the copies with mild edits, with one edit, and with a chain of two to four; the rest gets strong edits."""


@dataclass(frozen=True)
class Sample:
    """What a collection is rehearsed on: M RGB ``pictures`` of it, and their ``rows`` (M,) in ``vectors`` (N, D).

    ``near_duplicates`` (M,): rows of copies that the collection holds already; they are neither right nor wrong
    answers.
    """

    pictures: Sequence[Image.Image]
    rows: Ints
    vectors: Float
    normalisation: ScoreNormalisation
    near_duplicates: Sequence[Ints] = ()


@dataclass(frozen=True)
class Copy:
    """An edited picture; it may also contain the pictures numbered ``others``, so it is a copy of these as well."""

    pixels: Image.Image
    others: tuple[int, ...]


@dataclass(frozen=True)
class Queries:
    """Embedded copies of M pictures: ``vectors`` (V, D) of views of the copies numbered ``owners`` (V,).

    ``penalties`` (V,) are subtracted from similarities, ``penalties_without`` (V,) in the collection without a copy's
    source; ``included`` says which views (V,) an effort searches with, and ``searched`` which copies. ``sources`` (M,)
    are the rows of the copies' sources; ``neutral`` (M,) the rows that are neither right nor wrong: other pictures
    within a copy, and near-duplicates of any of these.
    """

    copies: Sequence[Copy]
    vectors: Float
    owners: Ints
    penalties: Float
    penalties_without: Float
    included: Mapping[Effort, Mask]
    searched: Mapping[Effort, Ints]
    sources: Ints
    neutral: Sequence[Ints]


def make_queries(
    sample: Sample, embed: Callable[[Sequence[Image.Image]], Float], rng: Generator, high_effort: int | None = None
) -> Queries:
    """Edit the pictures of a sample and embed the views of the copies; ``embed`` returns unit rows (V, D).

    ``high_effort`` is the number of copies that are also searched with high effort (None: all).
    """
    copies = make_copies(sample.pictures, rng)
    high = np.linspace(0, len(copies) - 1, min(high_effort or len(copies), len(copies))).round().astype(np.int64)
    efforts = np.full(len(copies), EFFORTS.index("normal"))
    efforts[high] = EFFORTS.index("high")
    views = [query_views.views_of(copy.pixels, EFFORTS[effort]) for copy, effort in zip(copies, efforts, strict=True)]
    owners = np.repeat(np.arange(len(views)), [len(some) for some in views])
    flat = [view for some in views for view in some]
    vectors = embed([view.pixels for view in flat])
    searched = {effort: np.flatnonzero(efforts >= EFFORTS.index(effort)) for effort in EFFORTS}
    included = {
        effort: np.array([query_views.is_included(view, effort) for view in flat]) & np.isin(owners, searched[effort])
        for effort in EFFORTS
    }
    near = sample.near_duplicates or [np.empty(0, np.int64)] * len(copies)
    neutral = [
        np.concatenate([sample.rows[list(copy.others)], *(near[one] for one in (number, *copy.others))])
        for number, copy in enumerate(copies)
    ]
    penalties = np.array([view.penalty for view in flat], np.float32)
    absent = [np.append(rows, source) for rows, source in zip(neutral, sample.rows, strict=True)]
    usual = sample.normalisation.offsets(vectors) + penalties
    without = sample.normalisation.offsets(vectors, [absent[owner] for owner in owners]) + penalties
    return Queries(copies, vectors, owners, usual, without, included, searched, sample.rows, neutral)


def answers(queries: Queries, vectors: Float) -> dict[Effort, Answers]:
    """The best answers of each effort in ``vectors`` (N, D): 2 M for M searched copies, see `best_answers`."""
    found = {}
    for effort in EFFORTS:
        searched, included = queries.searched[effort], queries.included[effort]
        numbers = np.searchsorted(searched, queries.owners[included])
        neutral = [queries.neutral[number] for number in searched]
        found[effort] = best_answers(
            queries.vectors[included],
            numbers,
            queries.sources[searched],
            neutral,
            vectors,
            queries.penalties[included],
            queries.penalties_without[included],
        )
    return found


def make_copies(pictures: Sequence[Image.Image], rng: Generator) -> list[Copy]:
    """Make one edited copy of each RGB picture; edits that need another picture use two random others."""
    return [_copy(pictures, number, rng) for number in range(len(pictures))]


def best_answers(
    queries: Float,
    owners: Ints,
    sources: Ints,
    neutral: Sequence[Ints],
    vectors: Float,
    penalties: Float,
    penalties_without: Float,
) -> Answers:
    """Search for each of M copies twice: in the whole collection, and in the collection without the copy's source.

    ``queries`` (V, D) are the embeddings of views of the copies numbered ``owners`` (V,); ``penalties`` (V,) are
    subtracted from their similarities, ``penalties_without`` (V,) without the source. ``sources`` (M,) are rows in
    ``vectors`` (N, D); the rows ``neutral`` (M,) count neither as correct nor as wrong answers. Returns 2 M answers; a
    tie of the source and an unrelated picture counts as wrong.
    """
    passed_over = [np.append(rows, source) for rows, source in zip(neutral, sources, strict=True)]
    counts = np.array([len(passed_over[owner]) for owner in owners])
    views = np.repeat(np.arange(len(queries)), counts)
    rows = np.concatenate([passed_over[owner] for owner in owners])
    unrelated = np.full(len(queries), -1.0, np.float32)
    for start in range(0, len(vectors), BLOCK_ROWS):
        block = vectors[start : start + BLOCK_ROWS]
        similarities = queries @ block.T
        inside = (rows >= start) & (rows < start + len(block))
        similarities[views[inside], rows[inside] - start] = -1.0
        np.maximum(unrelated, similarities.max(axis=1), out=unrelated)
    similarities = np.einsum("vd,vd->v", queries, vectors[sources][owners])
    own = query_views.best_per_query(similarities - penalties, owners, len(sources))
    other = query_views.best_per_query(unrelated - penalties, owners, len(sources))
    without = query_views.best_per_query(unrelated - penalties_without, owners, len(sources))
    none = np.zeros(len(sources), np.bool_)
    return Answers(
        scores=np.concatenate([np.maximum(own, other), without]),
        correct=np.concatenate([own > other, none]),
        has_copy=np.concatenate([~none, none]),
    )


def _copy(pictures: Sequence[Image.Image], number: int, rng: Generator) -> Copy:
    picture, chance = pictures[number], rng.random()
    names = edits.names_for(picture)
    others = tuple((number + 1 + int(step)) % len(pictures) for step in rng.integers(0, len(pictures) - 1, 2))
    if chance < MILD_SHARE:
        return Copy(edits.mild(picture, rng), others)
    if chance < MILD_SHARE + SINGLE_SHARE:
        name = names[int(rng.integers(0, len(names)))]
        return Copy(edits.apply(name, picture, rng, float(rng.uniform(0.2, 0.8)), pictures[others[0]]), others)
    if chance < MILD_SHARE + SINGLE_SHARE + CHAIN_SHARE:
        return Copy(edits.chain(picture, rng, pictures[others[0]], names), others)
    return Copy(edits.strong(picture, rng, [pictures[other] for other in others]), others)
