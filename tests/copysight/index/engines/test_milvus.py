"""What is Milvus's alone: names and the alias, guards, damage, kills, outages, addresses."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from pymilvus import MilvusClient

from copysight.errors import IndexNotFound, InvalidArgument, VectorsUnavailable
from copysight.index import Index, prune, publish, rollback, verify
from copysight.index.generations.engines.milvus.address import VARIABLE, Address, address
from copysight.index.generations.index_type import IndexType, default_index_type
from index_builder.cli import index as commands
from tests.cluster.servers import Milvus, Process
from tests.copysight.index.engines.conftest import REMOTE
from tests.copysight.index.engines.test_contract import PUBLISH

ENGINES = ("sqlite",)


@pytest.fixture(scope="module", params=REMOTE, autouse=True)
def vectors(request: pytest.FixtureRequest) -> Iterator[Process]:
    """The server, in place of the engines of the contract."""
    with pytest.MonkeyPatch.context() as patch:
        server = request.getfixturevalue(request.param)
        patch.setenv(VARIABLE, server.url)
        yield server


@pytest.fixture
def mortal(vectors: Process, monkeypatch: pytest.MonkeyPatch) -> Iterator[Process]:
    """A server that the test may kill and start again. Of Milvus there can be one only: its etcd has a fixed port."""
    if isinstance(vectors, Milvus):
        yield vectors
        return
    server = type(vectors)()
    monkeypatch.setenv(VARIABLE, server.url)
    yield server
    server.stop()


@pytest.fixture
def client(vectors: Process) -> Iterator[MilvusClient]:
    made = MilvusClient(vectors.url, dedicated=True)
    yield made
    made.close()


def held(client: MilvusClient, index: Index) -> list[str]:
    """The generations of an index that the server holds, by their collections."""
    prefix = f"copysight_{index.catalog.identity()}_"
    return sorted(name.removeprefix(prefix) for name in client.list_collections() if name.startswith(prefix))


def alias_of(client: MilvusClient, index: Index) -> str:
    prefix = f"copysight_{index.catalog.identity()}_"
    return client.describe_alias(f"{prefix}live")["collection_name"].removeprefix(prefix)


def until(condition: Callable[[], bool], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.1)


def searches(index: Index, query) -> bool:
    try:
        return index.snapshot().search(query[None], 1)[0][0].similarity == 1.0
    except VectorsUnavailable:
        return False


def test_collections_alias_and_memory_follow_the_generations(
    index: Index, add: Callable, unit: Callable, client: MilvusClient
) -> None:
    add(index, *range(300))
    for _ in range(3):
        publish(index)
    assert held(client, index) == ["000001", "000002", "000003"]
    assert alias_of(client, index) == "000003"
    states = [
        client.get_load_state(f"copysight_{index.catalog.identity()}_{name}")["state"].name
        for name in held(client, index)
    ]
    assert states[0] == "NotLoad"
    assert states[1:] == ["Loaded", "Loaded"]
    assert not list(index.directory.glob("generations/*/vectors.*"))
    rollback(index, to="000001")  # it is loaded again
    assert alias_of(client, index) == "000001"
    until(lambda: searches(index, unit(7)))
    publish(index, keep=2)
    assert held(client, index) == ["000003", "000004"]


def test_the_live_collection_is_not_dropped(index: Index, add: Callable, client: MilvusClient) -> None:
    add(index, *range(300))
    publish(index)
    with pytest.raises(InvalidArgument, match="is live"):
        index.engines.drop("000001")
    assert held(client, index) == ["000001"]


def test_what_a_killed_publisher_left_is_removed(
    index: Index, add: Callable, unit: Callable, client: MilvusClient
) -> None:
    add(index, *range(300))
    publish(index)
    prefix = f"copysight_{index.catalog.identity()}_"
    client.create_collection(f"{prefix}000007", dimension=16)
    client.create_collection("somebody_elses", dimension=4)
    client.alter_alias(f"{prefix}000007", f"{prefix}live")  # it was killed before it wrote CURRENT
    assert searches(index, unit(7))
    prune(index)
    assert (held(client, index), alias_of(client, index)) == (["000001"], "000001")
    assert "somebody_elses" in client.list_collections()
    client.drop_collection("somebody_elses")


@pytest.mark.parametrize("damage", ["removed", "emptied"])
def test_a_lost_collection_is_found_and_built_again(
    index: Index, add: Callable, unit: Callable, client: MilvusClient, damage: str
) -> None:
    add(index, *range(300))
    publish(index)
    add(index, 300)
    publish(index)
    name = f"copysight_{index.catalog.identity()}_000002"
    client.drop_alias(f"copysight_{index.catalog.identity()}_live")
    client.drop_collection(name)
    if damage == "emptied":
        client.create_collection(name, dimension=16)
    with Index.open(index.directory) as again:
        assert "in Milvus" in again.status().fault
        assert again.status().generation == "000001"  # the one before, and a delta
        assert searches(again, unit(300))
        assert any("in Milvus" in fault for fault in verify(again))
        publish(again)
        assert again.status().fault is None
        assert [fault for fault in verify(again) if "000003" in fault] == []
        assert searches(again, unit(300))


def test_a_vector_that_differs_is_a_fault(index: Index, add: Callable, unit: Callable, client: MilvusClient) -> None:
    [one, *_] = add(index, *range(300))
    publish(index)
    name = f"copysight_{index.catalog.identity()}_000001"
    client.upsert(name, [{"id": one.id, "vector": unit(999)}])
    until(lambda: client.get(name, [one.id], consistency_level="Strong")[0]["vector"][0] == unit(999)[0])
    assert any("differs from the catalog" in fault for fault in verify(index))
    # An answer has the similarity of the catalog's vector, whatever Milvus holds.
    assert all(match.similarity < 1 for match in index.snapshot().search(unit(999)[None], 3)[0])


def test_two_indexes_share_a_server(index: Index, add: Callable, tmp_path: Path, client: MilvusClient) -> None:
    add(index, *range(300))
    publish(index)
    with Index.create(tmp_path / "other", index.bundle.path) as other:
        add(other, *range(400))
        publish(other)
        publish(other, keep=1)
        assert held(client, other) == ["000002"]
        assert held(client, index) == ["000001"]
        assert verify(index) == verify(other) == []


def test_files_and_milvus_alternate(index: Index, add: Callable, unit: Callable, client: MilvusClient) -> None:
    add(index, *range(300))
    publish(index)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(VARIABLE)
        with pytest.raises(IndexNotFound, match=VARIABLE):
            Index.open(index.directory)
    directory = ["--index", str(index.directory)]
    answers = [match.id for match in index.snapshot().search(unit(7)[None], 20)[0]]
    for target, collections in (("files", ["000001"]), ("milvus", ["000001", "000003"])):
        done = CliRunner().invoke(commands, ["migrate", *directory, "--vectors", target, "--json"])
        assert (done.exit_code, json.loads(done.stdout.splitlines()[-1])["faults"]) == (0, []), done.output
        assert held(client, index) == collections
        assert [match.id for match in index.reload().search(unit(7)[None], 20)[0]] == answers
        assert index.layout.live() == ("000002" if target == "files" else "000003")


def test_a_migration_needs_an_address(index: Index, add: Callable) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(VARIABLE)
        done = CliRunner().invoke(commands, ["migrate", "--index", str(index.directory), "--vectors", "milvus"])
    assert VARIABLE in str(done.exception)


@pytest.mark.parametrize(
    ("choice", "named"),
    [
        (default_index_type("sq8", 100), "sq8"),
        (default_index_type("ivf_rabitq", 100_000), "ivf_rabitq"),
        (IndexType("hnsw", links=1, effort=64), "1 links"),
        (IndexType("ivf_sq8", lists=4, probes=8), "8 probes"),
    ],
)
def test_index_types_that_servers_accept_in_silence_are_refused(
    index: Index, add: Callable, choice: IndexType, named: str, client: MilvusClient
) -> None:
    add(index, *range(300))
    with pytest.raises(InvalidArgument, match=named):
        publish(index, choice=choice)
    assert held(client, index) == []


def test_an_outage_ends_by_itself(mortal: Process, index: Index, add: Callable, unit: Callable) -> None:
    add(index, *range(300))
    publish(index)
    add(index, 300)
    assert searches(index, unit(7))
    mortal.kill()
    with pytest.raises(VectorsUnavailable):
        index.snapshot().search(unit(7)[None], 1)
    began = time.monotonic()
    with pytest.raises(VectorsUnavailable):
        index.snapshot().search(unit(7)[None], 1)
    assert time.monotonic() - began < 1  # others fail at once
    [added] = add(index, 301)  # writes need the catalog alone
    assert index.catalog.get(added.id)
    with pytest.raises(VectorsUnavailable):
        publish(index)
    with Index.open(index.directory) as again:  # a server starts without Milvus, too
        assert again.status().fault is None
        assert not searches(again, unit(7))
        mortal.start()
        until(lambda: searches(again, unit(7)))
    until(lambda: searches(index, unit(7)))
    assert searches(index, unit(301))
    assert verify(index) == []
    assert publish(index).name == "000002"


def test_a_rebuild_that_is_killed_is_made_by_the_next(
    index: Index, add: Callable, unit: Callable, client: MilvusClient
) -> None:
    add(index, *range(300))
    publish(index)
    add(index, *range(300, 2300))
    command = [sys.executable, "-c", PUBLISH, index.directory]
    for after in (0.1, 0.6, 1.5):
        running = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert running.stdout.readline() == "open\n"
        time.sleep(after)
        running.kill()
        running.wait()
        running.stdout.close()
        assert searches(index, unit(7))
        assert searches(index, unit(2000))
    made = publish(index)
    assert held(client, index)[-1] == alias_of(client, index) == made.name
    assert set(held(client, index)) == set(index.layout.names())
    assert verify(index) == []


def test_addresses() -> None:
    assert address("") is address("files") is None
    assert address("http://one:19530") == Address("http://one:19530")
    assert address("https://me:s%40y@one:443/pictures") == Address("https://one:443", "pictures", "me:s@y")
    assert address("http://[::1]:19530") == Address("http://[::1]:19530")
    assert "s@y" not in repr(address("https://me:s%40y@one:443"))
    for wrong in (
        "one:19530",
        "http://one",
        "milvus://one:1",
        "http://one:19530/a/b",
        "http://one:x",
        "http://one:1?a=b",
    ):
        with pytest.raises(InvalidArgument) as caught:
            address(wrong)
        assert "http://one" not in caught.value.message
