"""A real PostgreSQL server for tests: Debian's binaries, a temporary directory, fsync on."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg

PLACES = (Path("/usr/lib/postgresql/15/bin"), *sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True))
MISSING = "there is no PostgreSQL: install it (apt-get install postgresql), or these tests say nothing about it"
MEMORY = Path("/dev/shm")
"""In memory it is three times as fast, and what a SIGKILL leaves is the same: no test cuts the power."""
KEEPER = '"$@" < /dev/null & cat; kill -INT $!; wait'
"""Runs the server until the test process closes its pipe, or is killed: then the server ends ("fast")."""
USERS = ("postgres", "nobody")
"""As whom it runs if the tests run as root, which PostgreSQL refuses."""


def binaries() -> Path | None:
    """The folder with ``initdb`` and ``postgres``; None if there is no PostgreSQL."""
    found = shutil.which("initdb")
    places = (Path(found).resolve().parent, *PLACES) if found else PLACES
    return next((place for place in places if (place / "initdb").exists() and (place / "postgres").exists()), None)


class PostgresServer:
    """A server on a free port of loopback. Its texts sort by the rules of English, so that nothing rests on luck."""

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        self._root = Path(tempfile.mkdtemp(prefix="copysight-postgresql-", dir=MEMORY if MEMORY.is_dir() else None))
        self._user = next((name for name in USERS if _exists(name)), None) if os.geteuid() == 0 else None
        if self._user is not None:
            shutil.chown(self._root, self._user)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"postgresql://tester@127.0.0.1:{self.port}/postgres"
        words = ("--no-sync", "--auth=trust", "--username=tester", "--encoding=UTF8", "--locale=C.UTF-8")
        self._run("initdb", "--pgdata", self._root / "data", *words, "--locale-provider=icu", "--icu-locale=en-US")
        self.start()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": self._root,
            "fsync": "on",
            "shared_buffers": "32MB",
            "log_destination": "stderr",
        }
        words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with (self._root / "log").open("ab") as log:
            command = ["sh", "-c", KEEPER, "sh", self._programs / "postgres", "-D", self._root / "data", *words]
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
                **self._as_user(),
            )
        until = time.monotonic() + 60
        while True:
            try:
                psycopg.connect(self.url, connect_timeout=5).close()
            except psycopg.OperationalError:
                assert self.process.poll() is None, self.log()
                assert time.monotonic() < until, self.log()
                time.sleep(0.05)
            else:
                return

    def kill(self) -> None:
        """SIGKILL of the server and of all its processes, as a crash of its machine would end them."""
        pid = int((self._root / "data" / "postmaster.pid").read_text().split()[0])
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for one in (pid, *map(int, children)):
            try:
                os.kill(one, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self._end()

    def stop(self) -> None:
        """End it, and remove its directory."""
        self._end()
        shutil.rmtree(self._root)

    def execute(self, text: str) -> list[tuple]:
        """Run a statement as the administrator."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(text)
            return cursor.fetchall() if cursor.description else []

    def log(self) -> str:
        return (self._root / "log").read_text()[-4000:]

    def _end(self) -> None:
        self.process.stdin.close()
        self.process.wait(timeout=60)

    def _run(self, name: str, *words: object) -> None:
        command = [str(word) for word in (self._programs / name, *words)]
        done = subprocess.run(command, capture_output=True, text=True, cwd="/", check=False, **self._as_user())
        assert done.returncode == 0, done.stderr

    def _as_user(self) -> dict[str, object]:
        if self._user is None:
            return {}
        found = pwd.getpwnam(self._user)
        return {"user": found.pw_uid, "group": found.pw_gid, "extra_groups": []}


def _exists(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True
