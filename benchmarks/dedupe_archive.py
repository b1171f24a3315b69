"""Time and memory of a whole `dedupe --index` on a made collection: small pictures, made vectors, planted copies.

    python -m benchmarks.dedupe_archive FOLDER [--count 100000] [--bursts] [--seed 0]

FOLDER gets an index without embedding anything: vectors are directions drawn at random, pictures are 128 x 96 pixels of
drawn texture. Each twentieth picture has a copy: in turn equal bytes, the same picture at another size (cosine 0.97 of
the vectors), and a part of it (0.7). With ``--bursts``, each other picture has a neighbour at cosine 0.3 that shows
something else, so that each has a doubtful pair. The index is kept for the next call; cached features are removed
before its first run.
"""

import argparse
import hashlib
import json
import resource
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack
from io import BytesIO
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

from copysight.catalog import NewItem
from copysight.duplicates import keep
from copysight.index import Index
from copysight.model import bundle as bundles
from copysight.pictures.scan import ScanOptions
from index_builder.dedupe import archive as archives
from index_builder.dedupe.search import Wanted, find
from index_builder.progress import Progress

SIZE, SMALL = (128, 96), (96, 72)
KINDS = ("exact", "resized", "part")
COSINES = {"exact": 1.0, "resized": 0.97, "part": 0.7}
BURST_COSINE = 0.3
PART = 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--bursts", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if not options.folder.exists():
        make(options.folder, options.count, options.bursts, np.random.default_rng(options.seed))
    for name in ("first run", "again, cached"):
        if name == "first run":
            shutil.rmtree(options.folder / "features", ignore_errors=True)
        measure(options.folder, name)


def make(folder: Path, count: int, bursts: bool, rng: np.random.Generator) -> None:
    """Write the index; the key of a picture names the one that it is a copy of, and how."""
    bundle = bundles.load("default")
    with Index.create(folder, "default", policy="discard") as index:
        made = items(count, bursts, bundle.dimension, rng)
        while part := list(islice(made, PART)):
            with TemporaryDirectory(dir=folder) as place, index.blobs.hold():
                files = {new.sha256: data for new, data in part}
                for sha256, data in files.items():
                    (Path(place) / f"{sha256}.jpg").write_bytes(data)
                index.blobs.move_in(Path(place).iterdir())
                index.catalog.add([new for new, _ in part], model=index.bundle.id)


def items(count: int, bursts: bool, dimension: int, rng: np.random.Generator) -> Iterator[tuple[NewItem, bytes]]:
    """Each item with its thumbnail; copies follow their originals."""
    made, before = 0, _unit(rng.standard_normal(dimension))
    while made < count:
        vector = _unit(rng.standard_normal(dimension))
        if bursts and made % 2:
            vector = _near(before, BURST_COSINE, rng)
        picture, before = texture(rng), vector
        data = _jpeg(picture, 85)
        yield _item(f"{made:07}.jpg", data, picture, vector), data
        made += 1
        if made % 20 == 0 and made < count:
            kind = KINDS[made // 20 % 3]
            copy = {"exact": picture, "resized": picture.resize(SMALL), "part": picture.crop((8, 6, 112, 90))}[kind]
            changed = data if kind == "exact" else _jpeg(copy, 70)
            new = _item(f"{made:07}-{kind}.jpg", changed, copy, _near(vector, COSINES[kind], rng))
            yield new, changed
            made += 1


def texture(rng: np.random.Generator) -> Image.Image:
    """A picture in which local features find about a hundred keypoints."""
    small = rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)
    return Image.fromarray(small).resize(SIZE, Image.Resampling.BICUBIC)


def measure(folder: Path, name: str) -> None:
    """Search once and print what it took and what it found."""
    began, cpu = time.monotonic(), time.process_time()
    with ExitStack() as held:
        archive = archives.of_index(held.enter_context(Index.open(folder)), None)
        read = time.monotonic()
        answer = find(archive, Wanted(0.9, keep.DEFAULT, (), None), (), ScanOptions(), Progress())
    seconds, used = time.monotonic() - began, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    found = {(group.keep, one.number) for group in answer.groups for one in group.members}
    right = dict.fromkeys(KINDS, 0)
    wrong = 0
    for one, other in found:
        paths = sorted(answer.pictures[number].path for number in (one, other))
        kind = paths[1].partition("-")[2].removesuffix(".jpg")
        same = kind in right and int(paths[1][:7]) == int(paths[0][:7]) + 1
        right[kind if same else "exact"] += same
        wrong += not same
    planted = {kind: sum(one.picture.path.endswith(f"-{kind}.jpg") for one in archive.found) for kind in KINDS}
    print(f"{name}: {len(archive.found):,} pictures in {seconds:.0f} s ({read - began:.0f} s to read them), ", end="")
    print(f"{used:.0f} s of processor time, at most {peak:,.0f} MiB; ", end="")
    print(json.dumps({"found": right, "planted": planted, "wrong": wrong}))


def _item(key: str, data: bytes, picture: Image.Image, vector: np.ndarray) -> NewItem:
    return NewItem(key, hashlib.sha256(data).hexdigest(), picture.width, picture.height, vector, files=True)


def _jpeg(picture: Image.Image, quality: int) -> bytes:
    out = BytesIO()
    picture.save(out, "JPEG", quality=quality)
    return out.getvalue()


def _near(vector: np.ndarray, cosine: float, rng: np.random.Generator) -> np.ndarray:
    """A direction at about this cosine."""
    return _unit(cosine * vector + np.sqrt(max(0.0, 1 - cosine**2)) * _unit(rng.standard_normal(len(vector))))


def _unit(vector: np.ndarray) -> np.ndarray:
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


if __name__ == "__main__":
    main()
