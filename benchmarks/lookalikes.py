"""Probabilities on collections whose pictures resemble each other: strangers of the same kind, and edited copies.

    python -m benchmarks.lookalikes DATA [--strangers 300] [--only NAME]

DATA is the folder of the project's pictures: ``photos/`` with ``manifest.csv``, ``graphics/train.tar`` with
``train.csv``, and ``video/davis_sample.tar``. Each collection is calibrated as an index is. Its strangers, pictures of
the same kinds, and as many edited copies of its own pictures are searched for with normal effort and verified. Printed
are the strangers above 0.9, the copies found at `copy`, and the expected error of all. Frames of one video are
near-duplicates of each other, so its strangers are those of the other video.
"""

import argparse
import csv
import tarfile
from collections.abc import Callable, Iterator, Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from copysight.pictures import edits
from copysight.scoring.calibration import COPY
from copysight.scoring.query_views import DEFAULT_EFFORT
from evaluation.copies import calibration
from evaluation.copies.strangers import probabilities_of
from evaluation.features.extract import Extractor, load_extractor
from evaluation.metrics.reliability import reliability

Picture = Image.Image
SIDE = 512
OBJECTS = ("watch", "sunflower", "starfish", "ketch", "Faces", "Motorbikes", "car_side", "grand_piano")
DOCUMENTS = ("deb:lilypond-doc", "deb:texlive-science-doc", "deb:texlive-latex-recommended-doc")
SCREENS = "deb:qtcreator-doc"
SAME = {"0006466.jpg", "0002681.jpg", "0007514.jpg"}
"""Photographs that show what others of their class show too, looked at: the same print of a sunflower, the same grand
piano before another ground, the same starfish. As strangers they would be copies that count as none."""


def objects(data: Path, count: int) -> tuple[list[Picture], list[Picture]]:
    """200 pictures of eight kinds of objects, and others of these kinds."""
    rows = [row for row in _rows(data / "photos/manifest.csv") if row["label"] in OBJECTS and row["name"] not in SAME]
    return _split([(data / "photos" / row["shard"], row["name"]) for row in rows], 200, count)


def documents(data: Path, count: int) -> tuple[list[Picture], list[Picture]]:
    """160 pages of three manuals, and other pages of them."""
    return _graphics(data, lambda row: row["kind"] == "document" and row["source"] in DOCUMENTS, 160, count)


def screens(data: Path, count: int) -> tuple[list[Picture], list[Picture]]:
    """Half of the screens of one program, and the others."""
    return _graphics(data, lambda row: row["source"] == SCREENS, 160, count)


def video(data: Path, count: int) -> tuple[list[Picture], list[Picture]]:
    """104 frames of the videos' first halves as far as they go, and frames of another video."""
    with tarfile.open(data / "video/davis_sample.tar") as tar:
        frames = sorted(member.name for member in tar if member.name.endswith(".jpg"))
    folders = sorted({name.rsplit("/", 1)[0] for name in frames})
    own, other = ([name for name in frames if name.startswith(folder)] for folder in folders[:2])
    chosen = [[(data / "video/davis_sample.tar", name) for name in names] for names in (own[:104], other[:count])]
    return list(_read(chosen[0])), list(_read(chosen[1]))


def archive(data: Path, count: int) -> tuple[list[Picture], list[Picture]]:
    """1,500 photographs and near-duplicates of 500 of them, and other photographs."""
    rows = list(_rows(data / "photos/manifest.csv"))
    own, strangers = _split([(data / "photos" / row["shard"], row["name"]) for row in rows], 1500, count)
    rng = np.random.default_rng(5)
    return [*own, *(edits.apply("jpeg", _smaller(one, 0.8), rng, 0.4) for one in own[:500])], strangers


COLLECTIONS: dict[str, Callable[[Path, int], tuple[list[Picture], list[Picture]]]] = {
    one.__name__: one for one in (objects, video, documents, screens, archive)
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--strangers", type=int, default=300)
    parser.add_argument("--only", choices=COLLECTIONS)
    parser.add_argument("--bundle", default="default")
    options = parser.parse_args()
    extractor = load_extractor(options.bundle)
    print("collection  pictures  near-duplicates  strangers  above 0.9  copies  at `copy`  expected error")
    for name in [options.only] if options.only else COLLECTIONS:
        own, strangers = COLLECTIONS[name](options.data, options.strangers)
        print(f"{name:11} {measure(extractor, own, strangers)}", flush=True)


def measure(extractor: Extractor, own: Sequence[Picture], strangers: Sequence[Picture]) -> str:
    """A line of figures for a collection of ``own`` pictures."""
    assert extractor.normalisation is not None
    vectors = np.stack([extractor.embed(one) for one in own])
    fitted = calibration.fit(extractor, vectors, extractor.normalisation, own.__getitem__, np.random.default_rng(0))
    rng = np.random.default_rng(11)
    sources = rng.choice(len(own), min(len(strangers), len(own)), replace=False)
    copies = [_copy(own[int(row)], rng, own[int(row) - 1]) for row in sources]
    found = probabilities_of([*copies, *strangers], own, vectors, extractor, fitted, DEFAULT_EFFORT, "auto")
    first, best = found.argmax(axis=1), found.max(axis=1)
    # A near-duplicate of the source is as right as the source: it has the same vector, nearly.
    right = (vectors[first[: len(copies)]] * vectors[sources]).sum(axis=1) > 0.95
    error = reliability(best, [*right.tolist(), *[False] * len(strangers)]).expected_calibration_error
    above, copy = (best[len(copies) :] > 0.9).mean(), (right & (best[: len(copies)] >= COPY)).mean()
    near = "-" if fitted.near_duplicates is None else fitted.near_duplicates.estimate(len(own))
    return f"{len(own):8} {near:>16} {len(strangers):10} {above:10.4f} {len(copies):7} {copy:10.3f} {error:15.4f}"


def _copy(picture: Picture, rng: np.random.Generator, other: Picture) -> Picture:
    names = ("crop", "resize", "jpeg", "colour", "grey", "text", "pad", "rotate", "screenshot", "blur", "flip")
    for name in rng.choice(names, int(rng.integers(1, 4)), replace=False):
        picture = edits.apply(str(name), picture, rng, float(rng.uniform(0.1, 0.7)), other)
        picture.thumbnail((SIDE, SIDE))
    return picture


def _smaller(picture: Picture, share: float) -> Picture:
    return picture.resize((max(8, round(picture.width * share)), max(8, round(picture.height * share))))


def _graphics(
    data: Path, wanted: Callable[[dict[str, str]], bool], size: int, count: int
) -> tuple[list[Picture], list[Picture]]:
    rows = [row for row in _rows(data / "graphics/train.csv") if wanted(row)]
    return _split([(data / "graphics/train.tar", row["file"]) for row in rows], min(size, len(rows) // 2), count)


def _split(files: list[tuple[Path, str]], size: int, count: int) -> tuple[list[Picture], list[Picture]]:
    order = np.random.default_rng(3).permutation(len(files))[: size + count]
    pictures = list(_read([files[int(place)] for place in order]))
    return pictures[:size], pictures[size:]


def _read(files: Sequence[tuple[Path, str]]) -> Iterator[Picture]:
    """The pictures of tar files, in the order of ``files``."""
    found: dict[tuple[Path, str], bytes] = {}
    wanted = set(files)
    for path in sorted({path for path, _ in files}):
        with tarfile.open(path) as tar:
            for member in tar:
                if (path, member.name) in wanted and (file := tar.extractfile(member)) is not None:
                    found[path, member.name] = file.read()
    for one in files:
        picture = Image.open(BytesIO(found[one]))
        laid = Image.new("RGB", picture.size, "white")
        laid.paste(picture.convert("RGB"), mask=picture.convert("RGBA").getchannel("A"))
        laid.thumbnail((SIDE, SIDE))
        yield laid


def _rows(table: Path) -> Iterator[dict[str, str]]:
    with table.open(newline="") as file:
        yield from csv.DictReader(file)


if __name__ == "__main__":
    main()
