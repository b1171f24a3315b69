"""The library, the server and the builder fsync before every acknowledgement and every swap of the pointer."""

import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from copysight.index import Index, publish
from tests.copysight.conftest import written_bundle
from tests.copysight.index.crash_writer import items
from tests.faults import tracing
from tests.faults.killer import ROOT

SCRIPT = """
import os, sys
from pathlib import Path
from PIL import Image
from tests.copysight.index.crash_writer import items
from copysight.index import Index, publish, rollback, backup
from copysight.catalog.engines.sqlite import engine

sabotage = sys.argv[2]
if sabotage == "database":
    prepare = engine._prepare
    def unsafe(connection, record):
        prepare(connection, record)
        connection.execute("PRAGMA synchronous=OFF")
    engine._prepare = unsafe
if sabotage == "files":
    os.fsync = lambda handle: None

def said(what):
    os.write(1, (what + chr(10)).encode())

with Index.open(Path(sys.argv[1])) as index:
    model = index.bundle.id
    said("begin")
    with index.blobs.hold():
        sha256 = index.blobs.put_original(b"picture")
        index.blobs.put_thumbnail(sha256, Image.new("RGB", (9, 9)))
        index.catalog.add(items(100, 1), model=model)
    said("added")
    index.catalog.add(items(200, 300), model=model)
    said("added in bulk")
    index.catalog.set_metadata(1, {"a": 1})
    said("described")
    index.catalog.fields.declare("a")
    said("field declared")
    index.delete([2, 3])
    said("deleted")
    index.catalog.jobs.create("rebuild")
    said("job made")
    publish(index)
    said("published")
    rollback(index)
    said("rolled back")
    backup(index, index.directory / "saved")
    said("saved")
"""
SAID = [
    "begin",
    "added",
    "added in bulk",
    "described",
    "field declared",
    "deleted",
    "job made",
    "published",
    "rolled back",
    "saved",
]
REBUILT = 120.0  # seconds to wait for the worker


@pytest.fixture(scope="module")
def tracer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tracing.build(tmp_path_factory.mktemp("trace"))


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """An index with ten items in a generation, whose bundle has no model graph."""
    bundle = written_bundle(tmp_path / "bundle", "bare")
    with Index.create(tmp_path / "bare", bundle.path) as index:
        index.catalog.add(items(0, 10), model=bundle.id)
        publish(index)
    return tmp_path / "bare"


def traced(script: str, index: Path, tracer: Path, *arguments: str) -> list[tracing.Event]:
    log = index.with_suffix(".trace")
    subprocess.run(
        [sys.executable, "-c", script, str(index), *arguments],
        check=True,
        stdout=subprocess.DEVNULL,
        cwd=ROOT,
        env=tracing.environment(tracer, log),
    )
    return tracing.read(log)


def words(events: list[tracing.Event]) -> list[str]:
    return [event.path for event in events if event.what == "said"]


def swaps(events: list[tracing.Event]) -> int:
    return sum(event.what == "rename" and event.target.endswith("/CURRENT") for event in events)


def test_the_library_syncs_before_it_acknowledges(bare: Path, tracer: Path) -> None:
    known = tracing.files_below(bare)
    events = traced(SCRIPT, bare, tracer, "none")
    assert words(events) == SAID
    assert swaps(events) == 2
    assert tracing.faults(events, bare, known) == []


@pytest.mark.parametrize(
    ("sabotage", "expected"),
    [
        ("database", ["'added' was said", "'deleted' was said", "'rolled back' was said"]),
        ("files", ["the pointer was swapped", "vectors.f32 of 000002 was not synced", "'added' was said"]),
    ],
)
def test_a_missing_fsync_is_detected(bare: Path, tracer: Path, sabotage: str, expected: list[str]) -> None:
    known = tracing.files_below(bare)
    found = " | ".join(tracing.faults(traced(SCRIPT, bare, tracer, sabotage), bare, known))
    for part in expected:
        assert part in found


def test_the_server_syncs_before_it_acknowledges(index: Path, tracer: Path, draw: Callable[[int], bytes]) -> None:
    known, log = tracing.files_below(index), index.with_suffix(".trace")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "cli", "serve", "--index", str(index), "--port", str(port)]
    with (
        index.with_suffix(".log").open("wb") as output,
        subprocess.Popen(command, cwd=ROOT, env=tracing.environment(tracer, log), stderr=output) as server,
    ):
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as http:
            _wait(http)
            answers = _written(http, draw)
            _rebuilt(http, index)
            answers.append(http.post("/index/rollback").status_code)
        server.terminate()
    events = tracing.read(log)
    assert answers == [201, 200, 200, 204, 200]
    assert sum(word.startswith("HTTP/1.1 2") for word in words(events)) >= len(answers) + 1
    assert swaps(events) == 2
    assert tracing.faults(events, index, known) == []


def _wait(http: httpx.Client) -> None:
    for _ in range(1200):
        try:
            http.get("/readyz")
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return


def _written(http: httpx.Client, draw: Callable[[int], bytes]) -> list[int]:
    added = http.post("/images?key=a", files={"file": draw(70)})
    url = f"/images/{added.json()['id']}"
    return [
        added.status_code,
        http.post("/images?key=a&replace=true", files={"file": draw(71)}).status_code,
        http.patch(url, json={"metadata": {"album": "x"}}).status_code,
        http.delete(url).status_code,
    ]


def _rebuilt(http: httpx.Client, index: Path) -> None:
    """Rebuild, and send no requests until it is done, because the worker's writes would mix with the responses."""
    before = (index / "CURRENT").read_text()
    assert http.post("/index/rebuild").status_code == 202
    deadline = time.monotonic() + REBUILT
    with Index.open(index) as opened:
        while (index / "CURRENT").read_text() == before or opened.catalog.jobs.list(1)[0].state != "done":
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_the_builder_syncs_before_it_acknowledges(
    index: Path, tracer: Path, draw: Callable[[int], bytes], tmp_path: Path
) -> None:
    folder, known = tmp_path / "more", tracing.files_below(index)
    folder.mkdir()
    for seed in range(80, 88):
        (folder / f"{seed}.jpg").write_bytes(draw(seed))
    orders = [["build", str(folder), "--chunk", "3", "--threads", "1"], ["remove", "--key", "80.jpg"], ["rollback"]]
    script = "import sys; from cli.main import main; main(['index', *sys.argv[2:], '--index', sys.argv[1]])"
    for order in orders:
        events = traced(script, index, tracer, *order)
        assert words(events), order
        assert tracing.faults(events, index, known) == []
        known = tracing.files_below(index)
        index.with_suffix(".trace").unlink()
