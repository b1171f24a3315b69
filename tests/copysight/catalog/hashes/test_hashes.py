"""Hashes of pictures and of lists, and recent queries: what the catalog keeps of them."""

import numpy as np
import pytest
import sqlalchemy as sa

from copysight.catalog.recent.recent import Recent
from copysight.index import Index


@pytest.fixture
def index(tmp_path, graphless):
    with Index.create(tmp_path / "index", graphless.path) as made:
        yield made


@pytest.fixture
def catalog(index):
    return index.catalog


@pytest.fixture
def now():
    return [1000.0]


def test_the_stamp_changes_with_the_items_and_hashes_of_the_lists_only(index, item):
    hashes = index.catalog.hashes
    empty = hashes.stamp(["bad"])
    stamps = {empty}
    index.catalog.add([item("elsewhere", 1)], model=index.bundle.id)
    assert hashes.stamp(["bad"]) in stamps

    def changed():
        stamp = hashes.stamp(["bad"])
        new = stamp not in stamps
        stamps.add(stamp)
        return new

    [added] = index.catalog.add([item("a", 2, collection="bad")], model=index.bundle.id)
    assert changed()
    number = hashes.add_signal("bad", "pdq", "0" * 64)
    assert changed()
    assert hashes.add_signal("bad", "pdq", "0" * 64) == number
    assert not changed()
    hashes.disable_signal(number, True)
    assert changed()
    index.delete([added.item.id])
    assert changed()
    assert hashes.delete_signals("bad", number) == 1
    assert hashes.stamp(["bad"]) == empty


def test_hashes_belong_to_pictures_so_that_equal_files_share_them(index, item):
    hashes = index.catalog.hashes
    new = [item("a", 1, collection="bad"), item("b", 1, collection="worse"), item("c", 2, collection="bad")]
    added = [one.item for one in index.catalog.add(new, model=index.bundle.id)]
    assert [(one.item, one.value) for one in hashes.on_lists(["bad", "worse"], "pdq")] == [
        (one.id, None) for one in added
    ]
    hashes.put("pdq", {added[0].sha256: "ab", added[2].sha256: ""})
    hashes.put("other", {added[0].sha256: "cd"})
    hashes.put("pdq", {added[0].sha256: "ef"})
    assert [one.value for one in hashes.on_lists(["bad", "worse"], "pdq")] == ["ef", "ef", ""]
    assert [one.item for one in hashes.on_lists(["worse"], "other")] == [added[1].id]


def test_the_ratio_of_a_list_is_kept_until_it_is_all(catalog):
    assert catalog.hashes.ratios() == {}
    catalog.hashes.set_ratio("bad", 0.25)
    catalog.hashes.set_ratio("bad", 0.5)
    assert catalog.hashes.ratios() == {"bad": 0.5}
    catalog.hashes.set_ratio("bad", None)
    assert catalog.hashes.ratios() == {}


def test_recent_queries_are_remembered_once_and_forgotten_in_time(catalog, unit, now):
    recent = Recent(catalog._database, lambda: now[0])
    recent.remember("m", [("a", unit(1)), ("b", unit(2))])
    now[0] = 1050
    recent.remember("m", [("a", unit(1))])
    recent.remember("other", [("a", unit(9))])
    found = recent.all("m", 100)
    assert (list(found.sha256), found.seen.tolist()) == (["b", "a"], [1000, 1050])
    assert np.array_equal(found.vectors, np.stack([unit(2), unit(1)]))
    assert list(recent.all("m", 10).sha256) == ["a"]
    now[0] = 1120
    assert (recent.forget(100), list(recent.all("m", 1000).sha256)) == (1, ["a"])
    assert recent.all("none", 1000).vectors.shape == (0, 0)


def test_only_checksum_vector_and_time_of_a_query_are_stored(catalog):
    with catalog._database.read() as connection:
        columns = [column["name"] for column in sa.inspect(connection).get_columns("recent_queries")]
    assert columns == ["sha256", "model", "vector", "seen"]
