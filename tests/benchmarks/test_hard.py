"""copybench-hard: the same arguments make the same files, and what is not indexed has no copy in the index."""

import csv
import subprocess
import sys
import tarfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks import hard
from benchmarks.hard_edits import EDITS, edited
from copysight.pictures import edits as known


def shard(path, names, drawn, jpeg):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for seed, name in enumerate(names):
            body = jpeg(drawn(seed + 1000 * len(path.name), (128, 96)))
            info = tarfile.TarInfo(name)
            info.size = len(body)
            tar.addfile(info, BytesIO(body))


@pytest.fixture(scope="module")
def data(tmp_path_factory, drawn, jpeg):
    """The layout of the project's pictures, with a few drawn ones."""
    folder = tmp_path_factory.mktemp("data")
    for number in range(2):
        shard(folder / f"photos/photos-0000{number}.tar", [f"{place}.jpg" for place in range(6)], drawn, jpeg)
    shard(folder / "labelled/set.tar", [f"set/val/{place % 2}/{place}.jpg" for place in range(18)], drawn, jpeg)
    frames = [f"DAVIS/JPEGImages/480p/dog/{place:05d}.jpg" for place in range(50)]
    shard(folder / "video/davis_sample.tar", frames, drawn, jpeg)
    for name in ("open", "train"):
        shard(folder / f"graphics/{name}.tar", [f"{place:05d}.webp" for place in range(8)], drawn, jpeg)
    rows = "\n".join(f"{place:05d}.webp,chart,source{place % 2}" for place in range(8))
    (folder / "graphics/open.csv").write_text(f"file,kind,source\n{rows}\n")
    return folder


def make(data, out):
    words = [str(data), str(out), "--queries", "40", "--pages", "2", "--distractors", "20", "--seed", "3"]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.hard", *words],
        cwd=Path(hard.__file__).parents[1], capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return {name: (out / name).read_bytes() for name in ("references.tar", "queries.tar", "ground_truth.csv")}


def test_the_same_arguments_make_the_same_benchmark(data, tmp_path):
    first, second = make(data, tmp_path / "a"), make(data, tmp_path / "b")
    assert first == second
    rows = list(csv.DictReader(first["ground_truth.csv"].decode().splitlines()))
    with tarfile.open(tmp_path / "a" / "references.tar") as tar:
        names = [Path(name).stem for name in tar.getnames()]
    with tarfile.open(tmp_path / "a" / "queries.tar") as tar:
        assert {Path(name).stem for name in tar.getnames()} == {row["query_id"] for row in rows}
    assert len(names) == len(set(names))
    assert {row["reference_id"] for row in rows} - {""} <= set(names)
    for kind in ("photo", "shot", "video", "graphic", "page"):
        copies = [bool(row["reference_id"]) for row in rows if row["kind"] == kind]
        assert copies.count(True) == copies.count(False) == 4
    assert not any(name.startswith("photos-00001") for name in names), "the last shard is the background"


def test_what_is_not_indexed_is_no_distractor(data):
    kinds = hard.kinds_of(data, 2, np.random.default_rng(0))
    for kind in kinds.values():
        assert not {item.name for item in kind.indexed} & {item.name for item in kind.away}
    frames = {side: [int(item.name[-5:]) for item in getattr(kinds["video"], side)] for side in ("indexed", "away")}
    assert min(frames["away"]) - max(frames["indexed"]) >= hard.GAP


@pytest.mark.parametrize("size", [(100, 60), (60, 100)])
def test_two_shots_of_a_photograph_share_no_pixel(size):
    """Each pixel has its own value, so a shared one would be seen."""
    values = np.arange(size[0] * size[1]).reshape(size[1], size[0])
    picture = Image.fromarray(np.stack([values // 256, values % 256, 0 * values], axis=2).astype(np.uint8))
    item = hard.Item("one", lambda: picture)
    first, second = (set(map(tuple, np.asarray(hard._shot(item, side).read()).reshape(-1, 3))) for side in (0, 1))
    assert len(first) == len(second) == round(size[0] * size[1] * hard.PART)
    assert not first & second


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_changes_the_picture_and_depends_only_on_its_seed(name, drawn):
    grain = np.random.default_rng(0).integers(-20, 21, (120, 160, 3))
    picture, second = Image.fromarray((np.asarray(drawn(1)) + grain).clip(0, 255).astype(np.uint8)), drawn(2)
    first, again = (EDITS[name](picture, np.random.default_rng(0), second).convert("RGB") for _ in range(2))
    assert first.tobytes() == again.tobytes()
    assert first.size != picture.size or np.abs(np.asarray(first, float) - np.asarray(picture, float)).mean() > 0.5
    assert name not in known.NAMES


@pytest.mark.parametrize(("level", "count"), [("light", 1), ("medium", 1), ("strong", 3)])
def test_a_level_has_its_number_of_edits(level, count, drawn):
    picture, names = edited(drawn(1, (900, 700)), level, np.random.default_rng(0), drawn(2))
    assert len(set(names)) == count
    assert max(picture.size) <= 512
