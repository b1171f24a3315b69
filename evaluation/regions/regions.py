"""``evaluate regions``: how exactly the shared part is outlined in copies of known geometry, and verified strangers."""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.random import Generator
from PIL import Image

from copysight.blobs import THUMBNAIL_SIDE
from copysight.errors import InvalidArgument
from copysight.pictures.polygon import intersection_over_union
from copysight.pictures.scan import Entry
from copysight.system.progress import with_progress
from copysight.vectors.knn import limit_threads
from evaluation.features.extract import map_pictures
from evaluation.regions.methods import Found, Method, methods
from evaluation.regions.pairs import KINDS, Copy, make
from evaluation.report import print_report
from evaluation.sources import reading_sources, scan

Picture = Image.Image
OTHERS = 2
"""Unrelated pictures that a copy may be made with."""
NAMED = 20
"""Largest number of verified strangers of each method that are named."""


@dataclass(frozen=True)
class Score:
    """What a method says of one copy, and the intersection over union of its outlines and the true ones, 0..1.

    Both are 0 if the reference was not found.
    """

    found: bool
    verified: bool
    in_copy: float
    in_reference: float


@dataclass(frozen=True)
class Figures:
    """Scores of ``pairs`` copies: shares found and verified, medians and means, copies not found counting 0."""

    pairs: int
    found: float
    verified: float
    median_in_copy: float
    mean_in_copy: float
    median_in_reference: float
    mean_in_reference: float


@dataclass(frozen=True)
class Strangers:
    """Unrelated ``pairs`` of pictures: how many were found and verified all the same, and the keys of some of these."""

    pairs: int
    found: int
    verified: int
    keys: list[tuple[str, str]]


@dataclass(frozen=True)
class Collection:
    """The references (N,): keys, pictures, and the prepared pictures of each method."""

    keys: Sequence[str]
    pictures: Sequence[Picture]
    methods: Mapping[str, Method]
    prepared: Mapping[str, Sequence[Any]]


@click.command()
@click.argument("data", type=click.Path(exists=True, path_type=Path))
@click.option("--pairs", default=200, show_default=True, type=click.IntRange(3), help="Pictures; copies of each kind.")
@click.option("--strangers", default=1000, show_default=True, type=click.IntRange(0), help="Unrelated pairs.")
@click.option(
    "--seed",
    default=0,
    show_default=True,
    type=click.IntRange(0, 2**32 - 1),
    help="Seed of the sample and of the edits.",
)
@reading_sources
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def regions(data: Path, pairs: int, strangers: int, seed: int, as_json: bool) -> None:
    """Measure how exactly the shared part is outlined in copies of the pictures of DATA, and in their references.

    The copies are made here, so the outlines are known. For each kind of edit: shares of copies that are found and that
    are verified, median and mean of the intersection over union of the outline, in the copy and in the reference; a
    copy that is not found counts 0. Then pairs of different pictures: DATA should have no copies among them.

    Beside ours: OpenCV's plain recipe (SIFT, ratio test, RANSAC homography) and, if it is installed, the package
    perception. Ours is found if there is a transform, and verified with at least 8 agreeing keypoints and an agreement
    above 0.6; the others do not distinguish.
    """
    limit_threads(1)
    references = load(_sample(scan(data).entries, pairs, np.random.default_rng(seed)))
    kinds = {kind: score(kind, references, seed) for kind in KINDS}
    unrelated = find_strangers(references, strangers, np.random.default_rng(seed))
    figures = {kind: {name: _figures(some) for name, some in found.items()} for kind, found in kinds.items()}
    report = {
        "pictures": len(references.keys),
        "seed": seed,
        "kinds": {kind: {name: asdict(one) for name, one in found.items()} for kind, found in figures.items()},
        "strangers": {name: asdict(one) for name, one in unrelated.items()},
    }
    print_report(report, HEADER, _rows(figures, unrelated), as_json)


def load(entries: Sequence[Entry]) -> Collection:
    """Read pictures, reduced to the size at which an index keeps them, and prepare them for all methods."""
    pictures, kept = map_pictures(entries, THUMBNAIL_SIDE, _reduced, "read")
    if len(pictures) <= OTHERS:
        raise InvalidArgument(f"got {len(pictures)} pictures; the copies need at least {OTHERS + 1}")
    found = methods()
    prepared = {name: [method.prepare(picture) for picture in pictures] for name, method in found.items()}
    keys = [entry.key for entry, good in zip(entries, kept, strict=True) if good]
    return Collection(keys, pictures, found, prepared)


def score(kind: str, references: Collection, seed: int) -> dict[str, list[Score]]:
    """The scores (N,) of each method on one copy of each reference."""

    def one(number: int) -> dict[str, Score]:
        copy = copy_of(kind, references, number, seed)
        return {
            name: _score(copy, method.find(method.prepare(copy.picture), references.prepared[name][number]))
            for name, method in references.methods.items()
        }

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        numbers = range(len(references.pictures))
        scores = list(with_progress(pool.map(one, numbers), len(numbers), kind))
    return {name: [some[name] for some in scores] for name in references.methods}


def copy_of(kind: str, references: Collection, number: int, seed: int) -> Copy:
    """The copy of a kind of the reference with this number, always the same for a seed."""
    rng = np.random.default_rng([seed, list(KINDS).index(kind), number])
    count = len(references.pictures)
    others = [(number + int(step)) % count for step in rng.choice(np.arange(1, count), OTHERS, replace=False)]
    return make(kind, references.pictures[number], rng, [references.pictures[other] for other in others])


def find_strangers(references: Collection, count: int, rng: Generator) -> dict[str, Strangers]:
    """Look for different references in each other: ``count`` pairs drawn at random."""
    numbers = np.arange(len(references.keys))
    pairs = [rng.choice(numbers, 2, replace=False) for _ in range(count)]

    def one(pair: tuple[int, int]) -> dict[str, Found | None]:
        return {
            name: method.find(references.prepared[name][pair[0]], references.prepared[name][pair[1]])
            for name, method in references.methods.items()
        }

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        found = list(with_progress(pool.map(one, pairs), count, "strangers"))
    return {name: _strangers(references.keys, pairs, [some[name] for some in found]) for name in references.methods}


def _sample(entries: Sequence[Entry], count: int, rng: Generator) -> list[Entry]:
    places = np.sort(rng.choice(len(entries), min(count, len(entries)), replace=False))
    return [entries[int(place)] for place in places]


def _reduced(picture: Picture) -> Picture:
    picture = picture.copy()
    picture.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
    return picture


def _score(copy: Copy, found: Found | None) -> Score:
    if found is None:
        return Score(False, False, 0.0, 0.0)
    return Score(
        True,
        found.verified,
        intersection_over_union(found.in_copy, copy.in_copy),
        intersection_over_union(found.in_reference, copy.in_reference),
    )


def _figures(scores: Sequence[Score]) -> Figures:
    in_copy, in_reference = ([getattr(one, side) for one in scores] for side in ("in_copy", "in_reference"))
    return Figures(
        len(scores),
        float(np.mean([one.found for one in scores])),
        float(np.mean([one.verified for one in scores])),
        float(np.median(in_copy)),
        float(np.mean(in_copy)),
        float(np.median(in_reference)),
        float(np.mean(in_reference)),
    )


def _strangers(keys: Sequence[str], pairs: Sequence[Any], found: Sequence[Found | None]) -> Strangers:
    verified = [pair for pair, one in zip(pairs, found, strict=True) if one is not None and one.verified]
    named = [(keys[int(one)], keys[int(other)]) for one, other in verified[:NAMED]]
    return Strangers(len(pairs), sum(one is not None for one in found), len(verified), named)


HEADER = ("kind", "method", "pairs", "found", "verified", "copy: median", "mean", "reference: median", "mean")


def _rows(figures: Mapping[str, Mapping[str, Figures]], unrelated: Mapping[str, Strangers]) -> list[list[object]]:
    rows: list[list[object]] = [
        [kind, name, *asdict(one).values()] for kind, found in figures.items() for name, one in found.items()
    ]
    shares = [
        ["strangers", name, one.pairs, one.found / one.pairs, one.verified / one.pairs, *["-"] * 4]
        for name, one in unrelated.items()
        if one.pairs
    ]
    return rows + shares
