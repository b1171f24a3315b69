"""A catalog of version 1 is migrated when it is opened, and loses nothing."""

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from copysight.catalog import Catalog, migrations, schema
from copysight.errors import IndexCorrupt
from copysight.index import Index, publish, verify
from copysight.model.bundle import Bundle
from tests.copysight.catalog.catalog_versions import as_version_1, outline

ENGINES = ("sqlite",)
"""PostgreSQL has had no earlier version."""


@pytest.fixture
def older(tmp_path: Path, graphless: Bundle, item: Callable) -> Path:
    """An index as version 1 would have written it: a generation, a delta, a tombstone, fields, jobs and names."""
    with Index.create(tmp_path / "index", graphless.path) as index:
        index.catalog.fields.declare("colour")
        new = [item(f"{i}", i, metadata={"colour": "red" if i % 2 else "blue"}) for i in range(12)]
        index.catalog.add(new[:10], model=index.bundle.id)
        publish(index)
        index.catalog.add(new[10:], model=index.bundle.id)
        index.delete([3, 12])
        index.catalog.jobs.create("rebuild")
        index.catalog.names.set(0, "beaches")
    as_version_1(tmp_path / "index" / "catalog.sqlite")
    return tmp_path / "index"


def test_everything_is_there_after_the_migration(older: Path, unit: Callable, item: Callable) -> None:
    with Index.open(older) as index:
        assert verify(index) == []
        assert [found.id for found in index.catalog.page()] == [1, 2, 4, 5, 6, 7, 8, 9, 10, 11]
        assert index.snapshot().search(unit(10)[None], 1)[0][0].id == 11
        red = index.snapshot().search(unit(0)[None], 20, filter={"eq": ["colour", "red"]})[0]
        assert sorted(match.id for match in red) == [2, 4, 6, 8, 10]
        assert [job.kind for job in index.catalog.jobs.list()] == ["rebuild"]
        assert index.catalog.names.all() == {0: "beaches"}
        assert index.catalog.models.coming() is None
        (added,) = index.catalog.add([item("new", 50)], model=index.bundle.id)
        assert added.item.id == 13  # 12 was deleted, and ids are never reused
        assert publish(index).name == "000002"


def test_integers_beyond_2_53_are_exact_after_the_migration(tmp_path: Path, graphless: Bundle, item: Callable) -> None:
    """Version 1 stored only the nearest float."""
    values = [2**53, 2**53 + 1, 2**60 + 1, 10**400, 1e300]
    with Index.create(tmp_path / "index", graphless.path) as index:
        index.catalog.fields.declare("n")
        new = [item(f"{i}", i, metadata={"n": ["a", min(value, 2**60)]}) for i, value in enumerate(values)]
        index.catalog.add(new, model=index.bundle.id)
    as_version_1(tmp_path / "index" / "catalog.sqlite")
    connection = sqlite3.connect(tmp_path / "index" / "catalog.sqlite")
    for number, value in enumerate(values, 1):
        text = json.dumps({"n": ["a", value]})
        connection.execute("UPDATE items SET metadata = ? WHERE id = ?", (text, number))
        number_stored = "text IS NULL AND item = ?"
        connection.execute(
            f"UPDATE field_values SET number = ? WHERE {number_stored}", (float(min(value, 1e300)), number)
        )
    connection.commit()
    connection.close()
    with Index.open(tmp_path / "index") as index:
        for number, value in enumerate(values[:3], 1):
            assert index.catalog.matching({"eq": ["n", value]}).tolist() == [number]
        assert index.catalog.matching({"eq": ["n", "a"]}).tolist() == [1, 2, 3, 4, 5]
        assert index.catalog.faults() == []


def test_a_migrated_catalog_has_the_tables_of_a_new_one(older: Path, tmp_path: Path) -> None:
    Catalog.open(older / "catalog.sqlite").close()
    Catalog.create(tmp_path / "new.sqlite", "a" * 64).close()
    assert outline(older / "catalog.sqlite") == outline(tmp_path / "new.sqlite")


def test_two_processes_that_open_a_catalog_at_once_migrate_it_once(older: Path) -> None:
    first, second = Catalog(older / "catalog.sqlite"), Catalog(older / "catalog.sqlite")
    for catalog, found in ((first, 1), (second, schema.VERSION)):
        with catalog._database.write() as connection:
            assert migrations.migrate(connection, migrations.MIGRATIONS, schema.VERSION) == found
        catalog.close()


def test_a_migration_that_fails_changes_nothing(older: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = outline(older / "catalog.sqlite")

    def failing(connection: object) -> None:
        for step in sorted(migrations.MIGRATIONS):
            migrations.MIGRATIONS[step](connection)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), Catalog(older / "catalog.sqlite")._database.write() as connection:
        migrations.migrate(connection, {1: failing}, 2)
    assert outline(older / "catalog.sqlite") == before


def test_a_catalog_of_a_later_version_is_rejected_and_not_changed(older: Path) -> None:
    file = older / "catalog.sqlite"
    connection = sqlite3.connect(file)
    connection.execute(f"UPDATE state SET version = {schema.VERSION + 1}")
    connection.commit()
    before = list(connection.iterdump())
    with pytest.raises(IndexCorrupt, match=f"has version {schema.VERSION + 1}, this program reads up to .*upgrade"):
        Index.open(older)
    assert list(connection.iterdump()) == before
    connection.close()
