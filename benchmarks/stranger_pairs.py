"""Count pictures that are no copies of each other and are verified all the same.

    python -m benchmarks.stranger_pairs random RESULTS.csv SOURCE... [--pairs 100000] [--most 4000]
    python -m benchmarks.stranger_pairs pages RESULTS.csv [--photographs SOURCE] [--pages 250]

``random``: pairs of different pictures of each SOURCE, a folder or tar file. ``pages``: pairs of different pages of one
drawn form or template, and pages beside light copies of themselves. Every pair is compared as ``/compare
verify=always`` does, with the default bundle. Features are computed once a run. Results are appended to the file, so
a run that was stopped goes on where it was; ``--sheet PICTURE`` draws the pairs with the highest probabilities.
"""

import argparse
import csv
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from tqdm import tqdm

from copysight.matching import verification
from copysight.matching.verification import Prepared
from copysight.model import bundle as bundles
from copysight.model.embedder import Embedder, Runtime
from copysight.pictures import edits
from copysight.scoring import verified
from copysight.scoring.calibration import COPY
from copysight.scoring.judge import Float, Judge
from copysight.scoring.verified import Candidate
from copysight.vectors.knn import limit_threads
from evaluation.regions.drawn_pages import TEMPLATES, page
from evaluation.regions.methods import MIN_AGREEING, MIN_AGREEMENT
from evaluation.sources import read, scan

Picture = Image.Image
BLOCK = 200
"""Pairs that are compared before their results are written."""
SIDE = 512
KEPT = 20_000
"""Prepared pictures in memory, about 0.15 MB each."""
BINS = (0.0, 0.2, 0.4, 0.6, 0.8, 0.95)
SHOWN = 24


@dataclass(frozen=True)
class Pair:
    """Numbers of two pictures, and what comparing them gave; zeros if no transform was found."""

    group: str
    query: int
    reference: int
    found: int
    agreeing: int
    agreement: float
    cells: int
    in_query: float
    in_reference: float
    score: float
    probability: float

    @property
    def is_verified(self) -> bool:
        """The provisional rule of ``evaluate regions``."""
        return self.agreeing >= MIN_AGREEING and self.agreement > MIN_AGREEMENT


@dataclass(frozen=True)
class Group:
    """Pairs to compare: ``queries`` and ``references`` give the picture of a number, ``pairs`` the numbers (P, 2)."""

    name: str
    queries: Callable[[int], Picture]
    references: Callable[[int], Picture]
    pairs: np.ndarray


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("random", "pages"))
    parser.add_argument("results", type=Path)
    parser.add_argument("sources", nargs="*", type=Path)
    parser.add_argument("--pairs", type=int, default=100_000, help="random: pairs of all sources together")
    parser.add_argument("--most", type=int, default=4000, help="random: pictures of a source that are read")
    parser.add_argument("--photographs", type=Path, help="pages: pictures for templates with a place for one")
    parser.add_argument("--pages", type=int, default=250, help="pages of each template")
    parser.add_argument("--sheet", type=Path, help="file to draw the pairs with the highest probabilities to")
    options = parser.parse_args()
    limit_threads(1)
    if options.what == "random":
        share = options.pairs // max(len(options.sources), 1)
        groups = [unrelated(source, share, options.most) for source in options.sources]
    else:
        groups = list(of_templates(options.pages, options.photographs))
    done = load(options.results)
    for group in groups:
        compare(group, options.results, len(done.get(group.name, ())))
    found = load(options.results)
    print("\n".join(report([group.name for group in groups], found)))
    if options.sheet is not None:
        draw(groups, found).save(options.sheet, quality=88)


def unrelated(source: Path, count: int, most: int) -> Group:
    rng = np.random.default_rng(0)
    entries = list(scan(source).entries)
    entries = [entries[int(place)] for place in rng.permutation(len(entries))[:most]]
    pairs = rng.integers(0, len(entries), (count, 2))
    pairs[:, 1] = (pairs[:, 0] + rng.integers(1, len(entries), count)) % len(entries)

    def picture(number: int) -> Picture:
        return reduced(read(entries[number]))

    return Group(source.stem, picture, picture, pairs)


def of_templates(pages: int, photographs: Path | None) -> Iterator[Group]:
    """For each template a group of different pages, each beside the next, and a group of light copies."""
    inserted = [reduced(read(entry)) for entry in scan(photographs).entries[:200]] if photographs else []
    for template in TEMPLATES:
        numbers = np.arange(pages)

        def original(number: int, template: str = template) -> Picture:
            return reduced(page(template, number, inserted))

        def copy(number: int, template: str = template) -> Picture:
            return edits.mild(original(number, template), np.random.default_rng([7, number]))

        following = np.stack([numbers, (numbers + 1) % pages], axis=1)
        yield Group(f"{template}: other pages", original, original, following)
        yield Group(f"{template}: copies", copy, original, np.stack([numbers, numbers], axis=1))


def compare(group: Group, results: Path, done: int) -> None:
    """Compare the pairs of a group from number ``done`` on, and append what was found to the file."""
    embedder, judge = Embedder(bundles.load("default"), Runtime(threads=1)), Judge.of(bundles.load("default"))

    @lru_cache(maxsize=KEPT)
    def query(number: int) -> tuple[Prepared, Float]:
        picture = group.queries(number)
        return verification.prepare(picture), embedder.embed([picture])

    @lru_cache(maxsize=KEPT)
    def other(number: int) -> tuple[Prepared, Float]:
        picture = group.references(number)
        return verification.prepare(picture), embedder.embed([picture])

    reference = query if group.queries is group.references else other

    def one(pair: Sequence[int]) -> Pair:
        (mine, vector), (theirs, vector_2) = query(int(pair[0])), reference(int(pair[1]))
        score = float((vector @ vector_2.T)[0, 0] - judge.offsets(vector)[0])
        calibration = judge.calibrations["low"]
        candidate = Candidate(score, float(calibration.probability(score)), calibration.share)
        check = lambda _: verified.check(mine, theirs)  # noqa: E731 - a named argument
        [answer] = verified.verify([candidate], check, "always", line=judge.verified.line)
        found = answer.verification
        numbers = (int(pair[0]), int(pair[1]))
        if found is None:
            return Pair(group.name, *numbers, 0, 0, 0.0, 0, 0.0, 0.0, score, answer.probability)
        aligned = found.alignment
        shares = (found.query.share, found.reference.share)
        return Pair(
            group.name,
            *numbers,
            1,
            found.agreeing,
            aligned.agreement,
            aligned.cells,
            *shares,
            score,
            answer.probability,
        )

    new = not results.exists()
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool, results.open("a", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Pair)])
        if new:
            writer.writeheader()
        for start in tqdm(range(done, len(group.pairs), BLOCK), desc=group.name, mininterval=10):
            rows = list(pool.map(one, group.pairs[start : start + BLOCK]))
            writer.writerows(asdict(row) for row in rows)
            file.flush()


def load(results: Path) -> dict[str, list[Pair]]:
    """The pairs of the file by group. A last row that was cut off in the middle is removed from the file."""
    found: dict[str, list[Pair]] = {}
    if results.exists():
        text = results.read_bytes()
        os.truncate(results, text.rfind(b"\n") + 1)
        with results.open(newline="") as file:
            for row in csv.DictReader(file):
                kinds = {field.name: field.type for field in fields(Pair)}
                pair = Pair(**{name: kinds[name](row[name]) for name in kinds})  # type: ignore[operator]
                found.setdefault(pair.group, []).append(pair)
    return found


def report(names: Sequence[str], found: dict[str, list[Pair]]) -> Iterator[str]:
    edges = [f"{low:g}-{high:g}" for low, high in zip(BINS, (*BINS[1:], 1), strict=True)]
    yield f"{'group':30} pairs  found  verified  P >= 0.5  P >= {COPY}  agreement of found: {'  '.join(edges)}"
    for name in names:
        pairs = found.get(name, [])
        counts, _ = np.histogram([pair.agreement for pair in pairs if pair.found], (*BINS, 1.0001))
        yield (
            f"{name:30} {len(pairs):5}  {sum(pair.found for pair in pairs):5}  "
            f"{sum(pair.is_verified for pair in pairs):8}  {sum(pair.probability >= 0.5 for pair in pairs):8}  "
            f"{sum(pair.probability >= COPY for pair in pairs):8}  {'  '.join(map(str, counts))}"
        )


def draw(groups: Sequence[Group], found: dict[str, list[Pair]]) -> Picture:
    """The strangers with the highest probabilities, two pictures beside each other."""
    by_name = {group.name: group for group in groups if not group.name.endswith("copies")}
    pairs = sorted((pair for name in by_name for pair in found[name]), key=lambda pair: -pair.probability)[:SHOWN]
    sheet = Image.new("RGB", (4 * 410, -(-len(pairs) // 4) * 230), "white")
    pen = ImageDraw.Draw(sheet)
    for place, pair in enumerate(pairs):
        x, y = place % 4 * 410, place // 4 * 230
        group = by_name[pair.group]
        for step, picture in enumerate((group.queries(pair.query), group.references(pair.reference))):
            picture.thumbnail((200, 205))
            sheet.paste(picture, (x + 202 * step, y + 16))
        words = f"{pair.group} P={pair.probability:.2f} n={pair.agreeing} a={pair.agreement:.2f} s={pair.score:.2f}"
        pen.text((x + 2, y + 1), words, fill="black")
    return sheet


def reduced(picture: Picture) -> Picture:
    """At the size at which an index keeps pictures."""
    picture = picture.copy()
    picture.thumbnail((SIDE, SIDE))
    return picture


if __name__ == "__main__":
    main()
