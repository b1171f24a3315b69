"""Backup, restore and verify: a backup is a consistent index, and `verify` finds every kind of fault."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from copysight.errors import IndexCorrupt, IndexNotFound, InvalidArgument
from copysight.index import Index, backup, prune, publish, remarks, restore, rollback, verify

ROOT = Path(__file__).parents[4]
UNSHARED = ["unshare", "--user", "--map-root-user", "--mount"]


def fill(index: Index, item: Callable, drawn: Callable) -> list[int]:
    with index.blobs.hold():
        sums = [index.blobs.put_original(f"picture {i}".encode()) for i in range(6)]
        index.blobs.put_thumbnail(sums[0], drawn(1))
        new = [item(f"{i}", i, sha256=sha256) for i, sha256 in enumerate(sums)]
        return [added.item.id for added in index.catalog.add(new, model=index.bundle.id)]


def test_a_backup_holds_the_state_of_its_moment(
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


def test_an_index_without_a_generation_can_be_backed_up(index: Index, add: Callable, tmp_path: Path) -> None:
    add(index, 1, 2)
    backup(index, tmp_path / "saved")
    (tmp_path / "empty").mkdir()
    restore(tmp_path / "saved", tmp_path / "empty")
    with Index.open(tmp_path / "empty") as again:
        assert again.status().count == 2


def test_items_can_be_added_and_deleted_during_a_backup(
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


def test_existing_targets_missing_sources_and_damaged_backups_are_rejected(
    index: Index, add: Callable, tmp_path: Path
) -> None:
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
    original = index.blobs.store.files(index.catalog.get(ids[4]).sha256)[0]
    original.write_bytes(b"other")
    with index.catalog._database.write() as connection:
        connection.exec_driver_sql("UPDATE vectors SET vector = zeroblob(64) WHERE id = 1")
        connection.exec_driver_sql("DELETE FROM vectors WHERE id = 2")
    faults = " | ".join(verify(index))
    for expected in (
        "does not have this sha256",
        "differs from the catalog",
        "item 2 ('1') has no vector in the catalog",
    ):
        assert expected in faults
    index.layout.current.write_text("000007")
    assert any("'000007' does not exist" in fault for fault in verify(index))


def test_orphan_files_are_remarked_on_and_removed(
    index: Index, item: Callable, drawn: Callable, tmp_path: Path
) -> None:
    ids = fill(index, item, drawn)
    orphan = index.blobs.put_original(b"put before its writer was killed")
    index.blobs.put_thumbnail(orphan, drawn(9))
    assert verify(index) == []
    assert [line.split(" belong")[0] for line in remarks(index)] == ["the files of 1 pictures"]
    backup(index, tmp_path / "saved")
    with Index.open(tmp_path / "saved") as saved:
        assert remarks(saved) == []
    prune(index)
    assert remarks(index) == []
    assert index.blobs.store.files(orphan) == []
    assert all(index.blobs.original(index.catalog.get(id_).sha256) for id_ in ids)


def test_the_files_of_a_picture_that_is_being_added_are_not_removed(
    index: Index, item: Callable, drawn: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The files exist, and the item is added after the first search for orphans and before the lock."""
    sha256 = index.blobs.put_original(b"slow")
    names = index.catalog.sha256s
    late = iter([lambda: index.catalog.add([item("slow", 1, sha256=sha256)], model=index.bundle.id)])

    def looked() -> list[str]:
        found = names()
        for act in late:
            act()
        return found

    monkeypatch.setattr(index.catalog, "sha256s", looked)
    prune(index)
    assert index.blobs.original(sha256) == b"slow"


def test_items_left_out_by_allow_missing_are_not_a_fault(
    index: Index, item: Callable, sha: Callable, unit: Callable, make_bundle: Callable, tmp_path: Path
) -> None:
    second = make_bundle(tmp_path / "second", "second", 8)
    index.catalog.add([item("1", 1), item("2", 2)], model=index.bundle.id)
    index.install(second.path)
    index.catalog.add_vectors(second.id, {sha(1): unit(1, 8)})
    publish(index, model=second.id, allow_missing=True)
    assert verify(index) == []
    assert "1 items have no vector of the live bundle, so no search finds them ('2')" in remarks(index)[0]
    publish(index)  # still leaves them out
    rollback(index)
    backup(index, tmp_path / "saved")
    restore(tmp_path / "saved", tmp_path / "again")


def test_a_backup_that_is_in_use_is_restored_with_its_log(index: Index, add: Callable, tmp_path: Path) -> None:
    add(index, 1, 2)
    backup(index, tmp_path / "saved")
    with Index.open(tmp_path / "saved") as saved:
        add(saved, 3)
        assert (tmp_path / "saved" / "catalog.sqlite-wal").stat().st_size
        restore(tmp_path / "saved", tmp_path / "again")
    with Index.open(tmp_path / "again") as again:
        assert again.catalog.count() == 3


READ_ONLY = """
mount --bind {saved} {saved} && mount -o remount,ro,bind {saved} && ! touch {saved}/x 2> /dev/null || exit 99
set -e
for command in "verify --json" "export {room}/out{number}" "restore {saved}"; do
    at={saved}; [ "${{command%% *}}" = restore ] && at={room}/again{number}
    {python} -m cli index $command --index $at
done
! {python} -m cli index remove --index {saved} --key 1 || exit 98
"""


@pytest.mark.parametrize("opened", [False, True])
def test_a_backup_on_a_read_only_mount_can_be_used_and_restored(
    index: Index, add: Callable, unit: Callable, tmp_path: Path, opened: bool
) -> None:
    """``opened``: the backup was opened while it was writable, which changes a field in SQLite's header."""
    if shutil.which("unshare") is None or subprocess.run([*UNSHARED, "true"], check=False).returncode:
        pytest.skip("no mount namespace here")
    add(index, *range(5))
    publish(index)
    add(index, 5)
    backup(index, tmp_path / "saved")
    if opened:
        Index.open(tmp_path / "saved").close()
    script = READ_ONLY.format(saved=tmp_path / "saved", room=tmp_path, number=int(opened), python=sys.executable)
    done = subprocess.run([*UNSHARED, "sh", "-c", script], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    assert '{"faults": [], "remarks": []}' in done.stdout
    assert "cannot be written (SQLITE_READONLY" in done.stderr
    with Index.open(tmp_path / f"again{int(opened)}") as again:
        assert again.catalog.count() == 6
        assert again.snapshot().search(unit(5)[None], 1)[0][0].similarity == 1.0
