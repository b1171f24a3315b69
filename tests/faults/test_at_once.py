"""A write is visible as soon as it is acknowledged: in two servers, and beside the commands of the builder."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.ledger import Ledger
from tests.faults.process import Launcher, Server

ROUNDS = 8


@pytest.fixture
def servers(launcher: Launcher, index: Path, tmp_path: Path) -> Iterator[tuple[Server, Server]]:
    """Two servers for the same index."""
    second = Launcher(tmp_path / "second.txt")
    both = Server(launcher, index), Server(second, index)
    yield both
    for server in both:
        assert server.kill().killed
    second.close()


def found(server: Server, ledger: Ledger, seed: int) -> str:
    """The key of the best match of a picture."""
    body = {"vectors": [ledger.picture(seed).vector.tolist()]}
    [item] = server.http.post("/search?k=1", json=body).json()["items"]
    return str(item["matches"][0]["key"])


def test_a_second_server_sees_adds_and_deletes_at_once(
    servers: tuple[Server, Server], ledger: Ledger, draw: Callable[[int], bytes]
) -> None:
    for seed in range(700, 700 + ROUNDS):
        one, other = servers if seed % 2 else servers[::-1]
        added = one.http.post(f"/images?key={seed}", files={"file": draw(seed)})
        assert added.status_code == 201
        assert [found(server, ledger, seed) for server in servers] == [str(seed)] * 2
        assert other.http.delete(f"/images/{added.json()['id']}").status_code == 204
        assert str(seed) not in [found(server, ledger, seed) for server in servers]


def test_a_server_sees_the_changes_of_the_builder_at_once(
    index: Path, ledger: Ledger, draw: Callable[[int], bytes], tmp_path: Path, launcher: Launcher
) -> None:
    folder = tmp_path / "more"
    folder.mkdir()
    second = Launcher(tmp_path / "second.txt")
    server = Server(second, index)
    for seed in range(800, 800 + ROUNDS):
        (folder / f"{seed}.jpg").write_bytes(draw(seed))
        assert launcher.run("index", "add", folder, "--index", index, "--threads", 1).done
        assert found(server, ledger, seed) == f"{seed}.jpg"
        if seed % 2:
            assert launcher.run("index", "rebuild", "--index", index).done
        (folder / f"{seed}.jpg").unlink()
        assert launcher.run("index", "remove", "--index", index, "--key", f"{seed}.jpg").done
        assert found(server, ledger, seed) != f"{seed}.jpg"
    server.kill()
    second.close()
