"""Two servers of one index, whose catalog is on PostgreSQL."""

import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from copysight.index import Index
from copysight.index.upkeep import backup
from tests.postgresql import PostgresServer
from tests.service.conftest import Server, serving

SECONDS = 30.0


def until(condition: Callable[[], Any], seconds: float = SECONDS) -> Any:
    """Wait until something holds. Returns what it returned."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)
    return found


@pytest.fixture
def start() -> Iterator[Callable[..., Server]]:
    """Starts servers. Those that a failed test leaves are killed."""
    servers: list[Server] = []

    def starting(index: Path, **settings: object) -> Server:
        servers.append(Server(index, **settings))
        return servers[-1]

    yield starting
    for server in servers:
        server.process.kill()
        server.process.wait()
        server.http.close()


@pytest.fixture
def picture(drawn, jpeg) -> Callable[[int], bytes]:
    """A small JPEG for each seed."""
    return lambda seed: jpeg(drawn(seed, (48, 40)))


@pytest.fixture
def empty(tmp_path: Path, postgresql: PostgresServer, tiny_bundle, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty index on PostgreSQL and S3, which other directories can join. COPYSIGHT_BLOBS is set."""
    monkeypatch.setenv("COPYSIGHT_CATALOG", f"{postgresql.url}?schema=cluster_{secrets.token_hex(4)}")
    with Index.create(tmp_path / "index", tiny_bundle.path) as made:
        made.published.offer(made.bundle.id)
    return tmp_path / "index"


@pytest.fixture
def clustered(origin: Path, tmp_path: Path, postgresql: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The index of the pictures, moved to PostgreSQL: a backup that is restored there."""
    with Index.open(origin) as index:
        backup.backup(index, tmp_path / "saved")
    monkeypatch.setenv("COPYSIGHT_CATALOG", postgresql.url)
    assert backup.restore(tmp_path / "saved", tmp_path / "index") == []
    shutil.rmtree(tmp_path / "saved")
    return tmp_path / "index"


@pytest.fixture
def two(clustered: Path) -> Iterator[tuple[Server, Server]]:
    networks = {"webhook_networks": "127.0.0.0/8"}
    with serving(clustered, **networks) as one, serving(clustered, **networks) as other:
        yield one, other
