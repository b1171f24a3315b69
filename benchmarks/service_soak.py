"""The service under more load than it can carry, for half an hour, with bad pictures and rude clients.

    OMP_NUM_THREADS=1 python -m benchmarks.service_soak [--minutes 30] [--bundle default] [--excess 1.5]

Requests arrive at random moments, whether or not the earlier ones were answered, at `excess` times what the service
answered in the minute before. Of a hundred, five are bad pictures, two clients hang up at once, one sends its body by
drops. Every answer is checked: an embedding must equal, bit for bit, the one that the idle service gave; a search must
find the picture itself first, as `exact`; a bad picture must get the error that it deserves; a refusal must say when to
come back. A good request's time runs from the moment before it connects to the last byte of its answer; slow and rude
clients are none. Resident memory is looked at every second.
"""

import argparse
import json
import os
import queue
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from benchmarks.load import Answer, ask, connected, drive, post, processor_seconds, resident
from benchmarks.service_throughput import Running, pictures, processor, started
from copysight.index import Index

CLIENTS = 128
BAD, RUDE, SLOW, SEARCH = 0.05, 0.02, 0.01, 0.3
RAW = "Accept: application/octet-stream\r\n"
MINUTE = 60.0


@dataclass(frozen=True)
class Plan:
    """How long and how hard: ``seconds`` in all, ``period`` between two looks, ``excess`` times what is answered."""

    seconds: float = 1800.0
    period: float = MINUTE
    excess: float = 1.5
    clients: int = CLIENTS
    seed: int = 0


@dataclass(frozen=True)
class Ask:
    """A request, and what is wrong with an answer to it (nothing: None)."""

    kind: str
    request: bytes
    fault: Callable[[Answer], str | None]


@dataclass
class Report:
    """What came of it: counts by kind and status, faults, latencies of good requests, memory second by second."""

    counts: Counter[tuple[str, int]] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    resident: list[int] = field(default_factory=list)
    offered: list[float] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def of(self, *statuses: int) -> int:
        """Answers with one of these statuses."""
        return sum(count for (_, status), count in self.counts.items() if status in statuses)

    def percentile(self, share: float) -> float:
        """Of the latencies of good requests, in seconds."""
        return sorted(self.latencies)[int(share * (len(self.latencies) - 1))]


def main() -> None:
    """Serve a bundle, fill its index, and soak it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--bundle", default="default")
    parser.add_argument("--excess", type=float, default=1.5)
    parser.add_argument("--deadline", type=float, default=10.0)
    options = parser.parse_args()
    data = pictures(os.environ.get("COPYSIGHT_DATA"))
    os.environ |= {"COPYSIGHT_DEADLINE": str(options.deadline), "COPYSIGHT_QUEUE": "64"}
    with tempfile.TemporaryDirectory() as scratch:
        Index.create(Path(scratch) / "index", options.bundle).close()
        command = [sys.executable, "-m", "cli", "serve", "--index", str(Path(scratch) / "index"), "--port"]
        with started(command) as server:
            asks = questions(server.port, data)
            idle = drive(server.port, [one.request for one in asks if one.kind == "embed"], 8, 10.0)
            print(f"{processor()}; {idle.rate:.1f} pictures/s with 8 callers", flush=True)
            report = soak(server, asks, idle.rate, Plan(options.minutes * MINUTE, excess=options.excess))
            spent = processor_seconds(server.pid)
    show(report, options.deadline, spent)


def questions(port: int, data: Sequence[bytes]) -> list[Ask]:
    """Requests of every kind, with what the idle service says to the good ones; the pictures go into its index."""
    asks: list[Ask] = []
    with connected(port) as peer:
        for number, one in enumerate(data):
            added = ask(peer, post(f"/images?key={number}", one))
            identity = json.loads(added.body)["id"]
            embedding = ask(peer, post("/embed", one, headers=RAW))
            asks.append(Ask("embed", post("/embed", one, headers=RAW), _equals(embedding.body)))
            asks.append(Ask("search", post("/search?k=3", one), _finds(identity)))
    return asks + [Ask("bad", post("/embed", one), _refuses(code)) for one, code in _bad(data)]


def soak(server: Running, asks: Sequence[Ask], rate: float, plan: Plan) -> Report:
    """Send at ``rate * plan.excess`` requests a second, then at ``plan.excess`` times what was answered."""
    report, rng, over = Report(), random.Random(plan.seed), threading.Event()
    work: queue.Queue[tuple[Ask, str] | None] = queue.Queue()
    clients = [threading.Thread(target=_client, args=(server.port, work, report)) for _ in range(plan.clients)]
    watch = threading.Thread(target=_watch, args=(server.pid, report, over))
    for thread in (*clients, watch):
        thread.start()
    ends = time.monotonic() + plan.seconds
    while time.monotonic() < ends:
        offered, before, began = rate * plan.excess, report.of(200, 400, 415, 422), time.monotonic()
        _send(work, asks, offered, min(began + plan.period, ends), rng)
        rate = max(1.0, (report.of(200, 400, 415, 422) - before) / (time.monotonic() - began))
        report.offered.append(offered)
        print(_progress(report, rate), flush=True)
    over.set()
    for _ in clients:
        work.put(None)
    for thread in (*clients, watch):
        thread.join()
    return report


def _watch(pid: int, report: Report, over: threading.Event) -> None:
    while not over.wait(1.0):
        report.resident.append(resident(pid))


def _send(work: "queue.Queue[tuple[Ask, str] | None]", asks: Sequence[Ask], rate: float, until: float,
          rng: random.Random) -> None:  # fmt: skip
    by_kind = {kind: [one for one in asks if one.kind == kind] for kind in ("embed", "search", "bad")}
    due = time.monotonic()
    while (due := due + rng.expovariate(rate)) < until:
        time.sleep(max(0.0, due - time.monotonic()))
        manner = rng.choices(("rude", "slow", "plain"), (RUDE, SLOW, 1 - RUDE - SLOW))[0]
        kind = rng.choices(("bad", "search", "embed"), (BAD, SEARCH, 1 - BAD - SEARCH))[0]
        if work.qsize() < CLIENTS:  # a caller that finds no free connection goes away
            work.put((rng.choice(by_kind[kind]), manner))
    time.sleep(max(0.0, until - time.monotonic()))


def _client(port: int, work: "queue.Queue[tuple[Ask, str] | None]", report: Report) -> None:
    while (item := work.get()) is not None:
        began = time.perf_counter()
        try:
            with connected(port) as peer:
                if item[1] == "rude":
                    peer.sendall(item[0].request)
                    continue
                if item[1] == "slow":
                    _dribble(peer.sendall, item[0].request)
                    _note(report, item[0], ask(peer, item[0].request[-100:]), None)
                    continue
                _note(report, item[0], ask(peer, item[0].request), time.perf_counter() - began)
        except OSError as error:
            with report.lock:
                report.faults.append(f"{item[0].kind}, {item[1]}: {error!r}")


def _progress(report: Report, rate: float) -> str:
    good = report.counts["embed", 200] + report.counts["search", 200]
    counts = f"{good} good in all, {report.of(503)} refused, {report.of(504)} too late, {len(report.faults)} faults"
    memory = f"{report.resident[-1] / 1e6:.0f} MB" if report.resident else "not seen"
    return f"offered {report.offered[-1]:.1f}/s, answered {rate:.1f}/s; {counts}; {memory}"


def _dribble(send: Callable[[bytes], None], request: bytes) -> None:
    """All but the last hundred bytes, over two seconds."""
    body = request[:-100]
    for part in range(20):
        send(body[len(body) * part // 20 : len(body) * (part + 1) // 20])
        time.sleep(0.1)


def _note(report: Report, asked: Ask, answer: Answer, seconds: float | None) -> None:
    with report.lock:
        report.counts[asked.kind, answer.status] += 1
        if answer.status == 503 and b"retry-after" not in answer.head:
            report.faults.append("a refusal without Retry-After")
        elif answer.status not in {503, 504} and (fault := asked.fault(answer)):
            report.faults.append(f"{asked.kind}: {fault}")
        if answer.status == 200 and seconds is not None:
            report.latencies.append(seconds)


def _equals(expected: bytes) -> Callable[[Answer], str | None]:
    return lambda answer: None if answer.status == 200 and answer.body == expected else "another embedding"


def _finds(identity: int) -> Callable[[Answer], str | None]:
    def fault(answer: Answer) -> str | None:
        if answer.status != 200:
            return f"status {answer.status}"
        [item] = json.loads(answer.body)["items"]
        first = [(match["id"], match["verdict"]) for match in item["matches"]][:1]
        return None if first == [(identity, "exact")] else f"found {first}, not item {identity}"

    return fault


def _refuses(code: str) -> Callable[[Answer], str | None]:
    def fault(answer: Answer) -> str | None:
        found = json.loads(answer.body)["items"][0].get("error", {}).get("code") if answer.status == 200 else None
        return None if found == code else f"status {answer.status}, code {found}, not {code}"

    return fault


def _bad(data: Sequence[bytes]) -> list[tuple[bytes, str]]:
    noise = random.Random(1).randbytes(20_000)
    cut = [(one[: len(one) // 3], "corrupt_picture") for one in data[:4]]
    return [*cut, (noise, "unsupported_format"), (b"<html>no picture</html>", "unsupported_format")]


def show(report: Report, deadline: float, spent: float) -> None:
    """The whole, after its end."""
    print("answers:", ", ".join(f"{kind} {status}: {count}" for (kind, status), count in sorted(report.counts.items())))
    print(f"faults: {len(report.faults)} {report.faults[:5]}; processor {spent:.0f} s")
    times = f"p50 {report.percentile(0.5):.2f} s, p99 {report.percentile(0.99):.2f} s, the longest"
    print(f"good requests: {times} {report.percentile(1.0):.2f} s; deadline {deadline:g} s")
    # Minutes 5 to 10 of thirty, and the last five; of a shorter run the same shares.
    sixth = len(report.resident) // 6
    early, late = median(report.resident[sixth : 2 * sixth]), median(report.resident[-sixth:])
    span = f"{min(report.resident[sixth:]) / 1e6:.1f} to {max(report.resident[sixth:]) / 1e6:.1f} MB since then"
    print(f"resident, second sixth {early / 1e6:.1f} MB, last {late / 1e6:.1f} MB ({late / early - 1:+.1%}); {span}")


if __name__ == "__main__":
    main()
