"""The builder's commands killed inside everything that they do to an index; beside them nothing is ever lost."""

import logging
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from tests.copysight.catalog.catalog_versions import as_version_1, outline
from tests.faults.ledger import Ledger
from tests.faults.process import Launcher, Run, moment

log = logging.getLogger(__name__)
TRIES = 3
BULK = 12
CHUNK = 4  # pictures a transaction

Command = list[object]


@dataclass
class Campaign:
    """Runs a command on one index again and again, and kills it between two functions."""

    launcher: Launcher
    index: Path
    ledger: Ledger
    kills: int
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))
    look: Callable[[Run], None] = lambda run: None  # at what a run left, before anything else opens it

    def __call__(self, first: str, last: str | None, prepare: Callable[[], Command]) -> Iterator[Run]:
        """Give every run, killed or not, for further checks; the first is not killed, and counts the steps."""
        whole = self._run(prepare(), {})
        assert whole.done, whole.error
        begin, end = whole.marks[first], whole.marks[last] if last is not None else whole.steps
        yield whole
        hits = 0
        for number in count():
            if hits == self.kills:
                return
            assert number < TRIES * self.kills, f"only {hits} of {number} kills hit"
            at = moment(self.rng, whole.marks, begin, end)
            by_clock = number % 4 == 3 and last is None
            share = (begin + (end - begin) * self.rng.random()) / whole.steps
            run = self._run(prepare(), {"after": whole.seconds * share} if by_clock else {"at": at})
            assert run.error is None
            if run.killed:
                hits += 1
                log.info("%s, kill %d: %s", first, hits, run.phase)
            yield run

    def _run(self, command: Command, how: dict[str, float]) -> Run:
        run = self.launcher.run("index", *command, "--index", self.index, **how)
        self.look(run)
        if run.done:
            self.ledger.acknowledged()
        self.ledger.compare(self.index)
        return run

    def live(self) -> str:
        return (self.index / "CURRENT").read_text().strip()


@pytest.fixture
def campaign(launcher: Launcher, index: Path, ledger: Ledger, kills: int) -> Campaign:
    return Campaign(launcher, index, ledger, kills)


@pytest.fixture
def fill(ledger: Ledger, tmp_path: Path) -> Callable[[], Path]:
    """Make a folder of new pictures, each time others, and enter in the ledger what adding them shall do."""
    seeds, room = count(2000), tmp_path / "pictures"

    def filling() -> Path:
        shutil.rmtree(room, ignore_errors=True)
        room.mkdir()
        names = [f"{next(seeds)}.jpg" for _ in range(BULK)]
        for name in names:
            (room / name).write_bytes(ledger.draw(int(Path(name).stem)))
        pictures = {name: ledger.picture(int(Path(name).stem)) for name in names}
        ledger.wavering = [{name: pictures[name] for name in names[i : i + CHUNK]} for i in range(0, BULK, CHUNK)]
        return room

    return filling


def test_bulk_add(campaign: Campaign, fill: Callable[[], Path]) -> None:
    orders: list[Command] = []

    def prepare() -> Command:
        orders.append(["add", fill(), "--chunk", CHUNK, "--threads", 1])
        return orders[-1]

    for run in campaign("staging.Staging.__init__", None, prepare):
        if run.killed:  # the next one finishes what is left
            held = set(campaign.ledger.held)
            names = sorted(path.name for path in Path(str(orders[-1][1])).iterdir())
            campaign.ledger.wavering = [
                {name: campaign.ledger.picture(int(Path(name).stem))} for name in names if name not in held
            ]
            assert campaign.launcher.run("index", *orders[-1], "--index", campaign.index).done
            campaign.ledger.acknowledged()
            campaign.ledger.compare(campaign.index)


def test_remove(campaign: Campaign, fill: Callable[[], Path]) -> None:
    def prepare() -> Command:
        done = campaign.launcher.run("index", "add", fill(), "--index", campaign.index, "--threads", 1).done
        assert done
        names = [name for group in campaign.ledger.wavering for name in group]
        campaign.ledger.acknowledged()
        campaign.ledger.wavering = [dict.fromkeys(names)]
        return ["remove", *(word for name in names for word in ("--key", name))]

    for run in campaign("index.Index.delete", None, prepare):
        assert run.done or run.killed


@pytest.mark.parametrize(
    ("first", "last"), [("publish.publish", "gate.check"), ("gate.check", None)], ids=["rebuild", "publish"]
)
def test_rebuild_and_publish(campaign: Campaign, first: str, last: str | None) -> None:
    before = campaign.live()
    for run in campaign(first, last, lambda: ["rebuild"]):
        assert campaign.live() > before if run.done else campaign.live() >= before
        before = campaign.live()


def test_rollback(campaign: Campaign) -> None:
    before: list[str] = []

    def prepare() -> Command:
        names = sorted(path.name for path in (campaign.index / "generations").iterdir())
        before[:] = [campaign.live(), next(name for name in names if name != campaign.live())]
        return ["rollback", "--to", before[1]]

    for run in campaign("history.rollback", None, prepare):
        assert campaign.live() == before[1] if run.done else campaign.live() in before


def test_backup(campaign: Campaign, tmp_path: Path) -> None:
    saved = tmp_path / "saved"

    def prepare() -> Command:
        shutil.rmtree(saved, ignore_errors=True)
        return ["backup", saved]

    for run in campaign("backup.backup", None, prepare):
        assert saved.exists() or not run.done
        if saved.exists():
            campaign.ledger.compare(saved)


def test_migrate(campaign: Campaign) -> None:
    """The tables of the version before, or those of today; and today's program reads both."""
    catalog = campaign.index / "catalog.sqlite"
    today, found = outline(catalog), []

    def prepare() -> Command:
        as_version_1(catalog)
        before[:] = [outline(catalog)]
        return ["status"]

    before: list[object] = []

    def look(run: Run) -> None:
        found.append(outline(catalog))
        assert found[-1] == today if run.done else found[-1] in (before[0], today)

    campaign.look = look
    for run in campaign("schema.migrate", "catalog.Catalog.policy", prepare):
        assert run.done or run.killed
    assert today in found
