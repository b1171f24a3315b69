"""A command of the builder that is killed at any step loses no acknowledged write."""

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
CHUNK = 4  # pictures per transaction

Command = list[object]


@dataclass
class Campaign:
    """Run a command on one index again and again, and kill it between two functions."""

    launcher: Launcher
    index: Path
    ledger: Ledger
    kills: int
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))
    look: Callable[[Run], None] = lambda run: None  # called after each run, before anything else opens the index

    def __call__(self, first: str, last: str | None, prepare: Callable[[], Command]) -> Iterator[Run]:
        """Yield every run, killed or not, for further checks. The first run is not killed; it counts the steps."""
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
    """Make a folder of new pictures, different ones each time, and enter them in the ledger as pending."""
    seeds, room = count(2000), tmp_path / "pictures"

    def filling() -> Path:
        shutil.rmtree(room, ignore_errors=True)
        room.mkdir()
        names = [f"{next(seeds)}.jpg" for _ in range(BULK)]
        for name in names:
            (room / name).write_bytes(ledger.draw(int(Path(name).stem)))
        pictures = {name: ledger.picture(int(Path(name).stem)) for name in names}
        ledger.pending = [{name: pictures[name] for name in names[i : i + CHUNK]} for i in range(0, BULK, CHUNK)]
        return room

    return filling


def test_a_killed_add_loses_nothing_and_can_be_continued(campaign: Campaign, fill: Callable[[], Path]) -> None:
    orders: list[Command] = []

    def prepare() -> Command:
        orders.append(["add", fill(), "--chunk", CHUNK, "--threads", 1])
        return orders[-1]

    for run in campaign("staging.Staging.__init__", None, prepare):
        if run.killed:  # the next run adds the rest
            held = set(campaign.ledger.held)
            names = sorted(path.name for path in Path(str(orders[-1][1])).iterdir())
            campaign.ledger.pending = [
                {name: campaign.ledger.picture(int(Path(name).stem))} for name in names if name not in held
            ]
            assert campaign.launcher.run("index", *orders[-1], "--index", campaign.index).done
            campaign.ledger.acknowledged()
            campaign.ledger.compare(campaign.index)


def test_a_killed_remove_is_done_or_not_done(campaign: Campaign, fill: Callable[[], Path]) -> None:
    def prepare() -> Command:
        done = campaign.launcher.run("index", "add", fill(), "--index", campaign.index, "--threads", 1).done
        assert done
        names = [name for group in campaign.ledger.pending for name in group]
        campaign.ledger.acknowledged()
        campaign.ledger.pending = [dict.fromkeys(names)]
        return ["remove", *(word for name in names for word in ("--key", name))]

    for run in campaign("index.Index.delete", None, prepare):
        assert run.done or run.killed


@pytest.mark.parametrize(
    ("first", "last"),
    [("publish.publish", "publish_checks.check"), ("publish_checks.check", None)],
    ids=["rebuild", "publish"],
)
def test_a_killed_rebuild_leaves_the_old_or_the_new_generation(
    campaign: Campaign, first: str, last: str | None
) -> None:
    before = campaign.live()
    for run in campaign(first, last, lambda: ["rebuild"]):
        assert campaign.live() > before if run.done else campaign.live() >= before
        before = campaign.live()


def test_a_killed_rollback_leaves_the_old_or_the_new_generation(campaign: Campaign) -> None:
    before: list[str] = []

    def prepare() -> Command:
        names = sorted(path.name for path in (campaign.index / "generations").iterdir())
        before[:] = [campaign.live(), next(name for name in names if name != campaign.live())]
        return ["rollback", "--to", before[1]]

    for run in campaign("rollback.rollback", None, prepare):
        assert campaign.live() == before[1] if run.done else campaign.live() in before


def test_a_killed_backup_is_complete_or_absent(campaign: Campaign, tmp_path: Path) -> None:
    saved = tmp_path / "saved"

    def prepare() -> Command:
        shutil.rmtree(saved, ignore_errors=True)
        return ["backup", saved]

    for run in campaign("backup.backup", None, prepare):
        assert saved.exists() or not run.done
        if saved.exists():
            campaign.ledger.compare(saved)


def test_a_killed_migration_leaves_the_old_or_the_new_tables(campaign: Campaign) -> None:
    """The current program can read both."""
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
    for run in campaign("migrations.migrate", "catalog.Catalog.policy", prepare):
        assert run.done or run.killed
    assert today in found
