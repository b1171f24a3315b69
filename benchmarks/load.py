"""Generate load on a server with plain sockets. Times are in seconds.

The client runs on the same CPUs as the server, so it must cost very little.
"""

import os
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")


@dataclass
class Load:
    """The latency of each request, and the number of answers by status."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        """Answers with status 200 per second."""
        return self.statuses.get(200, 0) / self.seconds

    def percentile(self, share: float) -> float:
        """Return the latency below which ``share`` of the requests are."""
        return sorted(self.latencies)[min(len(self.latencies) - 1, int(share * len(self.latencies)))]


@dataclass(frozen=True)
class Answer:
    """An HTTP response; ``head`` is in lower case."""

    status: int
    head: bytes
    body: bytes


def post(path: str, body: bytes, kind: str = "image/jpeg", headers: str = "") -> bytes:
    """Return the bytes of an HTTP/1.1 request that keeps the connection open."""
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\n"
    head += f"Content-Length: {len(body)}\r\n{headers}\r\n"
    return head.encode() + body


def drive(port: int, requests: Sequence[bytes], concurrency: int, seconds: float) -> Load:
    """Send ``requests`` over ``concurrency`` connections for ``seconds``. Each connection waits for its answer."""
    load, lock, began = Load(), threading.Lock(), time.perf_counter()

    def work(number: int) -> None:
        with connected(port) as peer:
            while time.perf_counter() - began < seconds:
                sent = time.perf_counter()
                answer = ask(peer, requests[number % len(requests)])
                number += concurrency
                with lock:
                    load.latencies.append(time.perf_counter() - sent)
                    load.statuses[answer.status] = load.statuses.get(answer.status, 0) + 1

    threads = [threading.Thread(target=work, args=(number,)) for number in range(concurrency)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    load.seconds = time.perf_counter() - began
    return load


@contextmanager
def connected(port: int, timeout: float = 120.0) -> Iterator[socket.socket]:
    """Open a connection to a server on this machine."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as peer:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield peer


def ask(peer: socket.socket, request: bytes) -> Answer:
    """Send one request and read one answer. Raises ``ConnectionError`` if the server closes the connection."""
    peer.sendall(request)
    data = b""
    while b"\r\n\r\n" not in data:
        data += _received(peer)
    head, _, body = data.partition(b"\r\n\r\n")
    head = head.lower()
    length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
    parts, missing = [body], length - len(body)
    while missing > 0:
        parts.append(_received(peer))
        missing -= len(parts[-1])
    return Answer(int(head[9:12]), head, b"".join(parts))


def _received(peer: socket.socket) -> bytes:
    data = peer.recv(1 << 18)
    if not data:
        raise ConnectionError("the server closed the connection")
    return data


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process and all its descendants, including those that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / TICK + sum(cpu_seconds(child) for child in children(pid))


def main_thread_seconds(pid: int) -> float:
    """Return the CPU time of the first thread of a process, which runs the event loop."""
    return int(Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()[0]) / 1e9


def children(pid: int) -> list[int]:
    """Return the child processes of a process."""
    found: list[int] = []
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        found += map(int, file.read_text().split())
    return found


def resident(pid: int) -> int:
    """Return the resident memory of a process in bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
