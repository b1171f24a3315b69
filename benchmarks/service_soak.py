"""Soak test: overload the service for half an hour, with bad pictures, slow clients and disconnecting clients.

    OMP_NUM_THREADS=1 python -m benchmarks.service_soak [--minutes 30] [--bundle default] [--excess 1.5]

Requests arrive at random times, independent of earlier answers, at `excess` times the rate that the service answered
in the minute before. Of 100 requests, 5 are bad pictures, 2 clients disconnect at once, and 1 client sends its body
slowly. Every answer is checked:

- An embedding must equal, bit for bit, the embedding from the idle service.
- A search must find the picture itself first, with the verdict `exact`.
- A bad picture must get the expected error code.
- A 503 must have a Retry-After header.

The time of a good request runs from before the connection to the last byte of its answer. Slow and disconnecting
clients are not timed. Resident memory is sampled every second.
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

from benchmarks.load import Answer, ask, connected, cpu_seconds, drive, post, resident
from benchmarks.service_throughput import Running, pictures, processor_name, run_server
from copysight.index import Index

CLIENTS = 128
BAD, DISCONNECTING, SLOW, SEARCH = 0.05, 0.02, 0.01, 0.3
RAW = "Accept: application/octet-stream\r\n"
MINUTE = 60.0


@dataclass(frozen=True)
class Plan:
    """Duration in ``seconds``; the rate is set every ``period`` seconds to ``excess`` times the answered rate."""

    seconds: float = 1800.0
    period: float = MINUTE
    excess: float = 1.5
    clients: int = CLIENTS
    seed: int = 0


@dataclass(frozen=True)
class RequestCase:
    """A request, and a function that returns the fault of an answer, or None if it is correct."""

    kind: str
    request: bytes
    fault: Callable[[Answer], str | None]


@dataclass
class Report:
    """Counts by kind and status, faults, latencies of good requests, resident memory of each second."""

    counts: Counter[tuple[str, int]] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    resident: list[int] = field(default_factory=list)
    offered: list[float] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def of(self, *statuses: int) -> int:
        """Return the number of answers with one of these statuses."""
        return sum(count for (_, status), count in self.counts.items() if status in statuses)

    def percentile(self, share: float) -> float:
        """Return a percentile of the latencies of good requests in seconds."""
        return sorted(self.latencies)[int(share * (len(self.latencies) - 1))]


def main() -> None:
    """Serve a bundle, fill its index and run the soak test."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0, help="Duration in minutes. Default: 30.")
    parser.add_argument("--bundle", default="default", help="Bundle of the index. Default: default.")
    parser.add_argument("--excess", type=float, default=1.5, help="Offered load / answered load. Default: 1.5.")
    parser.add_argument("--deadline", type=float, default=10.0, help="COPYSIGHT_DEADLINE in seconds. Default: 10.")
    options = parser.parse_args()
    data = pictures(os.environ.get("COPYSIGHT_DATA"))
    os.environ |= {"COPYSIGHT_DEADLINE": str(options.deadline), "COPYSIGHT_QUEUE": "64"}
    with tempfile.TemporaryDirectory() as scratch:
        Index.create(Path(scratch) / "index", options.bundle).close()
        command = [sys.executable, "-m", "cli", "serve", "--index", str(Path(scratch) / "index"), "--port"]
        with run_server(command) as server:
            cases = make_requests(server.port, data)
            idle = drive(server.port, [one.request for one in cases if one.kind == "embed"], 8, 10.0)
            print(f"{processor_name()}; {idle.rate:.1f} pictures/s with 8 clients", flush=True)
            report = soak(server, cases, idle.rate, Plan(options.minutes * MINUTE, excess=options.excess))
            spent = cpu_seconds(server.pid)
    print_report(report, options.deadline, spent)


def make_requests(port: int, data: Sequence[bytes]) -> list[RequestCase]:
    """Add the pictures to the index, and return requests of every kind with their expected answers."""
    cases: list[RequestCase] = []
    with connected(port) as peer:
        for number, one in enumerate(data):
            added = ask(peer, post(f"/images?key={number}", one))
            identity = json.loads(added.body)["id"]
            embedding = ask(peer, post("/embed", one, headers=RAW))
            cases.append(RequestCase("embed", post("/embed", one, headers=RAW), _equals(embedding.body)))
            cases.append(RequestCase("search", post("/search?k=3", one), _finds(identity)))
    return cases + [RequestCase("bad", post("/embed", one), _refuses(code)) for one, code in _bad(data)]


def soak(server: Running, cases: Sequence[RequestCase], rate: float, plan: Plan) -> Report:
    """Send ``rate * plan.excess`` requests per second, then ``plan.excess`` times the rate that was answered."""
    report, rng, ended = Report(), random.Random(plan.seed), threading.Event()
    work: queue.Queue[tuple[RequestCase, str] | None] = queue.Queue()
    clients = [threading.Thread(target=_client, args=(server.port, work, report)) for _ in range(plan.clients)]
    watch = threading.Thread(target=_watch_memory, args=(server.pid, report, ended))
    for thread in (*clients, watch):
        thread.start()
    ends = time.monotonic() + plan.seconds
    while time.monotonic() < ends:
        offered, before, began = rate * plan.excess, report.of(200, 400, 415, 422), time.monotonic()
        _send(work, cases, offered, min(began + plan.period, ends), rng)
        rate = max(1.0, (report.of(200, 400, 415, 422) - before) / (time.monotonic() - began))
        report.offered.append(offered)
        print(_progress(report, rate), flush=True)
    ended.set()
    for _ in clients:
        work.put(None)
    for thread in (*clients, watch):
        thread.join()
    return report


def _watch_memory(pid: int, report: Report, ended: threading.Event) -> None:
    while not ended.wait(1.0):
        report.resident.append(resident(pid))


def _send(work: "queue.Queue[tuple[RequestCase, str] | None]", cases: Sequence[RequestCase], rate: float, until: float,
          rng: random.Random) -> None:  # fmt: skip
    by_kind = {kind: [one for one in cases if one.kind == kind] for kind in ("embed", "search", "bad")}
    due = time.monotonic()
    while (due := due + rng.expovariate(rate)) < until:
        time.sleep(max(0.0, due - time.monotonic()))
        client_kind = rng.choices(("disconnecting", "slow", "plain"), (DISCONNECTING, SLOW, 1 - DISCONNECTING - SLOW))[
            0
        ]
        kind = rng.choices(("bad", "search", "embed"), (BAD, SEARCH, 1 - BAD - SEARCH))[0]
        if work.qsize() < CLIENTS:  # without a free connection the request is not sent
            work.put((rng.choice(by_kind[kind]), client_kind))
    time.sleep(max(0.0, until - time.monotonic()))


def _client(port: int, work: "queue.Queue[tuple[RequestCase, str] | None]", report: Report) -> None:
    while (item := work.get()) is not None:
        began = time.perf_counter()
        try:
            with connected(port) as peer:
                if item[1] == "disconnecting":
                    peer.sendall(item[0].request)
                    continue
                if item[1] == "slow":
                    _send_slowly(peer.sendall, item[0].request)
                    _record(report, item[0], ask(peer, item[0].request[-100:]), None)
                    continue
                _record(report, item[0], ask(peer, item[0].request), time.perf_counter() - began)
        except OSError as error:
            with report.lock:
                report.faults.append(f"{item[0].kind}, {item[1]}: {error!r}")


def _progress(report: Report, rate: float) -> str:
    good = report.counts["embed", 200] + report.counts["search", 200]
    counts = f"{good} good in total, {report.of(503)} rejected, {report.of(504)} timed out, {len(report.faults)} faults"
    memory = f"{report.resident[-1] / 1e6:.0f} MB" if report.resident else "no memory sample yet"
    return f"offered {report.offered[-1]:.1f}/s, answered {rate:.1f}/s; {counts}; {memory}"


def _send_slowly(send: Callable[[bytes], None], request: bytes) -> None:
    """Send all but the last 100 bytes, over two seconds."""
    body = request[:-100]
    for part in range(20):
        send(body[len(body) * part // 20 : len(body) * (part + 1) // 20])
        time.sleep(0.1)


def _record(report: Report, case: RequestCase, answer: Answer, seconds: float | None) -> None:
    with report.lock:
        report.counts[case.kind, answer.status] += 1
        if answer.status == 503 and b"retry-after" not in answer.head:
            report.faults.append("a 503 without Retry-After")
        elif answer.status not in {503, 504} and (fault := case.fault(answer)):
            report.faults.append(f"{case.kind}: {fault}")
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


def print_report(report: Report, deadline: float, spent: float) -> None:
    """Print the results."""
    print("answers:", ", ".join(f"{kind} {status}: {count}" for (kind, status), count in sorted(report.counts.items())))
    print(f"faults: {len(report.faults)} {report.faults[:5]}; CPU time {spent:.0f} s")
    times = f"p50 {report.percentile(0.5):.2f} s, p99 {report.percentile(0.99):.2f} s, maximum"
    print(f"good requests: {times} {report.percentile(1.0):.2f} s; deadline {deadline:g} s")
    # Of 30 minutes these are minutes 5 to 10 and the last 5. A shorter run uses the same shares.
    sixth = len(report.resident) // 6
    early, late = median(report.resident[sixth : 2 * sixth]), median(report.resident[-sixth:])
    span = f"{min(report.resident[sixth:]) / 1e6:.1f} to {max(report.resident[sixth:]) / 1e6:.1f} MB since then"
    print(f"resident, second sixth {early / 1e6:.1f} MB, last {late / 1e6:.1f} MB ({late / early - 1:+.1%}); {span}")


if __name__ == "__main__":
    main()
