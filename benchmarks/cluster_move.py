"""Seconds and peak memory of moving an index from files to the cluster and back, each step compared and verified.

    python -m tests.cluster.servers postgresql s3 milvus &       # prints lines to export
    export COPYSIGHT_CATALOG=… COPYSIGHT_BLOBS=… AWS_…=… COPYSIGHT_VECTORS=…
    python -m benchmarks.cluster_move [--count 100000] [--files 100000] [--bundle default] [--directory SCRATCH]

An index is filled with drawn vectors, and with small JPEG files and their thumbnails for ``files`` of its items. Its
blobs go to S3 and its vectors to Milvus, in place, and back. Then a backup of it is restored to PostgreSQL and S3, its
vectors go to Milvus, and a backup of that is restored to files. All are the commands of a user. After each the items,
their vectors, and the results of searches are compared with those before, and `index verify` reads all files.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.mixture import Floats, mixture
from copysight.blobs import THUMBNAIL_SUFFIX, encode_thumbnail
from copysight.catalog import NewItem
from copysight.index import Index
from copysight.model import bundle as bundles

CATALOG, BLOBS, VECTORS = CLUSTER = ("COPYSIGHT_CATALOG", "COPYSIGHT_BLOBS", "COPYSIGHT_VECTORS")
CHUNK, QUERIES, K, SIDE = 2000, 200, 10, 24


@dataclass(frozen=True)
class Place:
    """An index, and which variables of the cluster its commands get."""

    directory: Path
    variables: tuple[str, ...] = ()

    def run(self, name: str, *words: str) -> None:
        """Run a command of the index, and print what it took."""
        command = [sys.executable, "-m", "cli", "index", *words]
        began = time.perf_counter()
        worker = subprocess.Popen(command, env=self.environment(), stdout=subprocess.DEVNULL)
        _, status, used = os.wait4(worker.pid, 0)
        seconds, peak = time.perf_counter() - began, used.ru_maxrss / 1024
        assert status == 0, f"{' '.join(words)} failed"
        print(
            f"{name:44} {seconds:6.0f} s, {used.ru_utime + used.ru_stime:5.0f} s of processor, {peak:5.0f} MB",
            flush=True,
        )

    def move(self, name: str, *words: str) -> None:
        """Run `index migrate`."""
        self.run(name, "migrate", *words, "--index", str(self.directory))

    def check(self, before: "Contents | None" = None) -> "Contents":
        """Read the whole catalog, search, and verify all files. Items and vectors must be those ``before``."""
        command = [sys.executable, "-m", "benchmarks.cluster_move", "--contents", str(self.directory)]
        done = subprocess.run(command, env=self.environment(), stdout=subprocess.PIPE, check=True)
        contents = Contents(**json.loads(done.stdout))
        self.run("  verify", "verify", "--index", str(self.directory))
        if before is not None:
            assert (contents.count, contents.account) == (before.count, before.account), "the contents differ"
            same = sum(len({*ours} & {*theirs}) for ours, theirs in zip(contents.found, before.found, strict=True))
            share = same / sum(map(len, before.found))
            print(f"  {contents.count:,} items and vectors are equal, {share:.4f} of the matches", flush=True)
        return contents

    def environment(self) -> dict[str, str]:
        """The variables of this process, less those of the cluster that are not for this index."""
        return {name: value for name, value in os.environ.items() if name not in CLUSTER or name in self.variables}


@dataclass(frozen=True)
class Contents:
    """``account``: sha256 of all items and their vectors. ``found`` (Q, K): ids that searches find."""

    count: int
    account: str
    found: list[list[int]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100_000, help="Number of pictures. Default: 100000.")
    parser.add_argument("--files", type=int, help="How many of them have files. Default: all.")
    parser.add_argument("--bundle", default="default", help="Bundle of the index. Default: default.")
    parser.add_argument("--directory", help="Folder for temporary files. By default that of the system.")
    parser.add_argument("--contents", type=Path, metavar="INDEX", help="Print the contents of an index (internal).")
    parser.add_argument("--fill", type=Path, metavar="INDEX", help="Make the index (internal).")
    options = parser.parse_args()
    options.files = options.count if options.files is None else options.files
    if options.contents is not None:
        print(json.dumps(contents_of(options.contents)))
    elif options.fill is not None:
        fill(options.fill, options.bundle, options.count, options.files)
    elif lacking := [name for name in CLUSTER if name not in os.environ]:
        parser.error(f"set {', '.join(lacking)}")
    else:
        with tempfile.TemporaryDirectory(dir=options.directory) as scratch:
            there_and_back(
                Path(scratch),
                ["--bundle", options.bundle, "--count", str(options.count), "--files", str(options.files)],
            )


def there_and_back(scratch: Path, made: list[str]) -> None:
    """Make an index, and move it."""
    one = Place(scratch / "index")
    words = [sys.executable, "-m", "benchmarks.cluster_move", "--fill", str(one.directory), *made]
    subprocess.run(words, env=one.environment(), check=True)
    one.run("publish", "rebuild", "--index", str(one.directory))
    before = one.check()
    one = Place(one.directory, (BLOBS, VECTORS))
    one.move("blobs: files to S3", "--blobs", "s3")
    one.check(before)
    one.move("vectors: files to Milvus", "--vectors", "milvus")
    one.check(before)
    one.move("vectors: Milvus to files", "--vectors", "files")
    one.check(before)
    one.move("blobs: S3 to files", "--blobs", "files")
    one.check(before)
    one.run("backup of the files", "backup", str(scratch / "first"), "--index", str(one.directory))
    cluster = Place(scratch / "cluster", CLUSTER)
    cluster.run("restore to PostgreSQL and S3", "restore", str(scratch / "first"), "--index", str(cluster.directory))
    cluster.check(before)
    cluster.move("vectors: files to Milvus, from PostgreSQL", "--vectors", "milvus")
    cluster.check(before)
    cluster.run("backup of the cluster", "backup", str(scratch / "second"), "--index", str(cluster.directory))
    again = Place(scratch / "again")
    again.run("restore to files", "restore", str(scratch / "second"), "--index", str(again.directory))
    again.check(before)


def fill(directory: Path, bundle: str, count: int, files: int) -> None:
    """Create an index of made pictures, without publishing. The first ``files`` have an original and a thumbnail."""
    vectors = mixture(count, bundles.load(bundle).dimension, max(1, count // 50)).vectors
    rng = np.random.default_rng(0)
    with Index.create(directory, bundle) as index:
        for start in range(0, count, CHUNK):
            add(index, range(start, min(start + CHUNK, count)), vectors, files, rng)


def add(index: Index, rows: range, vectors: Floats, files: int, rng: np.random.Generator) -> None:
    """Add a picture of noise for each of the rows of the vectors (N, D)."""
    index.staging.mkdir(exist_ok=True)
    moved, new = [], []
    for row in rows:
        picture = Image.fromarray(rng.integers(0, 256, (SIDE, SIDE, 3), np.uint8))
        picture.save(data := BytesIO(), "JPEG", quality=80)
        sha256 = hashlib.sha256(data.getvalue()).hexdigest()
        contents = (
            {sha256: data.getvalue(), sha256 + THUMBNAIL_SUFFIX: encode_thumbnail(picture)} if row < files else {}
        )
        for name, content in contents.items():
            moved.append(index.staging / name)
            moved[-1].write_bytes(content)
        new.append(NewItem(f"folder/{row:08d}.jpg", sha256, SIDE, SIDE, vectors[row]))
    with index.blobs.hold():
        index.blobs.move_in(moved)
        index.catalog.add(new, model=index.bundle.id)


def contents_of(directory: Path) -> dict[str, object]:
    """The fields of `Contents`."""
    account, ids = hashlib.sha256(), []
    with Index.open(directory) as index:
        items = sorted(index.catalog.page(limit=10**9), key=lambda item: item.id)
        for start in range(0, len(items), CHUNK):
            part = items[start : start + CHUNK]
            vectors = index.catalog.vectors([item.id for item in part], model=index.bundle.id)
            for item in part:
                account.update(f"{item.id} {item.key} {item.sha256}".encode() + vectors[item.id].tobytes())
            if start == 0:
                queries = np.stack([vectors[item.id] for item in part[:QUERIES]])
        ids = [[match.id for match in row] for row in index.snapshot().search(queries, K)]
    return {"count": len(items), "account": account.hexdigest(), "found": ids}


if __name__ == "__main__":
    main()
