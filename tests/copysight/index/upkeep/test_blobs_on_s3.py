"""An index whose blobs are on S3 (a real server), with its catalog on either engine."""

import json
import threading

import pytest

from copysight.errors import BlobsUnavailable, InvalidArgument, NotWritable
from copysight.index import Index, prune, remarks, verify
from copysight.index.upkeep.backup import backup, restore
from copysight.index.upkeep.moving_blobs import move_blobs
from tests.engines import engine, pytest_generate_tests

__all__ = ["engine", "pytest_generate_tests"]


@pytest.fixture
def stored(on_s3, tmp_path, graphless):
    with Index.create(tmp_path / "index", graphless.path) as made:
        yield made


def fill(index: Index, item, drawn, count: int = 5) -> list[int]:
    """Add pictures as the service does."""
    with index.blobs.hold():
        sums = index.blobs.put_originals(f"picture {number}".encode() for number in range(count))
        index.blobs.put_thumbnails({sha256: drawn(number) for number, sha256 in enumerate(sums)})
        new = [item(f"{number}", number, sha256=sha256, files=True) for number, sha256 in enumerate(sums)]
        return [one.item.id for one in index.catalog.add(new, model=index.bundle.id)]


def original(index: Index, number: int) -> bytes | None:
    return index.blobs.original(index.catalog.get(number).sha256)


def test_an_index_keeps_its_blobs_on_s3_alone(stored, item, drawn):
    ids = fill(stored, item, drawn)
    assert json.loads((stored.directory / "blobs.json").read_text()) == {"engine": "s3"}
    assert not [path for path in stored.layout.blobs.rglob("*") if path.is_file() and path.name != ".lock"]
    with Index.open(stored.directory) as other:
        assert [original(other, number) for number in ids] == [f"picture {n}".encode() for n in range(5)]
        assert verify(other) == []
    gone = stored.catalog.get(ids[0]).sha256
    stored.delete([ids[0]])
    assert stored.blobs.original(gone) is None
    assert stored.blobs.thumbnail(gone) is None
    with stored.blobs.hold():
        orphan = stored.blobs.put_original(b"its writer was killed")
    assert "1 pictures belong to no item" in remarks(stored)[0]
    prune(stored)
    assert orphan not in stored.blobs.names()
    assert len(stored.blobs.names()) == 4
    stored.blobs.store.delete([stored.catalog.get(ids[1]).sha256])
    [fault] = verify(stored)
    assert "whose original is missing" in fault


def test_two_indexes_share_a_bucket_and_no_object(stored, tmp_path, graphless, item, drawn):
    ids = fill(stored, item, drawn)
    with Index.create(tmp_path / "other", graphless.path) as other:
        assert other.blobs.names() == []
        fill(other, item, drawn, 2)
        other.delete([item.id for item in other.catalog.page()])
        prune(other)
        assert other.blobs.names() == []
    assert original(stored, ids[0]) == b"picture 0"


def test_an_index_on_s3_needs_the_variable(stored, monkeypatch):
    monkeypatch.delenv("COPYSIGHT_BLOBS")
    with pytest.raises(InvalidArgument, match="COPYSIGHT_BLOBS"):
        Index.open(stored.directory)


def test_a_backup_moves_blobs_to_files_and_back(stored, tmp_path, item, drawn, monkeypatch):
    ids = fill(stored, item, drawn)
    assert backup(stored, tmp_path / "saved") == []
    assert not (tmp_path / "saved" / "blobs.json").exists()
    with monkeypatch.context() as files:
        files.delenv("COPYSIGHT_BLOBS")
        files.delenv("COPYSIGHT_CATALOG", raising=False)
        assert restore(tmp_path / "saved", tmp_path / "files") == []
        with Index.open(tmp_path / "files") as index:
            assert [original(index, number) for number in ids] == [f"picture {n}".encode() for n in range(5)]
    assert restore(tmp_path / "saved", tmp_path / "again") == []
    with Index.open(tmp_path / "again") as index:
        assert not list(index.layout.blobs.glob("??"))
        assert [original(index, number) for number in ids] == [f"picture {n}".encode() for n in range(5)]
        assert verify(index) == []
        assert index.blobs.store.address != stored.blobs.store.address
        assert index.catalog.identity() in str(index.blobs.store.address)


def test_blobs_move_both_ways_and_who_has_the_index_open_hears_of_it(
    on_s3, tmp_path, graphless, item, drawn, monkeypatch
):
    with monkeypatch.context() as files:
        files.delenv("COPYSIGHT_BLOBS")
        with Index.create(tmp_path / "index", graphless.path) as made:
            ids = fill(made, item, drawn)
    for to_s3 in (True, False):
        with Index.open(tmp_path / "index") as late, Index.open(tmp_path / "index") as index:
            with pytest.raises(InvalidArgument, match="already"):
                move_blobs(index, not to_s3)
            moved = move_blobs(index, to_s3)
            assert (moved.files, moved.present) == ((10, 0) if to_s3 else (0, 10))  # the old copies stayed
            with pytest.raises(NotWritable, match="restart"):
                fill(late, item, drawn, 6)
        with Index.open(tmp_path / "index") as index:
            assert verify(index) == []
            assert [original(index, number) for number in ids] == [f"picture {n}".encode() for n in range(5)]


def test_without_an_answer_of_s3_nothing_is_lost(stored, item, drawn, monkeypatch):
    ids = fill(stored, item, drawn)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")  # nothing listens there
    with Index.open(stored.directory) as cut:
        with pytest.raises(BlobsUnavailable):
            fill(cut, item, drawn, 6)
        with pytest.raises(BlobsUnavailable):
            original(cut, ids[0])
        assert cut.delete([ids[0]]) == 1  # the catalog remembers what is to be removed
        assert len(cut.catalog.orphans()) == 1
        with pytest.raises(BlobsUnavailable):
            cut.sweep()
    assert stored.sweep() == 1
    assert len(stored.blobs.names()) == 4
    assert verify(stored) == []


def test_a_sweep_waits_for_writers_and_writers_for_a_sweep(stored):
    """Of this process and of others: the lock is that of the engine."""
    order: list[str] = []
    with Index.open(stored.directory) as other:
        with stored.blobs.hold(), other.blobs.hold():
            with other.blobs.sweep(wait=False) as free:
                assert not free
            waiting = threading.Thread(target=lambda: swept(other, order))
            waiting.start()
            order.append("hold")
        waiting.join(timeout=30)
        assert order == ["hold", "sweep"]
        with stored.blobs.sweep():
            adding = threading.Thread(target=lambda: held(other, order))
            adding.start()
            order.append("alone")
        adding.join(timeout=30)
        assert order[2:] == ["alone", "held"]


def swept(index: Index, order: list[str]) -> None:
    with index.blobs.sweep():
        order.append("sweep")


def held(index: Index, order: list[str]) -> None:
    with index.blobs.hold():
        order.append("held")
