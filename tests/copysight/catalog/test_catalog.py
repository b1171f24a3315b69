"""The catalog stores items, vectors and changes durably, and rejects bad input without side effects."""

import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from copysight.catalog import Added, Catalog, NewItem, migrations, placed, schema
from copysight.errors import (
    BundleMismatch,
    IndexCorrupt,
    IndexNotFound,
    InvalidArgument,
    ItemNotFound,
    KeyConflict,
)
from tests.engines import only

A, B = "a" * 64, "b" * 64
Make = Callable[..., NewItem]


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    made = Catalog.create(tmp_path / "catalog.sqlite", A)
    yield made
    made.close()


def test_an_added_item_is_there_after_reopening(catalog: Catalog, item: Make, unit: Callable) -> None:
    (added,) = catalog.add([item("a/b.jpg", 1, metadata={"n": [1, "x", None]}, source="/p")], model=A)
    catalog.close()
    again = Catalog.open(catalog.path)
    assert isinstance(added, Added)
    assert added.status == "created"
    assert again.get(added.item.id) == added.item == again.find("default", "a/b.jpg")
    assert added.item.metadata == {"n": [1, "x", None]}
    np.testing.assert_array_equal(again.vectors([added.item.id], A)[added.item.id], unit(1))
    again.close()


def test_same_key_same_bytes_is_unchanged_other_bytes_conflict_or_replace(catalog: Catalog, item: Make) -> None:
    (first,) = catalog.add([item("k", 1)], model=A)
    same, other = catalog.add([item("k", 1), item("k", 2)], model=A)
    (replaced,) = catalog.add([item("k", 2)], model=A, replace=True)
    assert same.status == "unchanged"
    assert isinstance(other, KeyConflict)
    assert other.data["id"] == first.item.id == replaced.item.id
    assert replaced.status == "replaced"
    assert catalog.count() == 1
    assert catalog.vector_of(first.item.sha256, A) is None
    assert catalog.orphans() == [first.item.sha256]


def test_repeated_keys_in_one_call_are_handled_in_order(catalog: Catalog, item: Make) -> None:
    outcomes = catalog.add(
        [item("k", 1), item("j", 5), item("k", 1), item("k", 2), item("k", 3)], model=A, replace=True
    )
    assert [o.status for o in outcomes] == ["created", "created", "unchanged", "replaced", "replaced"]
    assert catalog.find("default", "k").sha256 == item("k", 3).sha256


def test_two_collections_may_use_the_same_key_and_share_the_vector_of_equal_bytes(catalog: Catalog, item: Make) -> None:
    one, two = catalog.add([item("k", 1, collection="x"), item("k", 1, collection="y", vector=None)], model=A)
    assert one.item.id != two.item.id
    assert catalog.collections() == {"x": 1, "y": 1}
    assert catalog.delete([one.item.id]) == 1
    assert catalog.orphans() == []
    assert catalog.vector_of(two.item.sha256, A) is not None
    catalog.delete([two.item.id])
    assert catalog.orphans() == [two.item.sha256]


def test_ids_are_never_reused(catalog: Catalog, item: Make) -> None:
    ids = [added.item.id for added in catalog.add([item(f"{i}", i) for i in range(3)], model=A)]
    catalog.delete(ids)
    (after,) = catalog.add([item("0", 0)], model=A)
    assert after.item.id > max(ids)


@pytest.mark.parametrize(
    "change",
    [
        {"key": ""},
        {"key": "a\x00b"},
        {"key": "\ud800"},
        {"collection": "c" * 300},
        {"sha256": "../../etc/passwd"},
        {"metadata": {"x": float("nan")}},
        {"metadata": {"x": object()}},
        {"metadata": {"x": "y" * 70_000}},
        {"vector": None},
        {"vector": np.zeros(16, np.float32)},
        {"vector": np.full(16, np.nan, np.float32)},
    ],
)
def test_a_bad_item_rejects_the_whole_call(catalog: Catalog, item: Make, change: dict) -> None:
    with pytest.raises(InvalidArgument):
        catalog.add([item("good", 1), item(**{"key": "bad", "seed": 2, **change})], model=A)
    assert catalog.count() == 0
    assert catalog.sequence() == 0


def test_vectors_of_another_dimension_are_rejected(catalog: Catalog, item: Make, unit: Callable) -> None:
    catalog.add([item("a", 1)], model=A)
    with pytest.raises(InvalidArgument, match="dimension 8"):
        catalog.add([item("b", 2, vector=unit(2, 8))], model=A)


def test_vectors_of_another_bundle_are_rejected(catalog: Catalog, item: Make) -> None:
    with pytest.raises(BundleMismatch):
        catalog.add([item("a", 1)], model=B)


def test_changes_since_a_sequence_list_placed_and_deleted_items(catalog: Catalog, item: Make, unit: Callable) -> None:
    ids = [added.item.id for added in catalog.add([item(f"{i}", i) for i in range(4)], model=A)]
    before = catalog.sequence()
    catalog.set_metadata(ids[3], {"seen": True})
    catalog.add([item("1", 11)], model=A, replace=True)
    catalog.delete([ids[0]])
    changes = catalog.changes(before, A)
    assert changes.sequence == catalog.sequence() == before + 3
    assert changes.placed.ids.tolist() == [ids[1]]
    np.testing.assert_array_equal(changes.placed.vectors, unit(11)[None])
    assert changes.deleted.tolist() == [ids[0]]
    assert len(catalog.changes(changes.sequence, A).placed.ids) == 0


def test_vectors_of_a_second_model_are_stored_beside_the_live_ones(
    catalog: Catalog, item: Make, unit: Callable, sha: Callable
) -> None:
    catalog.add([item(f"{i}", i) for i in range(3)], model=A)
    before = catalog.sequence()
    catalog.add_vectors(B, {sha(0): unit(100, 8), sha(2): unit(102, 8), sha(77): unit(1, 8)})
    assert [lacking.key for lacking in catalog.missing(B)] == ["1"]
    assert len(catalog.changes(before, A).placed.ids) == 0
    assert catalog.changes(before, B).placed.vectors.shape == (2, 8)
    with pytest.raises(BundleMismatch, match="'1'"):
        catalog.models.go_live(B, "fp32", lambda: True, allow_missing=False)
    assert catalog.model() == A
    catalog.add_vectors(B, {sha(1): unit(101, 8)})
    catalog.models.go_live(B, "fp32", lambda: True, allow_missing=False)
    assert catalog.model() == B
    catalog.models.discard(0, keep=())
    assert len(catalog.missing(A)) == 3


def test_a_stream_reads_in_one_transaction(catalog: Catalog, item: Make) -> None:
    ids = [added.item.id for added in catalog.add([item(f"{i}", i) for i in range(5)], model=A)]
    stream = catalog.stream(A, size=2)
    sequence, first = next(stream), next(stream)
    catalog.delete(ids)
    rest = list(stream)
    assert sequence == 1
    assert [*first.ids.tolist(), *(i for part in rest for i in part.ids.tolist())] == ids


def test_metadata_is_replaced(catalog: Catalog, item: Make) -> None:
    (added,) = catalog.add([item("k", 1, metadata={"a": 1})], model=A)
    changed = catalog.set_metadata(added.item.id, {"b": 2})
    assert catalog.get(added.item.id).metadata == {"b": 2} == changed.metadata
    assert changed.sequence == catalog.sequence()
    with pytest.raises(ItemNotFound):
        catalog.set_metadata(10_000, {})


def test_pages_are_ordered_by_id_and_filtered_by_collection_and_key(catalog: Catalog, item: Make) -> None:
    catalog.add([item(f"{i}", i, collection="xy"[i % 2]) for i in range(6)], model=A)
    first = catalog.page("x", limit=2)
    assert [i.key for i in first] == ["0", "2"]
    assert [i.key for i in catalog.page("x", after=first[-1].id)] == ["4"]
    assert [i.key for i in catalog.page(key="3")] == ["3"]
    assert [i.key for i in catalog.by_sha256(item("", 3).sha256)] == ["3"]


def test_jobs_store_their_progress(catalog: Catalog) -> None:
    job = catalog.jobs.create("rebuild")
    catalog.jobs.update(job.id, state="running", progress=3, total=9, message="vectors")
    assert catalog.jobs.get(job.id).progress == 3
    assert [j.id for j in catalog.jobs.list()] == [job.id]
    with pytest.raises(InvalidArgument, match="queued, running"):
        catalog.jobs.update(job.id, state="odd")
    with pytest.raises(ItemNotFound):
        catalog.jobs.update(job.id + 1, progress=1)


def test_clusters_can_be_named(catalog: Catalog) -> None:
    catalog.names.set(3, "cats")
    catalog.names.set(3, "dogs")
    assert catalog.names.all() == {3: "dogs"}
    catalog.names.set(3, None)
    assert catalog.names.all() == {}


def test_writers_queue(catalog: Catalog, item: Make) -> None:
    other = Catalog.open(catalog.path)
    with ThreadPoolExecutor(8) as pool:
        jobs = [pool.submit([catalog, other][i % 2].add, [item(f"{i}", i)], model=A) for i in range(40)]
        assert all(job.result()[0].status == "created" for job in jobs)
    assert catalog.count() == 40
    assert catalog.sequence() == 40
    other.close()


@only("sqlite")
def test_opening_a_missing_file_or_another_file_fails(tmp_path: Path) -> None:
    with pytest.raises(IndexNotFound):
        Catalog.open(tmp_path / "catalog.sqlite")
    (tmp_path / "catalog.sqlite").write_bytes(b"this is no database, but long enough to be taken for one" * 20)
    with pytest.raises(IndexCorrupt):
        Catalog.open(tmp_path / "catalog.sqlite")


@only("sqlite")
def test_a_damaged_file_is_detected(catalog: Catalog, item: Make) -> None:
    catalog.add([item(f"{i}", i, metadata={"text": "x" * 500}) for i in range(300)], model=A)
    assert catalog.faults() == []
    catalog.close()
    data = bytearray(catalog.path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 5000] = bytes(5000)
    catalog.path.write_bytes(data)
    damaged = Catalog.open(catalog.path)
    try:
        found = damaged.faults()
    except IndexCorrupt as error:
        found = [error.message]
    assert found
    damaged.close()


def test_a_later_version_is_rejected_and_an_earlier_one_is_migrated_atomically(catalog: Catalog) -> None:
    steps = {
        schema.VERSION: lambda connection: connection.execute(sa.text("ALTER TABLE items ADD COLUMN note TEXT")),
        schema.VERSION + 1: lambda connection: connection.execute(sa.text("ALTER TABLE nowhere ADD COLUMN x TEXT")),
    }
    with pytest.raises((sa.exc.OperationalError, IndexNotFound)), catalog._database.write() as connection:
        migrations.migrate(connection, steps, schema.VERSION + 2)
    with catalog._database.write() as connection:
        assert migrations.migrate(connection, steps, schema.VERSION + 1) == schema.VERSION
    with pytest.raises(IndexCorrupt, match="upgrade"):
        Catalog.open(catalog.path)


def test_an_online_backup_is_a_complete_catalog(catalog: Catalog, item: Make, tmp_path: Path) -> None:
    catalog.add([item(f"{i}", i) for i in range(50)], model=A)
    catalog.copy_to(tmp_path / "copy.sqlite")
    catalog.delete(range(100))
    copy = Catalog.open(tmp_path / "copy.sqlite")
    assert copy.count() == 50
    assert copy.faults() == []
    copy.close()


@only("sqlite")
def test_sqlite_runs_in_wal_mode_with_full_sync(catalog: Catalog) -> None:
    with catalog._database.read() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2  # FULL
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
    assert sqlite3.threadsafety > 0


@only("sqlite")
@pytest.mark.parametrize("query", [placed._ALL.where(schema.items.c.id > 7).limit(100), placed._SINCE])
def test_reading_in_order_of_ids_never_scans_all_vectors(catalog: Catalog, query: sa.Select) -> None:
    """Otherwise each chunk of a stream, and each refresh of a snapshot, would read all vectors."""
    bound = query.params(model=A, sequence=3)
    with catalog._database.read() as connection:
        text = str(bound.compile(connection.engine, compile_kwargs={"literal_binds": True}))
        plan = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}")]
    assert plan[0].startswith("SEARCH items USING INTEGER PRIMARY KEY")
    assert any(step.startswith("SEARCH vectors") and "sha256=? AND model=?" in step for step in plan)
