"""Fit the weights of ``copysight/scoring/evidence.py`` on edited copies of pictures, and measure them.

    python -m benchmarks.evidence_fit PHOTOGRAPHS GRAPHICS pages [--queries 500] [--bundle default] [--cache FILE]

Each argument is a folder or tar file, or `pages`: 40 drawn pages of each of eight forms. Half of its pictures are
indexed; copies of some of them, and copies of pictures of the other half, are searched with normal effort. Weights come
from all sources; a source's figures from two folds of its queries (weights fitted on the other fold and on the other
sources). Never use pictures of a benchmark.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from tqdm import tqdm

from copysight.matching import verification
from copysight.model import bundle as bundles
from copysight.model.embedder import Embedder, Runtime
from copysight.pictures import edits
from copysight.scoring import evidence, logistic, near_duplicates, query_views, self_calibration, verified
from copysight.scoring.evidence import Evidence
from copysight.scoring.judge import Judge
from copysight.scoring.verified import CANDIDATES, Candidate
from evaluation.metrics.reliability import reliability
from evaluation.regions.drawn_pages import TEMPLATES, page
from evaluation.sources import read, scan

Picture = Image.Image
EFFORT: query_views.Effort = "normal"
PAGES, PAGES_EACH = "pages", 40


@dataclass(frozen=True)
class Pairs:
    """Candidates of all queries of a source: their evidence, whether they are the copy's source, and the query."""

    evidence: list[Evidence]
    correct: npt.NDArray[np.bool_]
    queries: npt.NDArray[np.int64]
    present: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sources", nargs="+", type=Path)
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument("--bundle", default="default")
    parser.add_argument("--most", type=int, default=5000, help="pictures of a source that are read")
    parser.add_argument("--cache", type=Path, help="file that keeps the evidence between runs")
    options = parser.parse_args()
    if options.cache is not None and options.cache.exists():
        found = {name: from_json(pairs) for name, pairs in json.loads(options.cache.read_text()).items()}
    else:
        found = {
            source.stem: collect(source, options.bundle, options.queries, options.most) for source in options.sources
        }
        if options.cache is not None:
            options.cache.write_text(json.dumps({name: to_json(pairs) for name, pairs in found.items()}))
    for name, pairs in found.items():
        others = [other for key, other in found.items() if key != name]
        report(name, pairs, others)
    weights, intercept = fit(list(found.values()))
    print("WEIGHTS =", tuple(round(weight, 3) for weight in weights))
    print("INTERCEPT =", round(intercept, 3))
    weights, intercept = fit(list(found.values()), pairs_alone=True)
    print("PAIR_WEIGHTS =", tuple(round(weight, 3) for weight in weights))
    print("PAIR_INTERCEPT =", round(intercept, 3))


def collect(source: Path, bundle: str, queries: int, most: int) -> Pairs:
    rng = np.random.default_rng(7)
    pictures = _pages(rng) if str(source) == PAGES else _pictures(source, most, rng)
    half = len(pictures) // 2
    queries = min(queries, half - 1)
    inside = copies(pictures[:queries], rng)
    outside = copies(pictures[half : half + queries], rng)
    embedder, judge = Embedder(bundles.load(bundle), Runtime(threads=1)), Judge.of(bundles.load(bundle))
    vectors = embedder.embed_parallel(pictures[:half])
    prepared: dict[int, verification.Prepared] = {}

    def reference(number: int) -> verification.Prepared:
        if number not in prepared:
            prepared[number] = verification.prepare(pictures[number])
        return prepared[number]

    near = near_duplicates.find(np.arange(queries), vectors, reference)
    rows: list[Evidence] = []
    correct, owners = [], []
    for query, picture in enumerate(tqdm([*inside, *outside], desc=f"{source.stem}: search")):
        views = query_views.views_of(picture, EFFORT)
        embeddings = embedder.embed([view.pixels for view in views])
        offsets = judge.offsets(embeddings) + np.array([view.penalty for view in views], np.float32)
        scores = (embeddings @ vectors.T - offsets[:, None]).max(axis=0)
        best = np.argsort(-scores, kind="stable")[:CANDIDATES]
        candidates = [
            Candidate(float(scores[row]), float(judge.calibrations[EFFORT].probability(float(scores[row]))))
            for row in best
        ]
        mine = verification.prepare(picture)
        found = {place: verified.check(mine, reference(int(row))) for place, row in enumerate(best)}
        pairs = verified.evidence_of(candidates, found)
        twins = set(near[query].tolist()) if query < queries else set()
        for place, one in pairs.items():
            row = best[place]
            if int(row) in twins:  # neither right nor wrong
                continue
            rows.append(one)
            correct.append(query < queries and int(row) == query)
            owners.append(query)
    return Pairs(rows, np.array(correct), np.array(owners), queries)


def _pages(rng: np.random.Generator) -> list[Picture]:
    made = [page(template, number) for template in TEMPLATES for number in range(PAGES_EACH)]
    return [_small(made[int(place)]) for place in rng.permutation(len(made))]


def _pictures(source: Path, most: int, rng: np.random.Generator) -> list[Picture]:
    entries = list(scan(source).entries)
    entries = [entries[int(place)] for place in rng.permutation(len(entries))[:most]]
    return [_small(read(entry)) for entry in tqdm(entries, desc=f"{source.stem}: read")]


def to_json(pairs: Pairs) -> dict[str, Any]:
    return {
        "evidence": [asdict(one) for one in pairs.evidence],
        "correct": pairs.correct.tolist(),
        "queries": pairs.queries.tolist(),
        "present": pairs.present,
    }


def from_json(data: dict[str, Any]) -> Pairs:
    found = [Evidence(**one) for one in data["evidence"]]
    return Pairs(found, np.array(data["correct"]), np.array(data["queries"]), data["present"])


def copies(pictures: Sequence[Picture], rng: np.random.Generator) -> list[Picture]:
    """Half of them as the rehearsal of an index makes them, half edited as screens and documents are."""
    made = self_calibration.make_copies(pictures, rng)
    return [
        _small(copy.pixels if number % 2 else _simple(pictures[number], rng, pictures[number - 1]))
        for number, copy in enumerate(made)
    ]


def _simple(picture: Picture, rng: np.random.Generator, other: Picture) -> Picture:
    names = ("crop", "resize", "blur", "pad", "text", "shapes", "grey", "rotate", "pasted", "screenshot", "colour")
    for name in rng.choice(names, int(rng.integers(1, 4)), replace=False):
        picture = edits.apply(str(name), picture, rng, float(rng.uniform(0.1, 0.7)), other)
        picture = _small(picture)
    return edits.apply("jpeg", picture, rng, float(rng.uniform(0.2, 0.8)))


def fit(found: Sequence[Pairs], pairs_alone: bool = False) -> tuple[list[float], float]:
    """Weights and intercept of a logistic regression on all pairs: whether they are copies.

    ``pairs_alone``: only on those whose details differ, of what decides about a pair alone. The penalty is 1/2 |w|² for
    terms of standard deviation 1.
    """
    terms = evidence.pair_terms if pairs_alone else evidence.terms
    chosen = [
        (one, is_copy)
        for pairs in found
        for one, is_copy in zip(pairs.evidence, pairs.correct, strict=True)
        if one.differ or not pairs_alone
    ]
    x = np.array([[*terms(one), 1.0] for one, _ in chosen])
    correct = np.array([is_copy for _, is_copy in chosen], np.float64)
    scale = x.std(axis=0)
    scale[scale == 0] = 1.0
    precision = np.array([1.0] * (x.shape[1] - 1) + [1e-6])
    beta = logistic.fit(x / scale, correct, np.ones(len(x)), np.zeros(x.shape[1]), precision) / scale
    return beta[:-1].tolist(), float(beta[-1])


def report(name: str, pairs: Pairs, others: Sequence[Pairs]) -> None:
    odds = np.zeros(len(pairs.evidence))
    for fold in (0, 1):
        test = pairs.queries % 4 // 2 == fold
        rest = Pairs([pairs.evidence[i] for i in np.flatnonzero(~test)], pairs.correct[~test], pairs.queries[~test], 0)
        weights, intercept = fit([rest, *others])
        odds[test] = [intercept + np.dot(weights, evidence.terms(pairs.evidence[i])) for i in np.flatnonzero(test)]
    order = np.argsort(-odds, kind="stable")
    hits = np.cumsum(pairs.correct[order])
    precision = hits / np.arange(1, len(order) + 1)
    recall = hits[precision >= 0.9].max(initial=0) / pairs.present
    probability = 1 / (1 + np.exp(-odds))
    first = [np.flatnonzero(pairs.queries == query) for query in np.unique(pairs.queries)]
    best = np.array([rows[odds[rows].argmax()] for rows in first])
    strangers = best[pairs.queries[best] >= pairs.present]
    error = reliability(probability[best], pairs.correct[best].tolist()).expected_calibration_error
    print(
        f"{name}: micro-AP {(precision * pairs.correct[order]).sum() / pairs.present:.3f}, R@P90 {recall:.3f}, "
        f"among the candidates {pairs.correct.sum() / pairs.present:.3f}, expected error {error:.3f}, "
        f"strangers above .9 {(probability[strangers] > 0.9).mean():.3f}"
    )


def _small(picture: Picture) -> Picture:
    picture = picture.copy()
    picture.thumbnail((512, 512))
    return picture


if __name__ == "__main__":
    main()
