"""A full disk gives clear errors in server and builder; searches still work, and no acknowledged write is lost.

The disk is a tmpfs of a few megabytes in a mount namespace of the launcher, reached through its /proc entry. Where such
a namespace is forbidden, only `tests/copysight/index/test_storage.py` tests this, with a limit on file sizes.
"""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from itertools import repeat
from pathlib import Path

import pytest

from tests.faults.ledger import Ledger
from tests.faults.process import Launcher, Server

SIZE = "24m"
SPACES = [0, 30_000, 200_000]  # free bytes: nothing works; a write fails half-way; adds work and a publication fails


class Disk:
    """A small file system that only the launcher's commands see at its mount point."""

    def __init__(self, room: Path) -> None:
        self.room = room / "disk"
        self.room.mkdir()
        mount = f"mount -t tmpfs -o size={SIZE} tmpfs {self.room}"
        self.prefix = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", f'{mount} && exec "$@"', "sh"]
        found = subprocess.run([*self.prefix, "true"], capture_output=True, text=True, check=False)
        if found.returncode:
            pytest.skip(f"no mount namespace here: {found.stderr.strip()}")

    def enter(self, launcher: Launcher) -> None:
        """Find the path by which this process reaches the disk."""
        launcher.send(run=["--version"])  # ends only after the disk is mounted
        launcher.wait()
        self.outside = Path(f"/proc/{launcher.process.pid}/root{self.room}")

    def fill(self, leave: int) -> None:
        """Fill the disk and leave ``leave`` bytes free."""
        with (self.outside / "filler").open("wb", buffering=0) as file:
            with pytest.raises(OSError, match="No space left"):
                file.writelines(repeat(bytes(4096)))
            file.truncate(max(0, file.tell() - leave))

    def free(self) -> None:
        (self.outside / "filler").unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    return Disk(tmp_path)


@pytest.fixture
def inside(disk: Disk, tmp_path: Path, origin: Path) -> Iterator[Launcher]:
    made = Launcher(tmp_path / "output.txt", disk.prefix)
    disk.enter(made)
    shutil.copytree(origin, disk.outside / "index")
    yield made
    made.close()


@pytest.fixture
def compare(disk: Disk, inside: Launcher, ledger: Ledger, tmp_path: Path) -> Callable[[], None]:
    """Compare a backup on another disk with the ledger."""

    def comparing() -> None:
        saved = tmp_path / "saved"
        shutil.rmtree(saved, ignore_errors=True)
        # The root user of the namespace is the test's user outside it, so this process can read the backup.
        assert inside.run("index", "backup", saved, "--index", disk.room / "index").done, inside.output.read_text()
        ledger.compare(saved)

    return comparing


@pytest.mark.parametrize("left", SPACES)
def test_a_server_survives_a_full_disk(
    disk: Disk, inside: Launcher, ledger: Ledger, draw: Callable[[int], bytes], compare: Callable[[], None], left: int
) -> None:
    server = Server(inside, disk.room / "index")
    disk.fill(left)
    codes = []
    for seed in range(500, 508):
        answer = server.http.post(f"/images?key={seed}", files={"file": draw(seed)})
        codes.append(answer.status_code)
        if answer.is_success:
            ledger.held[str(seed)] = ledger.picture(seed)
        else:
            assert answer.json()["code"] == "not_writable"
        body = {"vectors": ledger.queries().tolist()}
        assert server.http.post("/search?k=5", json=body).is_success
    assert set(codes) <= {201, 503}
    assert left or 503 in codes
    disk.free()
    picture = ledger.held["after"] = ledger.picture(600)
    assert server.http.post("/images?key=after", files={"file": picture.data}).status_code == 201
    server.kill()
    compare()


@pytest.mark.parametrize("left", SPACES)
def test_a_builder_survives_a_full_disk(
    disk: Disk, inside: Launcher, ledger: Ledger, compare: Callable[[], None], tmp_path: Path, left: int
) -> None:
    folder = tmp_path / "more"
    folder.mkdir()
    pictures = {f"{seed}.jpg": ledger.picture(seed) for seed in range(500, 530)}
    for name, picture in pictures.items():
        (folder / name).write_bytes(picture.data)
    live = (disk.outside / "index" / "CURRENT").read_text()
    disk.fill(left)
    added = inside.run("index", "add", folder, "--index", disk.room / "index", "--threads", 1)
    rebuilt = inside.run("index", "rebuild", "--index", disk.room / "index")
    assert not added.done
    assert "cannot be written" in inside.output.read_text()
    assert rebuilt.done == ((disk.outside / "index" / "CURRENT").read_text() != live)
    disk.free()
    compare()
    assert inside.run("index", "add", folder, "--index", disk.room / "index", "--threads", 1).done
    ledger.held |= pictures
    assert inside.run("index", "rebuild", "--index", disk.room / "index").done
    compare()
