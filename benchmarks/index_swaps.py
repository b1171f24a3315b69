"""Generations swapped under load: one process adds, deletes and publishes, this one searches at a steady rate.

    OMP_NUM_THREADS=1 python -m benchmarks.index_swaps [--count 100000] [--dimension 384] [--generations 100]

The writer adds and deletes while it publishes one generation after the other. Every answer is checked: a query finds
its own item first, at similarity 1, also one that was added a moment ago; no item is found whose deletion had been
acknowledged before the search began; k results come back, each with the cosine of its vector. Latency while a
generation is loaded is compared with that beside the same adds and deletes before the first generation is begun, and
with that before the writer started; resident memory (without the vectors that the check needs) after the last ten swaps
with that after the first ten.
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

from benchmarks.index_million import describe
from benchmarks.mixture import Floats, members, middles, mixture
from copysight.catalog import Added, NewItem
from copysight.index import Index, Match, Snapshot, publish
from copysight.index.generations.index_type import Choice
from service.runtime import malloc, threads

CHUNK = 1000
K = 10
BATCH = 20  # items added, and deleted, in one turn of the writer
NEVER = 2**31 - 1
SEED = 0
SAME = 1e-5
PATIENCE = 2.0  # seconds
LATEST = 200  # added items that are asked for

Times: TypeAlias = "array[float]"  # seconds


@dataclass(frozen=True)
class Load:
    """``rate`` searches a second; ``turns`` of adds and deletes a second.

    For ``quiet`` seconds there is no writer, then for as long one that publishes nothing.

    The writer is niced by ``nice``, as the service's own worker is. ``lists`` of the FAISS index and ``clusters`` are
    fewer than usual, because it is the swaps that are measured and not the builds. After ``limit`` seconds no further
    generation is begun.
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
        """Fifty members each."""
        return max(1, self.count // 50)

    @property
    def choice(self) -> Choice:
        """Probes as many as an eighth of the lists, 8 at least."""
        return Choice("ivf_sq8", lists=self.lists, probes=min(self.lists, max(8, self.lists // 8)))


@dataclass
class Record:
    """What the reader saw: seconds of each search, megabytes after each swap, and what was wrong.

    ``gone`` holds by id how many deletes had been acknowledged when that one was; an item that is ``going`` may be
    found or not; ``new`` are the latest added items. Of fixed size: the memory of this very process is measured.

    Searches are ``idle`` without a writer, ``writes`` beside adds and deletes alone, ``builds`` when generations are
    being built, too, and ``loads`` when one is being loaded.
    """

    gone: npt.NDArray[np.int32]
    going: npt.NDArray[np.bool_]
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
    parser = argparse.ArgumentParser(description=__doc__)
    for name, value in vars(Load()).items():
        parser.add_argument(f"--{name}", type=type(value), default=value)
    parser.add_argument("--directory", help="where the scratch directory goes")
    parser.add_argument("--writer", help=argparse.SUPPRESS)
    options = vars(parser.parse_args())
    scratch, writer = options.pop("directory"), options.pop("writer")
    faiss.omp_set_num_threads(1)
    if writer:
        write(Path(writer), Load(**options))
        return
    with tempfile.TemporaryDirectory(dir=scratch) as room:
        record = measured(Path(room), Load(**options))
    report(record)
    if record.faults:
        sys.exit(f"{len(record.faults)} wrong answers, the first: {record.faults[0]}")


def measured(scratch: Path, load: Load) -> Record:
    """Fill an index, search it alone, start the writer, search until it ends."""
    malloc.limit_arenas()  # both as the server does
    threads.take_short_turns()
    vectors = mixture(load.count, load.dimension, centres=load.centres, planted=1, seed=SEED).vectors
    room = load.count + 1_000_000
    record = Record(np.full(room, NEVER, np.int32), np.zeros(room, np.bool_))
    with Index.create(scratch / "index", describe(scratch / "bundle", load.dimension)) as index:
        for start in range(0, load.count, CHUNK):
            add(index, [(f"fixed/{row}", vectors[row]) for row in range(start, min(load.count, start + CHUNK))])
        publish(index, choice=load.choice, clusters=load.clusters)
        reader = Reader(index, vectors, record)
        end = time.perf_counter() + load.quiet
        reader.search(load.rate, lambda: record.idle, lambda: time.perf_counter() > end)
        with writing(scratch / "index", load, record):
            reader.search(load.rate, lambda: kind(record), lambda: record.ended)
    return record


def kind(record: Record) -> Times:
    """Where the time of a search is noted that begins now, beside the writer."""
    if not record.publishing:
        return record.writes
    return record.loads if loads() else record.builds


class Reader:
    """Asks for stored vectors, and checks every answer. The writer deletes from the last tenth of them."""

    def __init__(self, index: Index, vectors: Floats, record: Record) -> None:
        self.index, self.vectors, self.record = index, vectors, record
        self.rng = np.random.default_rng(1)
        self.name = generation(index.snapshot())

    def search(self, rate: float, kind: Callable[[], Times], ended: Callable[[], bool]) -> None:
        """Search ``rate`` times a second until ``ended``; ``kind`` says where the time of a search is noted."""
        due = time.perf_counter()
        while not ended():
            due = max(due + 1 / rate, time.perf_counter())
            self.once(kind())
            time.sleep(max(0.0, due - time.perf_counter()))

    def once(self, times: Times) -> None:
        """One search, checked."""
        own, query = self._query()
        acknowledged = self.record.deleted
        start = time.perf_counter()
        snapshot = self.index.snapshot()
        (matches,) = snapshot.search(query[None], K)
        times.append(time.perf_counter() - start)
        self.record.faults += self._faults(own, query, matches, acknowledged)
        if self.name != generation(snapshot) and not loads():  # that the one before has been let go of
            self.name = generation(snapshot)
            self.record.memory.append(resident() - self.vectors.nbytes / 1e6)
            print(f"{self.name}: {self.record.memory[-1]:.0f} MB, {searches(self.record):,} searches", flush=True)

    def _query(self) -> tuple[int, Floats]:
        if self.record.new and self.rng.random() < 0.2:
            return self.record.new[int(self.rng.integers(len(self.record.new)))]
        row = int(self.rng.integers(len(self.vectors) * 9 // 10))
        return row + 1, self.vectors[row]

    def _faults(self, own: int, query: Floats, matches: Sequence[Match], acknowledged: int) -> Iterator[str]:
        gone = self.record.gone
        if (matches[0].id != own or matches[0].similarity != 1.0) and not self._is_going(own):
            yield f"the query for {own} found {matches[:2]}"
        if len(matches) != K:
            yield f"the query for {own} found {len(matches)} results"
        for match in matches:
            if gone[match.id] < acknowledged:
                yield f"the deleted item {match.id} was found"
            if match.id <= len(self.vectors) and abs(self.vectors[match.id - 1] @ query - match.similarity) > SAME:
                yield f"the query for {own} found {match}, which is not its cosine"

    def _is_going(self, id_: int) -> bool:
        """Whether the writer had said so before it deleted the item; its word may still be on the way."""
        end = time.perf_counter() + PATIENCE
        while not self.record.going[id_] and time.perf_counter() < end:
            time.sleep(0.01)
        return bool(self.record.going[id_])


@contextmanager
def writing(directory: Path, load: Load, record: Record) -> Iterator[None]:
    """A process that writes to the index meanwhile; what it acknowledges goes into the record."""
    command = [sys.executable, "-m", "benchmarks.index_swaps", "--writer", str(directory)]
    command += [f"--{name}={value}" for name, value in vars(load).items()]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        listener = threading.Thread(target=listen, args=(writer.stdout, load, record))
        listener.start()
        yield
        listener.join()
    if writer.returncode:
        record.faults.append(f"the writer ended with {writer.returncode}")


def write(directory: Path, load: Load) -> None:
    """Publish the generations, while a thread adds and deletes as much."""
    os.nice(load.nice)
    stop = threading.Event()
    with Index.open(directory) as index:
        turning = threading.Thread(target=turn, args=(index, load, stop))
        turning.start()
        try:
            time.sleep(load.quiet)
            tell({"publishing": True})
            end = time.perf_counter() + load.limit
            for _ in takewhile(lambda _: time.perf_counter() < end, range(load.generations)):
                publish(index, choice=load.choice, clusters=load.clusters)
        finally:
            stop.set()
            turning.join()


def turn(index: Index, load: Load, stop: threading.Event) -> None:
    """Balanced adds and deletes at a steady rate, each told when it was acknowledged."""
    rng = np.random.default_rng(2)
    alive = list(range(load.count * 9 // 10 + 1, load.count + 1))
    number = 0
    while not stop.wait(1 / load.turns):
        added = add(index, [(f"new/{number}/{i}", vector) for i, vector in enumerate(fresh(number, load))])
        chosen = [alive.pop(int(rng.integers(len(alive)))) for _ in range(BATCH)]
        tell({"new": added, "number": number})
        tell({"going": chosen})
        index.delete(chosen)
        tell({"gone": chosen})
        alive += added
        number += 1


def fresh(number: int, load: Load) -> Floats:
    """What a turn of the writer adds: ``(BATCH,D)`` further members, so that the collection stays what it is."""
    rng = np.random.default_rng([2, number])
    return members(_middles(load), rng.integers(load.centres, size=BATCH), rng)


@cache
def _middles(load: Load) -> Floats:
    return middles(load.centres, load.dimension, np.random.default_rng(SEED))


def tell(what: dict[str, object]) -> None:
    """Acknowledge to the reader."""
    print(json.dumps(what), flush=True)


def listen(output: IO[str], load: Load, record: Record) -> None:
    """Take what the writer acknowledges, until it ends."""
    for line in output:
        said = json.loads(line)
        if "publishing" in said:
            record.publishing = True
        elif "going" in said:
            record.going[said["going"]] = True
        elif "gone" in said:
            record.gone[said["gone"]] = record.deleted
            record.deleted += 1
        else:
            record.new.extend(zip(said["new"], fresh(said["number"], load), strict=True))
            record.added += len(said["new"])
    record.ended = True


def add(index: Index, new: list[tuple[str, Floats]]) -> list[int]:
    """Add vectors by key; returns ids."""
    items = [NewItem(key, hashlib.sha256(key.encode()).hexdigest(), 1, 1, vector) for key, vector in new]
    return [one.item.id for one in index.catalog.add(items, model=index.catalog.model()) if isinstance(one, Added)]


def loads() -> bool:
    """Whether a generation is being loaded."""
    return any(thread.name == "index-load" for thread in threading.enumerate())


def generation(snapshot: Snapshot) -> str | None:
    return snapshot.generation.name if snapshot.generation is not None else None


def resident() -> float:
    """Resident memory in megabytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def report(record: Record) -> None:
    """Print the figures."""
    print(f"{len(record.memory)} generations served, {searches(record):,} searches, every answer checked")
    print(f"{record.added:,} items added and {record.deleted * BATCH:,} deleted; {len(record.faults)} faults")
    for what in ("idle", "writes", "builds", "loads"):
        taken = getattr(record, what)
        percentiles = ", ".join(f"p{p} {percentile(taken, p):.2f} ms" for p in (50, 99))
        print(f"{what:8} {len(taken):8,} searches: {percentiles}")
    print(f"p99 of loads is {slowdown(record.loads, record.writes):.2f} times that of writes alone")
    print(f"p99 of loads is {slowdown(record.loads, record.idle):.2f} times that of an idle index")
    print(f"memory of the last ten {growth(record):+.1%} above the first ten")


def searches(record: Record) -> int:
    return sum(len(taken) for taken in (record.idle, record.writes, record.builds, record.loads))


def slowdown(slow: Times, without: Times) -> float:
    """p99 relative to that of other searches."""
    return percentile(slow, 99) / max(percentile(without, 99), 1e-9)


def growth(record: Record) -> float:
    """Memory after the last ten swaps relative to that after the first ten."""
    ten = max(1, min(10, len(record.memory) // 2))
    return float(np.mean(record.memory[-ten:]) / np.mean(record.memory[:ten])) - 1


def percentile(seconds: Times, percent: float) -> float:
    """In milliseconds."""
    return float(np.percentile(seconds or [0.0], percent)) * 1e3


if __name__ == "__main__":
    main()
