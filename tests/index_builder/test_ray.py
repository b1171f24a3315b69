"""The batch job on a Ray cluster: the results of a local build, also when a worker or the build itself is killed."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from copysight.index import Index, verify
from tests.cluster.servers import RayCluster

Built = tuple[dict, Path]
pytestmark = pytest.mark.cluster
COUNT = 96
BUILD = """
import sys
from pathlib import Path
from index_builder.build import build
from index_builder.progress import Progress
from index_builder.stages.plan import Plan

source, index, bundle, ray = sys.argv[1:]
plan = Plan(Path(source), Path(index), bundle=bundle, ray=ray or None, chunk=16, threads=2)
print(build(plan, Progress(quiet=True)).to_json())
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    server = RayCluster()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory, drawn: Callable, jpeg: Callable) -> Path:
    root = tmp_path_factory.mktemp("ray") / "pictures"
    (root / "below").mkdir(parents=True)
    for seed in range(COUNT):
        (root / ("below" if seed % 3 else "") / f"{seed}.jpg").write_bytes(jpeg(drawn(seed, (320, 240))))
    (root / "bad.jpg").write_bytes(b"no picture")
    (root / "same.jpg").write_bytes((root / "0.jpg").read_bytes())
    (root / "notes.txt").write_text("no picture")
    return root


@pytest.fixture(scope="module")
def start(source: Path, tiny_bundle) -> Callable[..., subprocess.Popen]:
    def starting(index: Path, address: str = "") -> subprocess.Popen:
        command = [sys.executable, "-W", "ignore", "-c", BUILD, source, index, tiny_bundle.path, address]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    return starting


@pytest.fixture(scope="module")
def local(start: Callable, tmp_path_factory: pytest.TempPathFactory) -> Built:
    return finished(start(tmp_path_factory.mktemp("local") / "index"))


def finished(running: subprocess.Popen) -> Built:
    out, _ = running.communicate(timeout=300)
    assert running.returncode == 0
    return json.loads(out.splitlines()[-1]), Path(running.args[6])


def contents(directory: Path) -> dict[str, tuple]:
    """Each item with its vector and the bytes of its files, by key."""
    with Index.open(directory) as index:
        assert verify(index) == []
        items = index.catalog.page(limit=1000)
        vectors = index.catalog.vectors([item.id for item in items], index.bundle.id)
        return {
            item.key: (
                item.sha256, item.width, item.height, item.source, item.information, item.bytes,
                vectors[item.id].tobytes(), index.blobs.original(item.sha256), index.blobs.thumbnail(item.sha256),
            )
            for item in items
        }  # fmt: skip


def same(found: Built, local: Built) -> None:
    """Compare summaries, but for what depends on time and place, and all items."""
    varying = {"index", "seconds", "generation", "embedded", "resumed"}
    assert {k: v for k, v in found[0].items() if k not in varying} == {
        k: v for k, v in local[0].items() if k not in varying
    }
    assert contents(found[1]) == contents(local[1])


def test_the_results_are_those_of_a_local_build(
    cluster: RayCluster, start: Callable, local: Built, tmp_path: Path
) -> None:
    found = finished(start(tmp_path / "index", cluster.address))
    same(found, local)
    assert found[0]["embedded"] == local[0]["embedded"] == COUNT + 1
    assert found[0]["reasons"] == {"unsupported_format": 1}
    assert cluster.actors() == []


def test_a_worker_is_killed(cluster: RayCluster, start: Callable, local: Built, tmp_path: Path) -> None:
    running = start(tmp_path / "index", cluster.address)
    until = time.monotonic() + 120
    while not (actors := cluster.actors()):
        assert time.monotonic() < until
        time.sleep(0.05)
    os.kill(actors[0], signal.SIGKILL)
    same(finished(running), local)


def test_the_build_is_killed_and_continues(cluster: RayCluster, start: Callable, local: Built, tmp_path: Path) -> None:
    running = start(tmp_path / "index", cluster.address)
    until = time.monotonic() + 120
    while not list((tmp_path / "index").glob("staging/*/000001.npz")):
        assert time.monotonic() < until
        assert running.poll() is None
        time.sleep(0.02)
    running.kill()
    running.communicate()
    found = finished(start(tmp_path / "index", cluster.address))
    same(found, local)
    assert found[0]["resumed"] >= 32
    assert np.isclose(found[0]["resumed"] + found[0]["embedded"], COUNT + 2, atol=1)


def test_there_is_no_cluster(source: Path, tmp_path: Path, tiny_bundle) -> None:
    command = [sys.executable, "-W", "ignore", "-m", "cli", "index", "build", source, "--index", tmp_path / "index",
               "--bundle", tiny_bundle.path, "--ray", "127.0.0.1:1"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=200)
    assert done.returncode == 1
    assert "there is no Ray cluster at '127.0.0.1:1'" in done.stderr.splitlines()[-1]
