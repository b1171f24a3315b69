"""After a SIGKILL inside any kind of write, all acknowledged writes are there, and no write is half done."""

import json
import logging
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from copysight.catalog import Catalog, schema
from copysight.index import Index, publish, rollback, verify
from copysight.model.bundle import Bundle
from tests.copysight.catalog.catalog_versions import as_version_1

WRITER = "tests.copysight.index.crash_writer"
ROOT = Path(__file__).parents[3]
log = logging.getLogger(__name__)


class Writer:
    """The process of `crash_writer`. It runs one command at a time, each in its own fork."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", WRITER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
        )

    def __call__(self, **command: Any) -> tuple[bool, list[dict[str, Any]]]:
        """Run a command. Returns whether it was killed, and the messages that it sent before."""
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()
        messages: list[dict[str, Any]] = []
        for line in self.process.stdout:
            answer = json.loads(line)
            if "killed" in answer:
                assert not any("error" in one for one in messages), messages
                return answer["killed"], messages
            messages.append(answer)
        raise AssertionError("the writer has ended")

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture(scope="module")
def writer() -> Iterator[Writer]:
    made = Writer()
    yield made
    made.close()


class Kills:
    """Run an operation on fresh copies of an index: first to the end, to count its steps, then killed at some steps."""

    def __init__(self, writer: Writer, origin: Path, room: Path, count: int) -> None:
        self.writer, self.origin, self.room, self.count = writer, origin, room, count
        self.rng = np.random.default_rng(0)

    def fresh(self) -> Path:
        shutil.rmtree(self.room / "copy", ignore_errors=True)
        shutil.rmtree(self.room / "saved", ignore_errors=True)
        shutil.copytree(self.origin, self.room / "copy")
        return self.room / "copy"

    def __call__(
        self, operation: str, within: tuple[str, str] = ("begin", "end"), **more: Any
    ) -> Iterator[tuple[Path, list]]:
        """Yield the directory and the acknowledgements after each kill. ``within`` names two functions."""
        command = {"operation": operation, "target": str(self.room / "saved"), **more}
        killed, messages = self.writer(directory=str(self.fresh()), **command)
        assert not killed
        whole = messages[-1]
        marks = {"begin": 0, "end": whole["steps"], **whole["marks"]}
        first, last = marks[within[0]], marks[within[1]]
        for number, at in enumerate(np.linspace(first + 1, last, self.count, endpoint=False).astype(int)):
            by = {"at": int(at)} if number % 4 or self.count < 30 else {"after": whole["seconds"] * self.rng.random()}
            directory = self.fresh()
            killed, messages = self.writer(directory=str(directory), **command, **by)
            assert killed or "after" in by
            phase = messages[-1]["phase"] if killed else "too late"
            log.info("%s: kill %d of %d, %s: %s", operation, number + 1, self.count, by, phase)
            yield directory, [answer["ack"] for answer in messages if "ack" in answer]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, graphless: Bundle, item: Callable) -> Path:
    """An index of two generations, a delta and tombstones."""
    directory = tmp_path_factory.mktemp("built") / "index"
    with Index.create(directory, graphless.path) as index:
        for seeds in (range(30), range(30, 40)):
            index.catalog.add([item(f"{seed}", seed) for seed in seeds], model=index.catalog.model())
            publish(index)
        index.catalog.add([item(f"{seed}", seed) for seed in range(40, 45)], model=index.catalog.model())
        index.delete([1, 31, 41])
    return directory


@pytest.fixture(params=[6, pytest.param(40, marks=pytest.mark.long)])
def kills(request: pytest.FixtureRequest, writer: Writer, built: Path, tmp_path: Path) -> Kills:
    return Kills(writer, shutil.copytree(built, tmp_path / "index"), tmp_path, request.param)


START = {id_: id_ - 1 for id_ in range(1, 46) if id_ not in {1, 31, 41}}


def check(directory: Path, nearest: Callable, unit: Callable, fault: str | None = None) -> dict[str, int]:
    """Assert that the index is sound and answers like brute force over its catalog. Returns ids by key."""
    with Index.open(directory) as index:
        found = index.status().fault
        assert found is None or (fault is not None and fault in found)
        assert faults(index) == []
        items = index.catalog.page(limit=1000)
        seeds = {item.id: int(item.key) for item in items}
        dimension = index.bundle.dimension
        vectors = {id_: unit(seed, dimension) for id_, seed in seeds.items()}
        for seed in (2, 35, 43, 100, 5000):
            (matches,) = index.snapshot().search(unit(seed, dimension)[None], 7)
            assert [(match.id, match.similarity) for match in matches] == nearest(vectors, unit(seed, dimension), 7)
        publish(index)
        assert index.status().fault is None
        assert not list(directory.rglob(".*.tmp"))
        return {item.key: item.id for item in items}


def faults(index: Index) -> list[str]:
    # `crash_writer.add` stores files whose content does not have the sha256 of their name.
    return [fault for fault in verify(index) if "does not have this sha256" not in fault]


def kept(found: dict[str, int]) -> bool:
    return {id_: int(key) for key, id_ in found.items() if int(key) < 100} == START


def test_a_killed_add_loses_nothing(kills: Kills, nearest: Callable, unit: Callable) -> None:
    for directory, acknowledged in kills("add", first=100):
        found = check(directory, nearest, unit)
        assert kept(found)
        new = [int(key) for key in found if int(key) >= 100]
        assert new in (acknowledged, [*acknowledged, 100 + len(acknowledged)])


def test_a_killed_bulk_add_is_done_or_not_done(kills: Kills, nearest: Callable, unit: Callable) -> None:
    for directory, acknowledged in kills("bulk", first=100):
        found = check(directory, nearest, unit)
        assert kept(found)
        assert len(found) - len(START) in ({60} if acknowledged else {0, 60})


def test_a_killed_delete_is_done_or_not_done(kills: Kills, nearest: Callable, unit: Callable) -> None:
    batches = [[2, 3], [32, 33, 34], [42]]
    for directory, acknowledged in kills("delete", batches=batches):
        left = set(check(directory, nearest, unit).values())
        done = len(acknowledged)
        states = [START.keys() - {id_ for batch in batches[:n] for id_ in batch} for n in (done, done + 1)]
        assert left in states


@pytest.mark.parametrize(
    "within",
    [("publish.publish", "publish_checks.check"), ("publish_checks.check", "end")],
    ids=["rebuild", "publish"],
)
def test_a_killed_rebuild_leaves_the_old_or_the_new_generation(
    kills: Kills, nearest: Callable, unit: Callable, within: tuple[str, str]
) -> None:
    for directory, acknowledged in kills("build", within=within):
        live = (directory / "CURRENT").read_text().strip()
        assert live in ({"000003"} if acknowledged else {"000002", "000003"})
        assert kept(check(directory, nearest, unit))


def test_a_killed_rollback_leaves_the_old_or_the_new_generation(
    kills: Kills, nearest: Callable, unit: Callable
) -> None:
    for directory, acknowledged in kills("rollback"):
        live = (directory / "CURRENT").read_text().strip()
        assert live in ({"000001"} if acknowledged else {"000001", "000002"})
        assert kept(check(directory, nearest, unit))


def test_a_killed_backup_is_complete_or_absent(kills: Kills, nearest: Callable, unit: Callable) -> None:
    for directory, acknowledged in kills("backup"):
        saved = directory.parent / "saved"
        assert saved.exists() or not acknowledged
        if saved.exists():
            assert kept(check(saved, nearest, unit))
        assert kept(check(directory, nearest, unit))


@pytest.mark.parametrize(
    "within",
    [("publish.publish", "publish_checks.check"), ("rollback.go_live", "end")],
    ids=["embed", "swap"],
)
def test_a_killed_change_of_the_bundle_leaves_the_old_or_the_new_one(
    kills: Kills, nearest: Callable, unit: Callable, within: tuple[str, str], make_bundle: Callable, tmp_path: Path
) -> None:
    second = make_bundle(tmp_path / "second", "second", 8)
    lives = set()
    for directory, acknowledged in kills("switch", within=within, bundle=str(second.path)):
        # If it is killed between swap and commit, and an item was added just before, the old bundle stays live.
        found = check(directory, nearest, unit, fault="could not go live")
        assert kept({key: id_ for key, id_ in found.items() if int(key) < 1000})
        with Index.open(directory) as index:
            lives.add(index.bundle.id)
            assert index.bundle.id == second.id or not acknowledged
            assert index.bundle.id != second.id or index.catalog.models.coming() is None
    assert lives - {second.id}
    assert second.id in lives or within[1] != "end"


def test_a_killed_migration_is_done_or_not_done(kills: Kills, nearest: Callable, unit: Callable) -> None:
    """The migration leads from version 1 to a later version than the current one, in one transaction."""
    as_version_1(kills.origin / "catalog.sqlite")
    for directory, acknowledged in kills("migrate"):
        connection = sqlite3.connect(directory / "catalog.sqlite")
        columns = {row[1] for table in ("items", "state") for row in connection.execute(f"PRAGMA table_info({table})")}
        (version,) = connection.execute("SELECT version FROM state").fetchone()
        assert version in {1, schema.VERSION + 1}
        assert {"note", "coming_model"} & columns == ({"note", "coming_model"} if version > 1 else set())
        assert version > 1 or not acknowledged
        if version > 1:  # set the current version, so that this program can read the catalog
            assert {row[0] for row in connection.execute("SELECT note FROM items")} == {f"note {id_}" for id_ in START}
            connection.execute("UPDATE state SET version = ?", (schema.VERSION,))
            connection.commit()
        connection.close()
        assert kept(check(directory, nearest, unit))


def test_a_killed_rollback_can_be_repeated(kills: Kills, nearest: Callable, unit: Callable) -> None:
    # A kill by time may come after the swap of the pointer; then there is nothing to repeat.
    directories = (directory for directory, _ in kills("rollback"))
    directory = next(one for one in directories if (one / "CURRENT").read_text().strip() == "000002")
    with Index.open(directory) as index:
        assert rollback(index).name == "000001"
    catalog = Catalog.open(directory / "catalog.sqlite")
    assert catalog.faults() == []
    catalog.close()
