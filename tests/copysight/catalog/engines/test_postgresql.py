"""What PostgreSQL alone can do to a catalog: be away and come back, lose locks, hold another catalog."""

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa

from copysight.catalog import Catalog
from copysight.catalog.engines.postgresql import address
from copysight.catalog.jobs import Jobs
from copysight.errors import CatalogUnavailable, IndexNotFound, InvalidArgument, PublisherBusy
from copysight.index import Index, publish
from tests.postgresql import PostgresServer, binaries
from tests.service.cluster.conftest import until

ENGINES = ("postgresql",)
A = "a" * 64


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    made = Catalog.create(tmp_path / "catalog.sqlite", A)
    yield made
    made.close()


@pytest.fixture(scope="module")
def mortal(postgresql) -> Iterator[PostgresServer]:
    """A server that tests may kill."""
    server = PostgresServer(binaries())
    yield server
    server.stop()


@pytest.fixture
def served(mortal, tmp_path, monkeypatch) -> Iterator[Catalog]:
    monkeypatch.setenv("COPYSIGHT_CATALOG", mortal.url)
    made = Catalog.create(tmp_path / "catalog.sqlite", A)
    yield made
    made.close()


def test_after_an_outage_everything_goes_on_without_hands(served, mortal, item):
    served.follow()
    served.add([item("before", 1)], model=A)
    until(lambda: served.sequence_at_hand() == 1)
    mortal.kill()
    until(lambda: served.sequence_at_hand() is None)
    for call in (served.count, served.sequence, lambda: served.get_many([1]), lambda: served.jobs.create("x")):
        with pytest.raises(CatalogUnavailable):
            call()
    mortal.start()
    assert served.get_many([1])[1].key == "before"
    assert served.count() == served.sequence() == 1
    served.add([item("after", 2)], model=A)
    until(lambda: served.sequence_at_hand() == 2)


def test_a_change_of_another_process_is_heard_of_and_ones_own_is_known_at_once(catalog, item):
    other = Catalog.open(catalog.path)
    assert catalog.sequence_at_hand() is None  # nobody listens
    catalog.follow()
    until(lambda: catalog.sequence_at_hand() == 0)
    for number in range(1, 21):
        catalog.add([item(f"{number}", number)], model=A)
        assert catalog.sequence_at_hand() == number
    other.delete([1])
    until(lambda: catalog.sequence_at_hand() == 21)
    other.close()


def test_the_lock_of_a_publisher_is_lost_with_the_server_and_then_nothing_goes_live(
    mortal, tmp_path, graphless, item, monkeypatch
):
    monkeypatch.setenv("COPYSIGHT_CATALOG", mortal.url)
    with Index.create(tmp_path / "index", graphless.path) as index:
        index.catalog.add([item("a", 1)], model=index.bundle.id)

        def restart(_contents: object) -> None:
            mortal.kill()
            mortal.start()

        with pytest.raises(PublisherBusy, match="lost"):
            publish(index, calibrate=restart)
        assert index.layout.live() is None
        assert publish(index).name == "000002"


def test_a_lock_has_one_holder_and_ends_with_it(catalog):
    first, second = catalog.lock("publisher"), catalog.lock("publisher")
    another = catalog.lock("webhooks")
    assert first.acquire()
    assert another.acquire()
    assert not second.acquire()
    another.release()
    waiting = threading.Thread(target=second.acquire, args=(True,))
    waiting.start()
    first.release()
    waiting.join(timeout=10)
    assert second.is_held()
    assert not first.is_held()
    second.release()


def test_several_claim_different_jobs_and_a_killed_one_is_told(catalog):
    ids = [catalog.jobs.create("rebuild").id for _ in range(6)]
    others = [Catalog.open(catalog.path) for _ in range(6)]
    with ThreadPoolExecutor(6) as pool:
        late = [Jobs(one._database, lambda: time.time() + 1000) for one in others]
        claimed = list(pool.map(lambda jobs: jobs.claim("rebuild", 500.0), late))
    assert {job.id for job in claimed if job is not None} <= set(ids)
    known = [job.id for job in claimed if job is not None]
    assert len(known) == len(set(known)) >= 1
    assert catalog.jobs.claim("rebuild", 60.0) is None  # they have just begun to wait
    with others[0].jobs.running(ids[0]):
        assert catalog.jobs.get(ids[0]).state == "running"
        with pytest.raises(PublisherBusy), catalog.jobs.running(ids[0]):
            raise AssertionError
    catalog.jobs.update(ids[1], state="running")  # and its process was killed
    assert catalog.jobs.get(ids[1]).state == "failed"
    for one in others:
        one.close()


def test_long_keys_and_texts_are_found_and_unique(catalog, item):
    """A B-tree of PostgreSQL holds 2,704 bytes a row."""
    keys = ["".join(chr(0x4E00 + (7919 * i * (j + 1)) % 20000) for j in range(4096)) for i in range(1, 4)]
    catalog.fields.declare("text")
    new = [item(key, i, metadata={"text": key * 2}) for i, key in enumerate(keys)]
    catalog.add(new, model=A)
    assert set(catalog.find_many("default", keys)) == set(keys)
    assert catalog.matching({"prefix": ["key", keys[1][:4000]]}).tolist() == [2]
    assert catalog.matching({"prefix": ["text", keys[2]]}).tolist() == [3]
    assert catalog.matching({"range": ["text", keys[0][:9], None]}).tolist() == sorted(
        i + 1 for i, key in enumerate(keys) if key * 2 >= keys[0][:9]
    )
    with pytest.raises(sa.exc.IntegrityError), catalog._database.write() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO items (collection, key, sha256, width, height, metadata, changed, placed) "
                "SELECT collection, key, sha256, width, height, metadata, changed, placed FROM items WHERE id = 1"
            )
        )


def test_a_value_that_it_cannot_hold_is_refused(catalog, item):
    catalog.fields.declare("name")
    with pytest.raises(InvalidArgument, match="PostgreSQL cannot hold"):
        catalog.add([item("a", 1, metadata={"name": "a\0b"})], model=A)
    catalog.add([item("b", 2, metadata={"other": "a\0b"})], model=A)
    assert catalog.page()[0].metadata == {"other": "a\0b"}


def test_another_catalog_or_none_is_not_taken_for_this_one(catalog, monkeypatch, postgresql):
    place = address.read(catalog.path)
    catalog.path.write_bytes(address.content(address.Place(place.schema, "other")))
    with pytest.raises(IndexNotFound, match="holds another catalog"):
        Catalog.open(catalog.path)
    catalog.path.write_bytes(address.content(address.Place("nowhere", place.identity)))
    with pytest.raises(IndexNotFound, match="not in its database"):
        Catalog.open(catalog.path)
    catalog.path.write_bytes(address.content(place))
    monkeypatch.setenv("COPYSIGHT_CATALOG", f"{postgresql.url}?schema=another")
    with pytest.raises(InvalidArgument, match="leave the schema out"):
        Catalog.open(catalog.path)
    monkeypatch.delenv("COPYSIGHT_CATALOG")
    with pytest.raises(IndexNotFound, match="set COPYSIGHT_CATALOG"):
        Catalog.open(catalog.path)


def test_a_schema_that_holds_a_catalog_is_not_filled_again(tmp_path, monkeypatch, postgresql):
    monkeypatch.setenv("COPYSIGHT_CATALOG", f"{postgresql.url}?schema=mine")
    Catalog.create(tmp_path / "one.sqlite", A).close()
    assert json.loads((tmp_path / "one.json").read_text())["schema"] == "mine"
    with pytest.raises(InvalidArgument, match="holds tables already"):
        Catalog.create(tmp_path / "two.sqlite", A)
    assert not (tmp_path / "two.json").exists()


def test_a_database_that_went_back_in_time_is_not_written_to(catalog, item, postgresql):
    catalog.follow()
    catalog.add([item("a", 1)], model=A)
    until(lambda: catalog.sequence_at_hand() == 1)
    schema = address.read(catalog.path).schema
    postgresql.execute(f"ALTER TABLE {schema}.state DISABLE TRIGGER ALL; UPDATE {schema}.state SET sequence = 0")
    postgresql.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'copysight'")
    until(lambda: catalog.fault() is not None)
    assert "gone back" in catalog.fault()


@pytest.mark.parametrize("given", ["mysql://x/y", "postgresql://h/d?schema=A-b", "postgresql://h/d?nothing=1"])
def test_an_address_that_cannot_be_is_refused_without_its_password(tmp_path, monkeypatch, given):
    monkeypatch.setenv("COPYSIGHT_CATALOG", given.replace("//h", "//u:secret@h"))
    with pytest.raises(InvalidArgument) as refused:
        Catalog.create(tmp_path / "catalog.sqlite", A)
    assert "secret" not in str(refused.value)
