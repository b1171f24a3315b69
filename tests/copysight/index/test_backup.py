from collections.abc import Callable
from pathlib import Path

import pytest

from copysight.errors import IndexCorrupt, IndexNotFound, InvalidArgument
from copysight.index import Index, backup, publish, restore, verify


def fill(index: Index, item: Callable, drawn: Callable) -> list[int]:
    with index.blobs.hold():
        sums = [index.blobs.put_original(f"picture {i}".encode()) for i in range(6)]
        index.blobs.put_thumbnail(sums[0], drawn(1))
        new = [item(f"{i}", i, sha256=sha256) for i, sha256 in enumerate(sums)]
        return [added.item.id for added in index.catalog.add(new, model=index.bundle.id)]


def test_a_backup_is_an_index_of_that_moment(
    index: Index, item: Callable, unit: Callable, drawn: Callable, tmp_path: Path
) -> None:
    ids = fill(index, item, drawn)
    publish(index)
    index.delete([ids[1]])
    backup(index, tmp_path / "saved")
    index.delete(ids)
    restore(tmp_path / "saved", tmp_path / "again")
    with Index.open(tmp_path / "again") as again:
        assert verify(again) == []
        found = [match.id for match in again.snapshot().search(unit(2)[None], 10)[0]]
        assert sorted(found) == [ids[0], *ids[2:]]
        assert again.status().generation == "000001"
        assert again.blobs.original(again.catalog.get(ids[3]).sha256) == b"picture 3"
        assert again.blobs.thumbnail(again.catalog.get(ids[0]).sha256) is not None
        publish(again)


def test_an_index_without_a_generation_can_be_saved(index: Index, add: Callable, tmp_path: Path) -> None:
    add(index, 1, 2)
    backup(index, tmp_path / "saved")
    (tmp_path / "empty").mkdir()
    restore(tmp_path / "saved", tmp_path / "empty")
    with Index.open(tmp_path / "empty") as again:
        assert again.status().count == 2


def test_writing_goes_on_during_a_backup(
    index: Index, add: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(index, *range(5))
    copy_to = index.catalog.copy_to

    def meanwhile(path: Path) -> None:
        add(index, 5)
        assert index.delete([1]) == 1
        copy_to(path)
        add(index, 6)

    monkeypatch.setattr(index.catalog, "copy_to", meanwhile)
    backup(index, tmp_path / "saved")
    with Index.open(tmp_path / "saved") as saved:
        assert [item.id for item in saved.catalog.page()] == [2, 3, 4, 5, 6]
        assert verify(saved) == []
    assert index.catalog.count() == 6


def test_what_is_refused(index: Index, add: Callable, tmp_path: Path) -> None:
    add(index, *range(5))
    publish(index)
    with pytest.raises(InvalidArgument):
        backup(index, tmp_path)
    backup(index, tmp_path / "saved")
    with pytest.raises(InvalidArgument):
        restore(tmp_path / "saved", index.directory)
    with pytest.raises(IndexNotFound):
        restore(tmp_path / "nothing", tmp_path / "new")
    vectors = tmp_path / "saved" / "generations" / "000001" / "vectors.f32"
    vectors.write_bytes(b"\x01" + vectors.read_bytes()[1:])
    with pytest.raises(IndexCorrupt, match=r"vectors\.f32"):
        restore(tmp_path / "saved", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_verify_names_every_kind_of_fault(index: Index, item: Callable, unit: Callable, drawn: Callable) -> None:
    ids = fill(index, item, drawn)
    publish(index)
    index.catalog.add([item("2", 30)], model=index.bundle.id, replace=True)
    assert verify(index) == []
    original = index.blobs.files(index.catalog.get(ids[4]).sha256)[0]
    original.write_bytes(b"other")
    index.blobs.put_original(b"stray")
    with index.catalog._database.write() as connection:
        connection.exec_driver_sql("UPDATE vectors SET vector = zeroblob(64) WHERE id = 1")
        connection.exec_driver_sql("DELETE FROM vectors WHERE id = 2")
    faults = " | ".join(verify(index))
    for expected in (
        "differs from its name",
        "belongs to no item",
        "differs from the catalog",
        "item 2 ('1') has no vector",
    ):
        assert expected in faults
    index.layout.current.write_text("000007")
    assert any("'000007' is not there" in fault for fault in verify(index))
