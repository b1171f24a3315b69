"""Swap generations under load: one process adds, deletes and publishes while this process searches at a steady rate.

    OMP_NUM_THREADS=1 python -m benchmarks.index_swaps [--count 100000] [--dimension 384] [--generations 100]

The writer adds and deletes while it publishes one generation after the other. Every result is checked:

- A query finds its own item first, with similarity 1, even if the item was added a moment ago.
- No search finds an item whose deletion was acknowledged before the search began.
- k results come back, each with the cosine of its vector.

The latency while a generation is loaded is compared with the latency beside the same adds and deletes before the first
publish, and with the latency before the writer started. Resident memory (without the vectors that the check needs)
after the last ten swaps is compared with that after the first ten.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from array import array
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from itertools import takewhile
from pathlib import Path
from typing import IO, TypeAlias

import faiss
import numpy as np
import numpy.typing as npt

from benchmarks.index_million import write_bundle
from benchmarks.mixture import Floats, cluster_centres, members, mixture
from copysight.catalog import Added, NewItem
from copysight.index import Index, Match, Snapshot, publish
from copysight.index.generations.index_type import IndexType
from service.runtime import malloc, threads

CHUNK = 1000
K = 10
BATCH = 20  # items that the writer adds, and deletes, per turn
NEVER = 2**31 - 1
SEED = 0
SAME = 1e-5
EVENT_DELAY = 2.0  # seconds that an event of the writer may take
LATEST = 200  # number of recently added items that are searched for

HELP = {
    "count": "Number of vectors.",
    "dimension": "Dimension of the vectors.",
    "generations": "Number of generations to publish.",
    "rate": "Searches per second.",
    "quiet": "Seconds without a writer, and again with a writer that does not publish.",
    "turns": "Turns of adds and deletes per second.",
    "nice": "Niceness of the writer.",
    "lists": "Lists of the FAISS index.",
    "clusters": "Clusters of a generation.",
    "limit": "Seconds after which no further generation is started.",
}

Times: TypeAlias = "array[float]"  # seconds


@dataclass(frozen=True)
class Load:
    """The load: ``rate`` searches per second, ``turns`` of adds and deletes per second.

    For ``quiet`` seconds there is no writer. For another ``quiet`` seconds the writer publishes nothing.

    The writer runs with the niceness ``nice``, as the rebuild worker of the service does. The FAISS index has fewer
    ``lists``, and the generation fewer ``clusters``, than usual, because swaps are measured and not builds. After
    ``limit`` seconds no further generation is started.
    """

    count: int = 100_000
    dimension: int = 384
    generations: int = 100
    rate: float = 100.0
    quiet: float = 30.0
    turns: float = 2.0
    nice: int = 10
    lists: int = 128
    clusters: int = 16
    limit: float = 7200.0

    @property
    def centres(self) -> int:
        """Number of mixture centres, with fifty members each."""
        return max(1, self.count // 50)

    @property
    def choice(self) -> IndexType:
        """IVF index that probes an eighth of its lists, but at least 8."""
        return IndexType("ivf_sq8", lists=self.lists, probes=min(self.lists, max(8, self.lists // 8)))


@dataclass
class Record:
    """What the reader measured: seconds of each search, megabytes after each swap, and wrong results (``faults``).

    ``deleted_after`` holds, by id, the number of acknowledged deletes at the time of the acknowledgement. An item that
    is ``deleting`` may be found or not. ``new`` are the latest added items. The arrays have a fixed size, because the
    memory of this process is measured.

    Searches are grouped: ``idle`` without a writer, ``writes`` beside adds and deletes, ``builds`` while a generation
    is built as well, ``loads`` while a generation is loaded.
    """

    deleted_after: npt.NDArray[np.int32]
    deleting: npt.NDArray[np.bool_]
    idle: Times = field(default_factory=lambda: array("d"))
    writes: Times = field(default_factory=lambda: array("d"))
    builds: Times = field(default_factory=lambda: array("d"))
    loads: Times = field(default_factory=lambda: array("d"))
    memory: list[float] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    new: deque[tuple[int, Floats]] = field(default_factory=lambda: deque(maxlen=LATEST))
    added: int = 0
    deleted: int = 0
    publishing: bool = False
    ended: bool = False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in vars(Load()).items():
        parser.add_argument(f"--{name}", type=type(value), default=value, help=f"{HELP[name]} Default: {value}.")
    parser.add_argument("--directory", help="Folder for temporary files. By default that of the system.")
    parser.add_argument("--writer", help=argparse.SUPPRESS)
    options = vars(parser.parse_args())
    scratch, writer = options.pop("directory"), options.pop("writer")
    faiss.omp_set_num_threads(1)
    if writer:
        write(Path(writer), Load(**options))
        return
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        record = measure(Path(folder), Load(**options))
    report(record)
    if record.faults:
        sys.exit(f"{len(record.faults)} wrong results; the first: {record.faults[0]}")


def measure(scratch: Path, load: Load) -> Record:
    """Fill an index, search it without a writer, start the writer, search until the writer ends."""
    malloc.limit_arenas()  # both calls as in the server
    threads.shorten_switch_interval()
    vectors = mixture(load.count, load.dimension, centres=load.centres, planted=1, seed=SEED).vectors
    capacity = load.count + 1_000_000
    record = Record(np.full(capacity, NEVER, np.int32), np.zeros(capacity, np.bool_))
    with Index.create(scratch / "index", write_bundle(scratch / "bundle", load.dimension)) as index:
        for start in range(0, load.count, CHUNK):
            add(index, [(f"fixed/{row}", vectors[row]) for row in range(start, min(load.count, start + CHUNK))])
        publish(index, choice=load.choice, clusters=load.clusters)
        reader = Reader(index, vectors, record)
        end = time.perf_counter() + load.quiet
        reader.search(load.rate, lambda: record.idle, lambda: time.perf_counter() > end)
        with writer_process(scratch / "index", load, record):
            reader.search(load.rate, lambda: times_for(record), lambda: record.ended)
    return record


def times_for(record: Record) -> Times:
    """Return the list of times for a search that begins now, beside the writer."""
    if not record.publishing:
        return record.writes
    return record.loads if loads() else record.builds


class Reader:
    """Search for stored vectors and check every result. The writer deletes from the last tenth of the vectors."""

    def __init__(self, index: Index, vectors: Floats, record: Record) -> None:
        self.index, self.vectors, self.record = index, vectors, record
        self.rng = np.random.default_rng(1)
        self.name = generation(index.snapshot())

    def search(self, rate: float, times_for: Callable[[], Times], ended: Callable[[], bool]) -> None:
        """Search ``rate`` times per second until ``ended``. ``times_for`` returns the list for the time of a search."""
        due = time.perf_counter()
        while not ended():
            due = max(due + 1 / rate, time.perf_counter())
            self.once(times_for())
            time.sleep(max(0.0, due - time.perf_counter()))

    def once(self, times: Times) -> None:
        """Run and check one search."""
        own, query = self._query()
        acknowledged = self.record.deleted
        start = time.perf_counter()
        snapshot = self.index.snapshot()
        (matches,) = snapshot.search(query[None], K)
        times.append(time.perf_counter() - start)
        self.record.faults += self._faults(own, query, matches, acknowledged)
        if self.name != generation(snapshot) and not loads():  # the previous generation is released
            self.name = generation(snapshot)
            self.record.memory.append(resident() - self.vectors.nbytes / 1e6)
            print(f"{self.name}: {self.record.memory[-1]:.0f} MB, {searches(self.record):,} searches", flush=True)

    def _query(self) -> tuple[int, Floats]:
        if self.record.new and self.rng.random() < 0.2:
            return self.record.new[int(self.rng.integers(len(self.record.new)))]
        row = int(self.rng.integers(len(self.vectors) * 9 // 10))
        return row + 1, self.vectors[row]

    def _faults(self, own: int, query: Floats, matches: Sequence[Match], acknowledged: int) -> Iterator[str]:
        deleted_after = self.record.deleted_after
        if (matches[0].id != own or matches[0].similarity != 1.0) and not self._is_going(own):
            yield f"the query for {own} found {matches[:2]}"
        if len(matches) != K:
            yield f"the query for {own} found {len(matches)} results"
        for match in matches:
            if deleted_after[match.id] < acknowledged:
                yield f"the deleted item {match.id} was found"
            if match.id <= len(self.vectors) and abs(self.vectors[match.id - 1] @ query - match.similarity) > SAME:
                yield f"the query for {own} found {match}, which is not its cosine"

    def _is_going(self, id_: int) -> bool:
        """Whether the writer announced the deletion of the item. Its event may arrive a little later."""
        end = time.perf_counter() + EVENT_DELAY
        while not self.record.deleting[id_] and time.perf_counter() < end:
            time.sleep(0.01)
        return bool(self.record.deleting[id_])


@contextmanager
def writer_process(directory: Path, load: Load, record: Record) -> Iterator[None]:
    """Run a process that writes to the index. Its acknowledgements go into the record."""
    command = [sys.executable, "-m", "benchmarks.index_swaps", "--writer", str(directory)]
    command += [f"--{name}={value}" for name, value in vars(load).items()]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        listener = threading.Thread(target=read_events, args=(writer.stdout, load, record))
        listener.start()
        yield
        listener.join()
    if writer.returncode:
        record.faults.append(f"the writer ended with {writer.returncode}")


def write(directory: Path, load: Load) -> None:
    """Publish the generations while a thread adds and deletes equally many items."""
    os.nice(load.nice)
    stop = threading.Event()
    with Index.open(directory) as index:
        writer_thread = threading.Thread(target=add_and_delete, args=(index, load, stop))
        writer_thread.start()
        try:
            time.sleep(load.quiet)
            send_event({"publishing": True})
            end = time.perf_counter() + load.limit
            for _ in takewhile(lambda _: time.perf_counter() < end, range(load.generations)):
                publish(index, choice=load.choice, clusters=load.clusters)
        finally:
            stop.set()
            writer_thread.join()


def add_and_delete(index: Index, load: Load, stop: threading.Event) -> None:
    """Add and delete equally many items at a steady rate, and send an event for each acknowledgement."""
    rng = np.random.default_rng(2)
    alive = list(range(load.count * 9 // 10 + 1, load.count + 1))
    number = 0
    while not stop.wait(1 / load.turns):
        added = add(index, [(f"new/{number}/{i}", vector) for i, vector in enumerate(new_vectors(number, load))])
        chosen = [alive.pop(int(rng.integers(len(alive)))) for _ in range(BATCH)]
        send_event({"new": added, "number": number})
        send_event({"going": chosen})
        index.delete(chosen)
        send_event({"gone": chosen})
        alive += added
        number += 1


def new_vectors(number: int, load: Load) -> Floats:
    """Return the vectors (BATCH, D) that one turn adds: further members of the same mixture."""
    rng = np.random.default_rng([2, number])
    return members(_cluster_centres(load), rng.integers(load.centres, size=BATCH), rng)


@cache
def _cluster_centres(load: Load) -> Floats:
    return cluster_centres(load.centres, load.dimension, np.random.default_rng(SEED))


def send_event(event: dict[str, object]) -> None:
    """Send an event to the reader."""
    print(json.dumps(event), flush=True)


def read_events(output: IO[str], load: Load, record: Record) -> None:
    """Read the events of the writer until it ends."""
    for line in output:
        event = json.loads(line)
        if "publishing" in event:
            record.publishing = True
        elif "going" in event:
            record.deleting[event["going"]] = True
        elif "gone" in event:
            record.deleted_after[event["gone"]] = record.deleted
            record.deleted += 1
        else:
            record.new.extend(zip(event["new"], new_vectors(event["number"], load), strict=True))
            record.added += len(event["new"])
    record.ended = True


def add(index: Index, new: list[tuple[str, Floats]]) -> list[int]:
    """Add vectors by key; return their ids."""
    items = [NewItem(key, hashlib.sha256(key.encode()).hexdigest(), 1, 1, vector) for key, vector in new]
    return [one.item.id for one in index.catalog.add(items, model=index.catalog.model()) if isinstance(one, Added)]


def loads() -> bool:
    """Whether a generation is being loaded."""
    return any(thread.name == "index-load" for thread in threading.enumerate())


def generation(snapshot: Snapshot) -> str | None:
    return snapshot.generation.name if snapshot.generation is not None else None


def resident() -> float:
    """Return the resident memory in megabytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def report(record: Record) -> None:
    """Print the results."""
    print(f"{len(record.memory)} generations served, {searches(record):,} searches, every result checked")
    print(f"{record.added:,} items added and {record.deleted * BATCH:,} deleted; {len(record.faults)} wrong results")
    for group in ("idle", "writes", "builds", "loads"):
        taken = getattr(record, group)
        percentiles = ", ".join(f"p{p} {percentile(taken, p):.2f} ms" for p in (50, 99))
        print(f"{group:8} {len(taken):8,} searches: {percentiles}")
    print(f"p99 of loads is {slowdown(record.loads, record.writes):.2f} times that of writes")
    print(f"p99 of loads is {slowdown(record.loads, record.idle):.2f} times that of idle")
    print(f"memory after the last ten swaps: {growth(record):+.1%} compared with the first ten")


def searches(record: Record) -> int:
    return sum(len(taken) for taken in (record.idle, record.writes, record.builds, record.loads))


def slowdown(slow: Times, without: Times) -> float:
    """Return the ratio of the 99th percentiles of two groups of searches."""
    return percentile(slow, 99) / max(percentile(without, 99), 1e-9)


def growth(record: Record) -> float:
    """Return the relative growth of memory from the first ten swaps to the last ten."""
    ten = max(1, min(10, len(record.memory) // 2))
    return float(np.mean(record.memory[-ten:]) / np.mean(record.memory[:ten])) - 1


def percentile(seconds: Times, percent: float) -> float:
    """Return a percentile in milliseconds."""
    return float(np.percentile(seconds or [0.0], percent)) * 1e3


if __name__ == "__main__":
    main()
