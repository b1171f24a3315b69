"""The audit trail: what each change writes, that nobody can change it unseen, and filters."""

import json

import pytest
import sqlalchemy as sa

from copysight.catalog.audit import chain
from copysight.catalog.audit.audit import AuditFilter
from copysight.catalog.audit.chain import Link
from copysight.catalog.moderation.lists import ListPolicy
from copysight.errors import ItemNotFound
from copysight.index import Index
from copysight.system.acting import Actor, acting

DROP = {
    "sqlite": ("DROP TRIGGER audit_no_update", "DROP TRIGGER audit_no_delete"),
    "postgresql": ("DROP TRIGGER audit_no_change ON audit",),
}


@pytest.fixture
def index(tmp_path, graphless):
    with Index.create(tmp_path / "index", graphless.path) as made:
        yield made


@pytest.fixture
def written(index, item):
    """An index with five entries: three items, one more, a list, a changed item, two deleted items."""
    with acting(Actor("desk", "192.0.2.7")):
        index.catalog.add([item(f"{i}", i) for i in range(3)], model=index.bundle.id)
        index.catalog.add([item("one", 9, collection="banned")], model=index.bundle.id)
        index.catalog.moderation.put_list(ListPolicy("banned", "block"))
    index.catalog.moderation.change(4, {"disabled": True, "labels": ("a",)}, "cron")
    index.delete([1, 3])
    return index


def entries(index, **wanted):
    return index.catalog.audit.page(AuditFilter(**wanted))


def test_each_change_says_who_what_which_item_and_from_where(written):
    found = entries(written)
    assert [(one["action"], one["by"], one["address"], one["items"]) for one in found] == [
        ("item.add", "desk", "192.0.2.7", [[1, 3]]),
        ("item.add", "desk", "192.0.2.7", [[4, 4]]),
        ("list.put", "desk", "192.0.2.7", []),
        ("item.change", "cron", None, [[4, 4]]),
        ("item.delete", None, None, [[1, 1], [3, 3]]),
    ]
    assert found[0]["detail"] == {"collections": {"default": 3}}
    assert found[1]["detail"].items() >= {"collection": "banned", "key": "one"}.items()
    assert found[3]["detail"] == {"disabled": True, "labels": ["a"]}
    assert [one["id"] for one in found] == [1, 2, 3, 4, 5]


def test_entries_are_found_by_action_author_item_and_time(written):
    assert [one["id"] for one in entries(written, item=2)] == [1]  # not 5, which is about 1 and 3
    assert [one["id"] for one in entries(written, item=3)] == [1, 5]
    assert [one["id"] for one in entries(written, action="item")] == [1, 2, 4, 5]
    assert [one["id"] for one in entries(written, action="item.add", author="desk")] == [1, 2]
    assert entries(written, since=4e9) == entries(written, until=1.0) == []
    assert [one["id"] for one in written.catalog.audit.page(AuditFilter(), newest=True, limit=2)] == [5, 4]
    assert [one["id"] for one in written.catalog.audit.page(AuditFilter(), 4, 2, newest=True)] == [3, 2]


def test_the_chain_can_be_checked_from_its_export(written):
    links = [
        json.loads(json.dumps({"entry": json.loads(one.entry), "hash": one.hash}))
        for one in written.catalog.audit.links()
    ]
    again = [Link(chain.canonical(one["entry"]), one["hash"]) for one in links]
    checked = chain.check(again)
    assert (checked.count, checked.fault) == (5, None)
    assert checked == written.catalog.audit.check()
    again[2] = Link(again[2].entry.replace("desk", "dusk"), again[2].hash)
    assert "entry 3 is not what was written" in str(chain.check(again).fault)


def test_a_change_that_fails_leaves_no_entry(written):
    before = written.catalog.audit.check()
    with pytest.raises(ItemNotFound):
        written.catalog.moderation.change(99, {"disabled": True})
    with pytest.raises(ItemNotFound):
        written.catalog.moderation.delete_list("none")
    assert written.catalog.audit.check() == before


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("UPDATE audit SET entry = replace(entry, 'desk', 'dusk') WHERE id = 2", "entry 2 is not what was written"),
        ("UPDATE audit SET author = 'dusk' WHERE id = 2", "columns of entry 2"),
        ("DELETE FROM audit WHERE id = 3", "entry 4 follows entry 2"),
        ("DELETE FROM audit WHERE id >= 4", "2 entries are missing at the end"),
        ("DELETE FROM audit WHERE id = 1", "entry 2 follows entry 0"),
    ],
)
def test_who_rewrites_the_record_is_seen(written, engine, statement, fault):
    database = written.catalog._database
    with pytest.raises(sa.exc.IntegrityError, match="append-only"), database.write() as connection:
        connection.execute(sa.text(statement))
    with database.write() as connection:  # somebody with access to the database
        for drop in DROP[engine]:
            connection.execute(sa.text(drop))
        connection.execute(sa.text(statement))
    assert fault in str(written.catalog.audit.check().fault)


def test_usage_of_keys_is_added_up(index):
    index.catalog.usage.add({"a": 3, "b": 1}, "2026-11-27", 10.0)
    index.catalog.usage.add({"a": 2}, "2026-11-28", 20.0)
    index.catalog.usage.add({"a": 1}, "2026-11-28", 30.0)
    found = index.catalog.usage.read("2026-11-28")
    assert {key: (one.today, one.total, one.latest) for key, one in found.items()} == {
        "a": (3, 6, 30.0),
        "b": (0, 1, 10.0),
    }
