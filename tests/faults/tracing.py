"""Which writes of a process were durable when it acknowledged them, and when it swapped the pointer.

The process runs with `trace.c` preloaded, which sees the calls of every library, SQLite's too, without a debugger's
rights; only what libc's own streams write (FAISS) passes it by, so a generation's files are also looked at themselves.
"""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

# SQLite makes its file and shared memory again from its log; a lock file holds nothing.
PASSING = (".sqlite", "-shm", ".lock")
LOG = "-wal"  # matters to acknowledgements; a swap of the pointer happens inside a transaction


@dataclass(frozen=True)
class Event:
    """A call: of ``what`` kind, on which path, and the file's size and time of change then."""

    what: str
    path: str
    target: str
    size: int
    time: int


@dataclass(frozen=True, order=True)
class Dirty:
    """A file or directory whose state would not survive a power cut, because of what was done to ``cause``."""

    path: str
    cause: str


def build(room: Path) -> Path:
    """Compile the tracer."""
    library = room / "trace.so"
    source = Path(__file__).with_name("trace.c")
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", library, source, "-ldl"], check=True)
    return library


def environment(tracer: Path, log: Path) -> dict[str, str]:
    """For a process that is to be traced into ``log``."""
    return {**os.environ, "LD_PRELOAD": str(tracer), "COPYSIGHT_TEST_TRACE": str(log)}


def read(log: Path) -> list[Event]:
    """What happened, in order."""
    lines = [line.split("\t") for line in log.read_text().splitlines()]
    return [Event(what, path, target, int(size), int(time)) for what, path, target, size, time in lines]


def files_below(directory: Path) -> set[str]:
    """Files that are there before the process starts, whose directory entries are durable already."""
    return {str(path) for path in directory.rglob("*")}


def faults(events: list[Event], directory: Path, known: set[str]) -> list[str]:
    """Every acknowledgement, and every swap of the pointer, before which something below was not durable."""
    found: list[str] = []
    dirty: set[Dirty] = set()
    known = set(known)
    for i, event in enumerate(events):
        if event.what == "said":
            found += [f"{event.path!r} was said before {one.path} was synced" for one in sorted(dirty)]
        if event.what == "rename" and event.target == str(directory / "CURRENT"):
            matters = [one for one in sorted(dirty) if not one.cause.endswith(LOG) and one.cause != event.path]
            found += [f"the pointer was swapped before {one.path} was synced" for one in matters]
            found += _generation_faults(events[:i], directory)
        if event.what == "sync":
            dirty = {one for one in dirty if one.path != event.path}
        elif event.what == "syncfs":
            dirty = set()
        elif event.what != "said":
            dirty = _after(event, directory, dirty, known)
    return found


def _after(event: Event, directory: Path, dirty: set[Dirty], known: set[str]) -> set[Dirty]:
    """What is not durable after a write, a rename, or a new directory: contents of files, entries of directories."""
    path = event.target or event.path
    if not path.startswith(f"{directory}/") or path.endswith(PASSING):
        return dirty
    if event.what == "rename":
        dirty = {Dirty(path, path) if one.path == event.path else one for one in dirty}
    if event.what == "write":
        dirty = dirty | {Dirty(path, path)}
    if event.what == "rename" or path not in known:
        known.add(path)
        dirty = dirty | {Dirty(str(Path(path).parent), path)}
    return dirty


def _generation_faults(events: list[Event], directory: Path) -> list[str]:
    """Files of the newest generation, however they were written, must be now as they were at their last sync."""
    generations = directory / "generations"
    made = [event for event in events if event.what == "rename" and Path(event.target).parent == generations]
    made = [event for event in made if Path(event.target).name.isdigit()]
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
