"""Start the servers that tests of several machines need, on loopback: milvus-lite, Milvus, Ray.

As a program it starts them, prints the variables of a user of each, and ends them at Ctrl+C::

    python -m tests.cluster.servers [postgresql] [s3] [lite] [milvus] [ray]
"""

import contextlib
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.postgresql import MISSING as NO_POSTGRESQL
from tests.postgresql import PostgresServer
from tests.postgresql import binaries as postgresql_programs
from tests.seaweedfs import MISSING as NO_SEAWEED
from tests.seaweedfs import SeaweedServer
from tests.seaweedfs import binary as seaweed_program

KEEPER = '"$@" < /dev/null & cat; kill -TERM $!; wait'
"""Runs a server until this process closes its pipe, or is killed."""
START_MILVUS = """
import signal, socket, sys
from milvus import MilvusServerConfig, default_server as server, main

def bound(_config, port):
    try:
        return socket.create_server(("127.0.0.1", port))
    except OSError:
        return None

MilvusServerConfig.try_bind_port = bound
signal.signal(signal.SIGTERM, lambda *_: (server.stop(), sys.exit()))
server.wait = lambda: server.server_proc.wait()
main()
"""
"""Milvus by its package, mended in three places: its program takes another port in silence for a minute after a kill,
leaves its server running at SIGTERM, and goes on without it when it ended by itself."""
PACKAGES = Path(__file__).parents[2] / "var" / "cluster"
"""Where `make test-cluster` unpacks packages that need not be installed."""
MISSING = f"the package milvus (2.3.5) is not in {PACKAGES}: `make test-cluster` unpacks it there"


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class Process:
    """A server process with a directory of its own, which can be killed and started again."""

    def __init__(self, name: str, patience: float) -> None:
        self.root = Path(tempfile.mkdtemp(prefix=f"copysight-{name}-"))
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._patience = patience
        self.start()

    def command(self) -> list[object]:
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        return dict(os.environ)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        with (self.root / "log").open("ab") as log:
            self.process = subprocess.Popen(
                ["sh", "-c", KEEPER, "sh", *map(str, self.command())],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env=self.environment(),
            )
        until = time.monotonic() + self._patience
        while not self.answers():
            assert not self.ended(), f"it ended\n{self.log()}"
            assert time.monotonic() < until, f"it does not answer\n{self.log()}"
            time.sleep(0.1)

    def answers(self) -> bool:
        from pymilvus import MilvusClient
        from pymilvus.exceptions import MilvusException

        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            client = MilvusClient(self.url, timeout=5, dedicated=True)
        except (OSError, MilvusException):
            return False
        try:
            client.list_collections(timeout=5)
        except MilvusException:
            return False
        finally:
            client.close()
        return True

    def ended(self) -> bool:
        """Whether nothing runs any more but the `cat` of `KEEPER`, which is started after the server."""
        names = [named(one) for one in descendants(self.process.pid)]
        return bool(names) and all(name.startswith("cat") for name in names)

    def kill(self) -> None:
        """SIGKILL of the server and of all its processes, as a crash of its machine would end them."""
        for one in reversed(descendants(self.process.pid)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(one, signal.SIGKILL)
        self._end()

    def stop(self) -> None:
        """End it, and remove its directory."""
        self._end()
        shutil.rmtree(self.root)

    def log(self) -> str:
        return (self.root / "log").read_text()[-4000:]

    def _end(self) -> None:
        self.process.stdin.close()
        try:
            self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


class MilvusLite(Process):
    """milvus-lite: the calls of Milvus, another engine. It answers within seconds, also after a kill."""

    def __init__(self) -> None:
        super().__init__("milvus-lite", patience=60)

    def command(self) -> list[object]:
        program = Path(sys.executable).with_name("milvus-lite")
        return [program, "server", "--data-dir", self.root / "data", "--host", "127.0.0.1", "--port", self.port]


class Milvus(Process):
    """Milvus 2.3.5 as the PyPI package carries it: one at a time, because its embedded etcd has a fixed port.

    After a kill it needs up to 90 s: a lease of its own has to end.
    """

    def __init__(self) -> None:
        super().__init__("milvus", patience=180)

    @staticmethod
    def is_there() -> bool:
        return (PACKAGES / "milvus").is_dir()

    def command(self) -> list[object]:
        (self.root / "data").mkdir(exist_ok=True)
        return [sys.executable, "-c", START_MILVUS, "--data", self.root / "data", "--proxy-port", self.port]

    def environment(self) -> dict[str, str]:
        return os.environ | {"PYTHONPATH": str(PACKAGES)}


class RayCluster(Process):
    """A Ray cluster of one node with two processors."""

    def __init__(self) -> None:
        super().__init__("ray", patience=180)
        self.address = f"127.0.0.1:{self.port}"

    def command(self) -> list[object]:
        words = ("--head", "--block", "--num-cpus=2", "--include-dashboard=false", "--disable-usage-stats")
        place = (f"--port={self.port}", "--node-ip-address=127.0.0.1", f"--temp-dir={self.root}/ray")
        program = Path(sys.executable).with_name("ray")
        return [program, "start", *words, *place, "--object-store-memory=200000000"]

    def environment(self) -> dict[str, str]:
        return os.environ | {"RAY_USAGE_STATS_ENABLED": "0", "PYTHONPATH": str(Path(__file__).parents[2])}

    def answers(self) -> bool:
        words = [Path(sys.executable).with_name("ray"), "health-check", "--address", f"127.0.0.1:{self.port}"]
        return subprocess.run(words, capture_output=True, check=False).returncode == 0

    def actors(self) -> list[int]:
        """The processes of the actors that embed."""
        return [one for one in descendants(self.process.pid) if named(one).startswith("ray::Worker")]


def named(pid: int) -> str:
    """What a process calls itself; empty if it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def descendants(pid: int) -> list[int]:
    """All processes below a process, parents first."""
    try:
        children = [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []
    return [one for child in children for one in (child, *descendants(child))]


def postgresql() -> tuple[PostgresServer, dict[str, str]]:
    programs = postgresql_programs()
    assert programs is not None, NO_POSTGRESQL
    server = PostgresServer(programs)
    return server, {"COPYSIGHT_CATALOG": server.url}


def s3() -> tuple[SeaweedServer, dict[str, str]]:
    program = seaweed_program()
    assert program is not None, NO_SEAWEED
    server = SeaweedServer(program)
    return server, server.environment


def vectors(kind: type[Process]) -> tuple[Process, dict[str, str]]:
    server = kind()
    return server, {"COPYSIGHT_VECTORS": server.url, "MILVUS_PID": str(server.process.pid)}


def ray() -> tuple[RayCluster, dict[str, str]]:
    server = RayCluster()
    return server, {"RAY_ADDRESS": server.address}


SERVERS: dict[str, Callable[[], tuple[Any, dict[str, str]]]] = {
    "postgresql": postgresql,
    "s3": s3,
    "lite": lambda: vectors(MilvusLite),
    "milvus": lambda: vectors(Milvus),
    "ray": ray,
}


def main() -> None:
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    started = []
    try:
        for name in sys.argv[1:] or ["lite"]:
            server, variables = SERVERS[name]()
            started.append(server)
            for variable, value in variables.items():
                print(f"export {variable}={shlex.quote(value)}", flush=True)
        signal.pause()
    except KeyboardInterrupt:
        pass
    finally:
        for server in started:
            server.stop()


if __name__ == "__main__":
    main()
