"""Find writes of a process that were not durable when it acknowledged them, or when it swapped the pointer.

The process runs with `trace.c` preloaded, which records the calls of all libraries, including SQLite, without the
rights of a debugger. It misses writes through libc's streams (FAISS), so the files of a generation are also checked
directly.
"""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

# SQLite restores its file and shared memory from its log, and a lock file has no content.
IGNORED = (".sqlite", "-shm", ".lock")
LOG = "-wal"  # must be durable at an acknowledgement; a swap of the pointer happens inside a transaction


@dataclass(frozen=True)
class Event:
    """A recorded call: its kind, its path, and the size and modification time of the file at that moment."""

    what: str
    path: str
    target: str
    size: int
    time: int


@dataclass(frozen=True, order=True)
class Dirty:
    """A file or directory that would not survive a power cut, because of a change of ``cause``."""

    path: str
    cause: str


def build(room: Path) -> Path:
    """Compile the tracer."""
    library = room / "trace.so"
    source = Path(__file__).with_name("trace.c")
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", library, source, "-ldl"], check=True)
    return library


def environment(tracer: Path, log: Path) -> dict[str, str]:
    """Environment variables for a process that is traced into ``log``."""
    return {**os.environ, "LD_PRELOAD": str(tracer), "COPYSIGHT_TEST_TRACE": str(log)}


def read(log: Path) -> list[Event]:
    """The recorded events, in order."""
    lines = [line.split("\t") for line in log.read_text().splitlines()]
    return [Event(what, path, target, int(size), int(time)) for what, path, target, size, time in lines]


def files_below(directory: Path) -> set[str]:
    """Existing files, whose directory entries are already durable."""
    return {str(path) for path in directory.rglob("*")}


def faults(events: list[Event], directory: Path, known: set[str]) -> list[str]:
    """Faults: acknowledgements and swaps of the pointer before which something in ``directory`` was not durable."""
    found: list[str] = []
    dirty: set[Dirty] = set()
    known = set(known)
    for i, event in enumerate(events):
        if event.what == "said":
            found += [f"{event.path!r} was said before {one.path} was synced" for one in sorted(dirty)]
        if event.what == "rename" and event.target == str(directory / "CURRENT"):
            unsynced = [one for one in sorted(dirty) if not one.cause.endswith(LOG) and one.cause != event.path]
            found += [f"the pointer was swapped before {one.path} was synced" for one in unsynced]
            found += _generation_faults(events[:i], directory)
        if event.what == "sync":
            dirty = {one for one in dirty if one.path != event.path}
        elif event.what == "syncfs":
            dirty = set()
        elif event.what != "said":
            dirty = _after(event, directory, dirty, known)
    return found


def _after(event: Event, directory: Path, dirty: set[Dirty], known: set[str]) -> set[Dirty]:
    """What is not durable after a write, a rename or a new directory: file contents and directory entries."""
    path = event.target or event.path
    if not path.startswith(f"{directory}/") or path.endswith(IGNORED):
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
    """Faults of the newest generation: its files must have the state that they had at their last sync."""
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
