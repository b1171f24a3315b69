"""An index sees the writes of other processes, loads new generations, and stays correct beside writers."""

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from copysight.errors import IndexNotFound, InvalidArgument
from copysight.index import Index, publish, rollback
from copysight.model.bundle import Bundle
from tests.engines import engine, pytest_generate_tests

__all__ = ["engine", "pytest_generate_tests"]  # each test runs on every engine

WRITER = """
import sys
import numpy as np
from pathlib import Path
from copysight.catalog import NewItem
from copysight.index import Index, publish
with Index.open(Path(sys.argv[1])) as index:
    vector = np.zeros(16, np.float32)
    vector[3] = 1
    new = NewItem(key="theirs", sha256="f" * 64, width=1, height=1, vector=vector)
    (added,) = index.catalog.add([new], model=index.bundle.id)
    index.delete([int(sys.argv[2])])
    if sys.argv[3] == "publish":
        publish(index)
    print(added.item.id)
"""


def run_writer(index: Index, gone: int, then: str) -> int:
    command = [sys.executable, "-c", WRITER, str(index.directory), str(gone), then]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def test_an_index_is_created_once_and_can_be_opened(tmp_path: Path, graphless: Bundle) -> None:
    directory = tmp_path / "a" / "index"
    with pytest.raises(IndexNotFound):
        Index.open(directory)
    Index.create(directory, graphless.path, policy="discard").close()
    with Index.open(directory) as again:
        assert again.bundle.id == graphless.id
        assert again.bundle.path == directory / "bundles" / graphless.id
        assert again.blobs.policy == "discard"
        assert again.status().generation is None
    with pytest.raises(InvalidArgument, match="already holds an index"):
        Index.create(directory, graphless.path)


def test_an_empty_directory_may_become_an_index(tmp_path: Path, graphless: Bundle) -> None:
    with Index.create(tmp_path, graphless.path) as index:
        assert index.status().count == 0


@pytest.mark.parametrize("then", ["stop", "publish"])
def test_writes_of_another_process_are_seen_by_the_next_query(
    index: Index, add: Callable, unit: Callable, then: str
) -> None:
    mine, theirs_to_delete = add(index, 1, 2)
    publish(index)
    assert index.snapshot().count == 2
    theirs = run_writer(index, theirs_to_delete.id, then)
    query = np.zeros((1, 16))
    query[0, 3] = 1
    assert {match.id for match in index.snapshot().search(query, 5)[0]} == {mine.id, theirs}
    assert index.snapshot().search(query, 1)[0][0].similarity == 1.0
    assert index.reload().generation.name == ("000002" if then == "publish" else "000001")


def test_a_new_generation_is_loaded_in_the_background(index: Index, add: Callable) -> None:
    add(index, *range(10))
    with Index.open(index.directory) as other:
        publish(other)
    assert index.snapshot().count == 10
    for thread in threading.enumerate():
        if thread.name == "index-load":
            thread.join()
    assert index.snapshot().generation.name == "000001"
    assert index.snapshot().delta.count == 0


def test_an_idle_reader_reloads_when_its_tombstones_have_been_removed(
    index: Index, add: Callable, unit: Callable
) -> None:
    ids = [item.id for item in add(index, *range(6))]
    publish(index)
    reader = Index.open(index.directory)
    index.delete(ids[:3])
    publish(index, keep=1)
    assert index.catalog.changes(0, index.bundle.id).deleted.tolist() == []
    assert {match.id for match in reader.snapshot().search(unit(0)[None], 10)[0]} == set(ids[3:])
    reader.close()


def test_deleting_the_last_item_removes_its_files(index: Index, add: Callable, drawn: Callable, item: Callable) -> None:
    with index.blobs.hold():
        sha256 = index.blobs.put_original(b"picture")
        index.blobs.put_thumbnail(sha256, drawn(1))
        new = [item(key, 1, sha256=sha256) for key in "ab"]
        one, two = (added.item.id for added in index.catalog.add(new, model=index.bundle.id))
    index.delete([one])
    assert index.blobs.original(sha256) == b"picture"
    index.delete([two])
    assert index.blobs.original(sha256) is None
    assert index.blobs.thumbnail(sha256) is None
    assert index.catalog.orphans() == []


def test_searches_are_correct_while_a_writer_changes_the_index(index: Index, item: Callable, unit: Callable) -> None:
    """Readers always find the fixed items and never a deleted one, while a writer adds, deletes and publishes."""
    model = index.bundle.id
    index.catalog.add([item(f"fixed{i}", i) for i in range(50)], model=model)
    publish(index)
    faults: list[str] = []
    stop = threading.Event()
    gone: set[int] = set()

    def read(seed: int) -> None:
        rng = np.random.default_rng(seed)
        while not stop.is_set():
            known = set(gone)
            i = int(rng.integers(50))
            (matches,) = index.snapshot().search(unit(i)[None], 20)
            if matches[0].id != i + 1 or matches[0].similarity != 1.0:
                faults.append(f"{i + 1} is not first: {matches[0]}")
            if known & {match.id for match in matches}:
                faults.append("a deleted item was found")

    readers = [threading.Thread(target=read, args=(seed,)) for seed in range(2)]
    for reader in readers:
        reader.start()
    for turn in range(12):
        new = [item(f"{turn}/{i}", 1000 + turn * 10 + i) for i in range(10)]
        ids = [added.item.id for added in index.catalog.add(new, model=model)]
        if turn % 3 == 0:
            publish(index)
        if turn == 7:
            rollback(index)
        index.delete(ids[:8])
        gone.update(ids[:8])
    stop.set()
    for reader in readers:
        reader.join()
    assert faults == []
    assert index.status().count == 50 + 24


def test_the_status_counts_the_changes_since_the_last_rebuild(index: Index, add: Callable) -> None:
    items = add(index, *range(30))
    publish(index, clock=lambda: 123.0)
    add(index, 30, 31)
    index.delete([items[0].id])
    status = index.status()
    assert (status.generation, status.count, status.delta, status.tombstones) == ("000001", 31, 2, 1)
    assert (status.index_type, status.recall, status.built_at, status.fault) == ("flat", 1.0, 123.0, None)
    assert status.bytes > 30 * 16 * 4
    assert not status.rebuild_due()
    assert not status.rebuild_due(share=0.1, least=2)
    assert status.rebuild_due(share=0.05, least=2)
