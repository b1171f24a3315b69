"""Traces a real process: an fsync precedes every acknowledgement and every swap of a pointer."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from copysight.index import Index, publish

SCRIPT = """
import os, sys
from pathlib import Path
from tests.copysight.index.crash_writer import items
from copysight.index import Index, publish, rollback
from copysight.catalog import database

sabotage = sys.argv[2]
if sabotage == "database":
    prepare = database._prepare
    def unsafe(connection, record):
        prepare(connection, record)
        connection.execute("PRAGMA synchronous=OFF")
    database._prepare = unsafe
if sabotage == "files":
    os.fsync = lambda handle: None

def said(what):
    os.write(1, (what + chr(10)).encode())

with Index.open(Path(sys.argv[1])) as index:
    model = index.bundle.id
    said("begin")
    with index.blobs.hold():
        sha256 = index.blobs.put_original(b"picture")
        index.catalog.add(items(100, 1), model=model)
    said("added")
    index.catalog.add(items(200, 300), model=model)
    said("added in bulk")
    index.catalog.set_metadata(1, {"a": 1})
    said("described")
    index.delete([2, 3])
    said("deleted")
    index.catalog.jobs.create("rebuild")
    said("job made")
    publish(index)
    said("published")
    rollback(index)
    said("rolled back")
"""
SAID = ["begin", "added", "added in bulk", "described", "deleted", "job made", "published", "rolled back"]


@dataclass(frozen=True)
class Event:
    what: str
    path: str
    target: str
    size: int
    time: int


@pytest.fixture(scope="module")
def tracer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    library = tmp_path_factory.mktemp("trace") / "trace.so"
    source = Path(__file__).with_name("trace.c")
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
    return library


def trace(index: Index, add: Callable, tracer: Path, sabotage: str) -> list[Event]:
    add(index, *range(10))
    publish(index)
    index.close()
    log = index.directory.parent / "trace.tsv"
    subprocess.run(
        [sys.executable, "-c", SCRIPT, str(index.directory), sabotage],
        check=True,
        stdout=subprocess.DEVNULL,
        cwd=Path(__file__).parents[3],
        env={**os.environ, "LD_PRELOAD": str(tracer), "COPYSIGHT_TEST_TRACE": str(log)},
    )
    lines = [line.split("\t") for line in log.read_text().splitlines()]
    return [Event(what, path, target, int(size), int(time)) for what, path, target, size, time in lines]


def unsynced(events: list[Event]) -> set[str]:
    """Files written, and directories with renames in them, that no later sync has made durable."""
    dirty: set[str] = set()
    for event in events:
        if event.what == "write":
            dirty.add(event.path)
        elif event.what == "sync":
            dirty.discard(event.path)
        elif event.what == "rename":
            dirty = {event.target if path == event.path else path for path in dirty}
            dirty.add(str(Path(event.target).parent))
    return dirty


def faults(events: list[Event], directory: Path) -> list[str]:
    """Every acknowledgement, and every swap of the pointer, before which something was not durable."""
    found = []
    for i, event in enumerate(events):
        # The database's own file and shared memory are made again from its log; a lock file holds nothing.
        log_matters = event.what == "said"
        passing = (".sqlite", "-shm", ".lock", *(() if log_matters else ("-wal",)))
        dirty = {
            path for path in unsynced(events[:i]) if path.startswith(str(directory)) and not path.endswith(passing)
        }
        if event.what == "said" and dirty:
            found.append(f"{event.path!r} was said before {sorted(dirty)} were synced")
        if event.what == "rename" and event.target.endswith("/CURRENT"):
            found += [f"the pointer was swapped before {path} was synced" for path in sorted(dirty)]
            found += generation_faults(events[:i], directory)
    return found


def generation_faults(events: list[Event], directory: Path) -> list[str]:
    """Files of the newest generation, however they were written, must be now as they were at their last sync."""
    made = [event for event in events if event.what == "rename" and Path(event.target).parent.name == "generations"]
    if not made:
        return []
    temporary, final = made[-1].path, Path(made[-1].target)
    synced = {event.path: (event.size, event.time) for event in events if event.what == "sync"}
    found = [] if temporary in synced else [f"the directory {final.name} was never synced"]
    for file in final.iterdir():
        state = file.stat()
        if synced.get(f"{temporary}/{file.name}") != (state.st_size, state.st_mtime_ns):
            found.append(f"{file.name} of {final.name} was not synced after its last write")
    return found


def test_an_fsync_precedes_every_acknowledgement_and_every_swap(index: Index, add: Callable, tracer: Path) -> None:
    events = trace(index, add, tracer, "none")
    assert [event.path for event in events if event.what == "said"] == SAID
    assert sum(event.what == "rename" and event.target.endswith("/CURRENT") for event in events) == 2
    assert faults(events, index.directory) == []


@pytest.mark.parametrize(
    ("sabotage", "expected"),
    [
        ("database", ["'added' was said", "'deleted' was said", "'rolled back' was said"]),
        ("files", ["the pointer was swapped", "vectors.f32 of 000002 was not synced", "'added' was said"]),
    ],
)
def test_the_trace_notices_a_missing_fsync(
    index: Index, add: Callable, tracer: Path, sabotage: str, expected: list[str]
) -> None:
    found = " | ".join(faults(trace(index, add, tracer, sabotage), index.directory))
    for part in expected:
        assert part in found
