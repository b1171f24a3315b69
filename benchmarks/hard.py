r"""Make `copybench-hard`, a copy benchmark with many distractors, negatives of the same scene, and unusual edits.

    python -m benchmarks.hard DATA OUT [--distractors 25000] [--queries 2000] [--pages 400] [--more FOLDER] [--seed 0]
    copysight evaluate copy default --references OUT/references.tar --queries OUT/queries.tar \
        --ground-truth OUT/ground_truth.csv --background DATA/photos/photos-00003.tar

DATA is the folder of the project's pictures: ``photos/photos-0000*.tar``, ``graphics/``, ``labelled/`` and ``video/``.
OUT gets references.tar, queries.tar and ground_truth.csv (query_id, reference_id, level, kind, edits). MORE has further
tar shards of photographs, as distractors. The same arguments make the same pictures.

Half of the queries are edited copies, `hard_edits` has the edits; the others are edited pictures that are not indexed,
of the same make as ones that are: other photographs of a class (``photo``); the other part of a photograph, without a
shared pixel (``shot``); frames of one video at least 20 frames from any that is indexed (``video``); other pictures of
one source, such as the pages of a document (``graphic``); other pages of one template, such as the chats of a program
(``page``). Distractors: ``photos`` without the last shard, which is left as a background, the graphics for
training, MORE. The default bundle was trained on those photographs, so they are no queries.
"""

import argparse
import csv
import io
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.random import Generator
from PIL import Image

from benchmarks.hard_edits import edited
from copysight.pictures.decode import decode
from evaluation.regions.drawn_pages import TEMPLATES, page

Picture = Image.Image
LEVELS = {"light": 0.2, "medium": 0.4, "strong": 0.4}
"""Level -> share of the queries."""
PART, GAP = 0.45, 20
"""Share of a photograph's longer side that a shot has; frames between what is indexed and what is not."""
REPEATS = 5
"""Largest number of copies of one picture, where a kind has few (the videos)."""
EVERY = 5
"""Of a video every fifth frame is indexed."""


@dataclass(frozen=True)
class Item:
    """A picture of the benchmark: its name, and how to get it."""

    name: str
    read: Callable[[], Picture]


@dataclass(frozen=True)
class Kind:
    """Pictures of one kind: those that are indexed, and those that are not."""

    indexed: Sequence[Item]
    away: Sequence[Item]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--distractors", type=int, default=25_000, help="largest number of distractors")
    parser.add_argument("--queries", type=int, default=2000, help="largest number of queries")
    parser.add_argument("--pages", type=int, default=400, help="drawn pages of each template that are indexed")
    parser.add_argument("--more", type=Path, help="folder of further tar shards of photographs")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    kinds = kinds_of(options.data, options.pages, rng)
    options.out.mkdir(parents=True, exist_ok=True)
    rows = write_queries(options.out, kinds, options.queries, rng)
    needed = {row[1] for row in rows}
    others = [item for kind in kinds.values() for item in kind.indexed if item.name not in needed]
    others += distractors(options.data, options.more)
    kept = [others[int(place)] for place in rng.permutation(len(others))[: options.distractors]]
    originals = [item for kind in kinds.values() for item in kind.indexed if item.name in needed]
    with tarfile.open(options.out / "references.tar", "w") as tar:
        for item in sorted([*originals, *kept], key=lambda item: item.name):
            add(tar, item.name, item.read(), 90)
    with (options.out / "ground_truth.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("query_id", "reference_id", "level", "kind", "edits"), *rows])
    print(f"{len(originals)} originals, {len(kept)} distractors, {len(rows)} queries, seed {options.seed}")


def kinds_of(data: Path, pages: int, rng: Generator) -> dict[str, Kind]:
    """The pictures of each kind, by its name."""
    labelled = list(pictures_in(*sorted((data / "labelled").glob("*.tar"))))
    order = [labelled[int(place)] for place in rng.permutation(len(labelled))]
    third = len(order) // 3
    videos: dict[str, list[Item]] = {}
    for item in pictures_in(*sorted((data / "video").glob("*.tar")), within="JPEGImages"):
        videos.setdefault(item.name.rsplit("-", 1)[0], []).append(item)
    with (data / "graphics" / "open.csv").open(newline="") as file:
        sources = {Path(row["file"]).stem: row["source"] for row in csv.DictReader(file)}
    graphics: dict[str, list[Item]] = {}
    for item in pictures_in(data / "graphics" / "open.tar"):
        graphics.setdefault(sources[item.name.rsplit("-", 1)[1]], []).append(item)
    halves = [_halved(graphics[source], rng) for source in sorted(graphics)]
    return {
        "photo": Kind(order[:third], order[third : 2 * third]),
        "shot": Kind([_shot(item, 0) for item in order[2 * third :]], [_shot(item, 1) for item in order[2 * third :]]),
        "video": _frames([sorted(videos[name], key=lambda item: item.name) for name in sorted(videos)]),
        "graphic": Kind([item for one, _ in halves for item in one], [item for _, one in halves for item in one]),
        "page": Kind(_pages(0, pages), _pages(pages, pages + max(1, pages // 4))),
    }


def write_queries(out: Path, kinds: Mapping[str, Kind], count: int, rng: Generator) -> list[tuple[str, ...]]:
    """Write queries.tar and return the rows of the ground truth; every kind has as many copies as others."""
    rows: list[tuple[str, ...]] = []
    with tarfile.open(out / "queries.tar", "w") as tar:
        for name, kind in kinds.items():
            number = min(count // (2 * len(kinds)), REPEATS * len(kind.indexed), REPEATS * len(kind.away))
            for copy, items in ((True, kind.indexed), (False, kind.away)):
                for place in rng.choice(len(items), number, replace=number > len(items)):
                    level = str(rng.choice(list(LEVELS), p=list(LEVELS.values())))
                    other = kind.away[int(rng.integers(len(kind.away)))].read()
                    item = items[int(place)]
                    picture, edits = edited(item.read(), level, rng, other)
                    query = f"q{len(rows):05d}"
                    add(tar, query, picture, int(rng.integers(50, 90)))
                    rows.append((query, item.name if copy else "", level, name, " ".join(edits)))
    return rows


def distractors(data: Path, more: Path | None) -> list[Item]:
    """Photographs but for the last shard, graphics for training, and ``more``."""
    shards = sorted((data / "photos").glob("photos-*.tar"))[:-1]
    extra = sorted(more.rglob("*.tar")) if more is not None else []
    return list(pictures_in(*shards, data / "graphics" / "train.tar", *extra))


def pictures_in(*shards: Path, within: str = "") -> Iterator[Item]:
    """The pictures of tar files, named after shard and file. Only paths that contain ``within``."""
    for shard in shards:
        with tarfile.open(shard) as tar:
            for member in tar:
                path = Path(member.name)
                if (
                    member.isfile()
                    and within in member.name
                    and path.suffix.lower() in {".jpg", ".jpeg", ".webp", ".png"}
                ):
                    inside = str(path.with_suffix("")).replace("/", "-").replace(".", "_")
                    yield Item(f"{shard.stem}-{inside}", partial(_read, shard, member.offset_data, member.size))


def _read(shard: Path, start: int, size: int) -> Picture:
    with shard.open("rb") as file:
        file.seek(start)
        return decode(file.read(size)).pixels


def _shot(item: Item, side: int) -> Item:
    """The first or last part of a photograph along its longer side; the two share no pixel."""

    def read() -> Picture:
        picture = item.read()
        width, height = picture.size
        if width >= height:
            part = int(width * PART)
            return picture.crop((0, 0, part, height) if side == 0 else (width - part, 0, width, height))
        part = int(height * PART)
        return picture.crop((0, 0, width, part) if side == 0 else (0, height - part, width, height))

    return Item(f"{item.name}_shot{side}", read)


def _frames(videos: Sequence[Sequence[Item]]) -> Kind:
    """Frames of the first part of each video are indexed, those of the last part are not; between them is the gap."""
    indexed, away = [], []
    for frames in videos:
        middle = (len(frames) - GAP) // 2
        indexed += list(frames[:middle:EVERY])
        away += list(frames[middle + GAP :])
    return Kind(indexed, away)


def _pages(first: int, last: int) -> list[Item]:
    """Drawn pages of all templates, by their numbers."""
    return [
        Item(f"page_{template}_{number}", partial(page, template, number))
        for template in TEMPLATES
        for number in range(first, last)
    ]


def _halved(items: Sequence[Item], rng: Generator) -> tuple[list[Item], list[Item]]:
    order = [items[int(place)] for place in rng.permutation(len(items))]
    return order[: len(order) // 2], order[len(order) // 2 :]


def add(tar: tarfile.TarFile, name: str, picture: Picture, quality: int) -> None:
    """Add a picture to a tar file as a JPEG."""
    out = io.BytesIO()
    picture.convert("RGB").save(out, "JPEG", quality=quality)
    info = tarfile.TarInfo(f"{name}.jpg")
    info.size = out.tell()
    out.seek(0)
    tar.addfile(info, out)


if __name__ == "__main__":
    main()
