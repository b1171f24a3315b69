"""Where the explanation of a match lies: its share inside the true part, on pastes with known geometry.

Each picture of a sample is pasted onto another one, whole or as a crop, at a random place and size. The page is
compared with the picture itself, by the whole page alone and by the query views of `compare`. Printed: the share of
the positive values inside the pasted part on the page, and inside the part of the picture that the page shows; before
each the area of the part, which a map without information would have; the largest difference between the sum of a map
and the similarity.

    python -m benchmarks.explained_pastes PICTURES [BUNDLE [COUNT]]

PICTURES is a folder or tar file; nothing of it is stored.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from copysight.model import bundle as bundles
from copysight.model.embedder import Embedder
from copysight.model.explanation import SIDE, Box, Explanation, Part, explain, spread
from copysight.pictures.scan import ORDINARY, Failure, scan
from copysight.scoring.judge import Judge
from copysight.scoring.query_views import views_of

Float = npt.NDArray[np.float32]
PAGE = (400, 300)
SHARES = (0.2, 0.6)
"""Range of the pasted part's share of the page."""
SHOWN = (0.4, 0.8)
"""Range of the share of a picture that a crop shows."""


@dataclass(frozen=True)
class Paste:
    """A page, the picture whose part ``shown`` it shows, and where on the page: boxes as shares of the sides."""

    page: Image.Image
    picture: Image.Image
    where: Box
    shown: Box


def main() -> None:
    """Print one row for whole pictures and one for crops, by the whole page and by query views."""
    place, *rest = sys.argv[1:]
    embedder = Embedder(bundles.load(rest[0] if rest else "default"))
    pictures = read(Path(place), 2 * int(rest[1] if len(rest) > 1 else 100))
    print(f"{'':26}{'area':>8}{'page':>8}{'shown':>8}{'picture':>9}{'worst sum':>12}")
    for cropped in (False, True):
        pastes = list(made(pictures, cropped))
        for views in (False, True):
            found = [explained(embedder, one, views) for one in pastes]
            rows = [figures(one, why) for one, why in zip(pastes, found, strict=True)]
            area, page, shown, picture, error = np.array(rows).T
            name = f"{'crops' if cropped else 'whole pictures'}, {'views' if views else 'whole page'}"
            print(
                f"{name:26}{area.mean():8.3f}{page.mean():8.3f}{shown.mean():8.3f}{picture.mean():9.3f}"
                f"{error.max():12.1e}",
                flush=True,
            )


def read(place: Path, count: int) -> list[Image.Image]:
    """Decode a random sample of pictures."""
    entries = scan(place, ORDINARY).entries
    order = np.random.default_rng(0).permutation(len(entries))[:count]
    decoded = (entries[int(number)].decode(ORDINARY.limits, 512) for number in order)
    return [one.pixels for one in decoded if not isinstance(one, Failure)]


def made(pictures: list[Image.Image], cropped: bool) -> Iterator[Paste]:
    """Paste the first half of ``pictures`` onto the second half."""
    rng = np.random.default_rng(1)
    half = len(pictures) // 2
    for picture, other in zip(pictures[:half], pictures[half:], strict=False):
        side = float(np.sqrt(rng.uniform(*SHOWN))) if cropped else 1.0
        left, top = rng.uniform(0, 1 - side, 2)
        shown = (left, top, left + side, top + side)
        part = picture.crop(tuple(round(a * b) for a, b in zip(shown, (*picture.size, *picture.size), strict=True)))
        scale = float(np.sqrt(rng.uniform(*SHARES) * PAGE[0] * PAGE[1] / (part.width * part.height)))
        width, height = min(round(part.width * scale), PAGE[0]), min(round(part.height * scale), PAGE[1])
        x, y = int(rng.integers(0, PAGE[0] - width + 1)), int(rng.integers(0, PAGE[1] - height + 1))
        page = other.resize(PAGE)
        page.paste(part.resize((width, height), Image.Resampling.LANCZOS), (x, y))
        where = (x / PAGE[0], y / PAGE[1], (x + width) / PAGE[0], (y + height) / PAGE[1])
        yield Paste(page, picture, where, shown)


def explained(embedder: Embedder, paste: Paste, views: bool) -> Explanation:
    """Explain the match of a page and a picture, as whole pictures or by the best query views, as `compare` does."""
    if not views:
        return explain(embedder, Part(paste.page), Part(paste.picture))
    both = [views_of(picture, "normal") for picture in (paste.page, paste.picture)]
    first, second = (embedder.embed([view.pixels for view in some]) for some in both)
    penalties = ([view.penalty for view in both[0]], [view.penalty for view in both[1]])
    best = Judge.of(embedder.bundle).compare(first, second, penalties, effort="normal")
    chosen = [some[0] for some in both]
    chosen[best.picture - 1] = both[best.picture - 1][best.view]
    page, picture = (Part.of(view.pixels, view.region, view.turn) for view in chosen)
    return explain(embedder, page, picture)


def figures(paste: Paste, found: Explanation) -> tuple[float, float, float, float, float]:
    """Area of the part on the page, share of the page's map inside of it, both for the picture, error of the sums."""
    sums = [abs(float(values.sum()) - found.similarity) for values in (found.one, found.other)]
    page, picture = share_inside(found.one, paste.where), share_inside(found.other, paste.shown)
    return (_area(paste.where), page, _area(paste.shown), picture, max(sums))


def share_inside(values: Float, box: Box) -> float:
    """Share of the positive values of a map (SIDE, SIDE) that lies inside ``box``."""
    left, top, right, bottom = box
    # `spread` gives shares of one cell; times its size in bins they are the covered shares of the bins.
    across = spread(1, SIDE, left, right)[0] * (right - left) * SIDE
    down = spread(1, SIDE, top, bottom)[0] * (bottom - top) * SIDE
    positive = np.maximum(values, 0)
    return float((positive * np.outer(down, across)).sum() / positive.sum())


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


if __name__ == "__main__":
    main()
