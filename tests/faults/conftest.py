"""Fixtures: an index of drawn pictures, a ledger of its expected contents, and a launcher of commands."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from copysight.model.bundle import Bundle
from copysight.model.embedder import Embedder
from tests.faults.ledger import Ledger
from tests.faults.process import Launcher

START = 12


@pytest.fixture(scope="module")
def launcher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launcher]:
    made = Launcher(tmp_path_factory.mktemp("launcher") / "output.txt")
    yield made
    made.close()


@pytest.fixture(scope="module")
def draw(drawn: Callable, jpeg: Callable) -> Callable[[int], bytes]:
    return lambda seed: jpeg(drawn(seed, (48, 40)))


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory, launcher: Launcher, draw: Callable, tiny_bundle: Bundle) -> Path:
    """An index of two generations, a delta and tombstones."""
    room = tmp_path_factory.mktemp("origin")
    for number, seeds in enumerate((range(6), range(6, 10), range(10, START + 2))):
        folder = room / str(number)
        folder.mkdir()
        for seed in seeds:
            (folder / f"{seed}.jpg").write_bytes(draw(seed))
        bundle = ("--bundle", tiny_bundle.path) if not number else ()
        order = "add" if number == 2 else "build"
        run = launcher.run("index", order, folder, "--index", room / "index", *bundle, "--threads", 1)
        assert run.done, run.error
    assert launcher.run("index", "remove", "--index", room / "index", "--key", "1.jpg", "--key", "11.jpg").done
    return room / "index"


@pytest.fixture
def index(origin: Path, tmp_path: Path) -> Path:
    """A copy of `origin` for one test."""
    shutil.copytree(origin, tmp_path / "index")
    return tmp_path / "index"


@pytest.fixture
def ledger(tiny_bundle: Bundle, draw: Callable) -> Ledger:
    made = Ledger(Embedder(tiny_bundle), draw)
    made.held = {f"{seed}.jpg": made.picture(seed) for seed in range(START + 2) if seed not in {1, 11}}
    return made


@pytest.fixture(params=[2, pytest.param(32, marks=pytest.mark.long)])
def kills(request: pytest.FixtureRequest) -> int:
    """Number of kills that must hit a running operation."""
    return int(request.param)
