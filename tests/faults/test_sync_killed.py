"""A sync that is killed at any step is finished by the next one, and the collection equals the folder."""

import logging
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from copysight.index import Index, verify
from copysight.model.bundle import Bundle
from tests.faults.changing_tree import Tree
from tests.faults.process import Launcher, moment

log = logging.getLogger(__name__)
SIZE, CHANGES = 60, 200


@pytest.mark.reported("S10")
@pytest.mark.parametrize("rounds", [3, pytest.param(50, marks=pytest.mark.long)])
def test_200_random_changes_and_a_kill_and_the_catalog_equals_the_tree(
    launcher: Launcher, tmp_path: Path, draw: Callable[[int], bytes], tiny_bundle: Bundle, rounds: int
) -> None:
    rng = np.random.default_rng(7)
    tree, directory = Tree(tmp_path / "tree", draw, rng, SIZE), tmp_path / "index"
    order = ["index", "build", tree.root, "--index", directory, "--threads", 1, "--sync", "--most-missing", 1]
    assert launcher.run(*order, "--bundle", tiny_bundle.path).done
    tree.change(CHANGES)
    whole = launcher.run(*order)  # not killed: it counts the steps
    assert whole.done, whole.error
    begin = whole.marks["build.build"]
    hits = 0
    for number in range(rounds):
        with Index.open(directory) as index:
            before = mark(index)
        tree.change(CHANGES)
        run = launcher.run(*order, at=moment(rng, whole.marks, begin, whole.steps))
        hits += run.killed
        log.info("round %d: %s", number, run.phase)
        between = Counter(tree.digests().values())
        more = 20 if number % 3 == 2 else 0  # the folder changes on after the kill
        tree.change(more)
        done = launcher.run(*order)
        assert done.done, done.error
        with Index.open(directory) as index:
            check(index, before, between, more, tree.digests())
    assert hits > rounds // 2
    shutil.rmtree(directory)


def mark(index: Index) -> dict[int, str]:
    """Write into each item which bytes it has; these by id."""
    found = {item.id: item.sha256 for item in index.catalog.page(limit=10_000)}
    for number, sha256 in found.items():
        index.catalog.set_metadata(number, {"bytes": sha256})
    return found


def check(
    index: Index, before: dict[int, str], between: Counter[str], changed_between: int, tree: dict[str, str]
) -> None:
    """The collection equals the folder, and as many items as can keep their bytes keep id and metadata.

    ``between``: how many files had each sha256 when the first sync was killed; ``changed_between``: how often the
    folder was changed after that.
    """
    items = index.catalog.page(limit=10_000)
    assert {item.key: item.sha256 for item in items} == tree
    assert index.snapshot().count == len(tree)
    assert verify(index) == []
    files, kept = Counter(tree.values()), Counter()
    for item in items:
        if before.get(item.id) == item.sha256:
            assert item.metadata == {"bytes": item.sha256}
            kept[item.sha256] += 1
    for sha256, count in Counter(before.values()).items():
        # The killed sync may have removed items whose files were away, and may have added items for more copies: which
        # of equal items stays when a copy is deleted later depends on the names.
        most, added = min(count, files[sha256]), max(0, between[sha256] - count)
        least = most if changed_between == 0 else min(most, between[sha256]) - added
        assert least <= kept[sha256] <= most, sha256
