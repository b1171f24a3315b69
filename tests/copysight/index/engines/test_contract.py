"""What every engine of generations does: search, filters, snapshots, publish, rollback, verify, another model.

On {SQLite, PostgreSQL} x {files, milvus-lite, Milvus} x {files, S3}; `make test` has no Milvus and no S3.
"""

import hashlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from copysight.catalog import NewItem
from copysight.errors import GateFailed, ItemNotFound
from copysight.index import Gate, Index, Parameters, backup, prune, publish, restore, rollback, verify
from copysight.index.generations.index_type import default_index_type
from copysight.model.bundle import Bundle

COUNT = 2000
PUBLISH = """
import sys
from pathlib import Path
from copysight.index import Index, publish

index = Index.open(Path(sys.argv[1]))
print("open", flush=True)
publish(index)
"""
WIDE = Parameters(probes=1000, effort=500, candidates=200)


@pytest.fixture(scope="module", params=["files", pytest.param("s3", marks=pytest.mark.cluster)], autouse=True)
def blobs(request: pytest.FixtureRequest) -> Iterator[str]:
    """Where originals and thumbnails are, and the copies of what is published: what COPYSIGHT_BLOBS says."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "files":
            patch.delenv("COPYSIGHT_BLOBS", raising=False)
        else:
            for name, value in request.getfixturevalue("seaweedfs").environment.items():
                patch.setenv(name, value)
        yield request.param


@pytest.fixture(scope="session")
def many(unit: Callable) -> np.ndarray:
    return np.stack([unit(seed) for seed in range(COUNT)])


def fill(index: Index, item: Callable, many: np.ndarray) -> dict[int, np.ndarray]:
    """Add all; every twentieth is in the collection x, and ``n`` has ten values."""
    index.catalog.fields.declare("n")
    new = [
        item(f"{seed}", seed, vector=vector, collection="x" if seed % 20 == 0 else "default", metadata={"n": seed % 10})
        for seed, vector in enumerate(many)
    ]
    added = index.catalog.add(new, model=index.bundle.id)
    return {one.item.id: vector for one, vector in zip(added, many, strict=True)}


def found(index: Index, query: np.ndarray, k: int, **more: object) -> list[tuple[int, float]]:
    return [(match.id, match.similarity) for match in index.snapshot().search(query[None], k, **more)[0]]


@pytest.mark.parametrize("kind", ["flat", "hnsw", "ivf_sq8"])
def test_additions_deletes_replacements_and_filters(
    index: Index, item: Callable, unit: Callable, many: np.ndarray, nearest: Callable, kind: str, vectors: str
) -> None:
    # The inverted files of milvus-lite do not read all lists, whatever it is asked for; Milvus's own do.
    least = 0.5 if (vectors, kind) == ("milvus_lite", "ivf_sq8") else 1.0
    known = fill(index, item, many)
    choice = replace(default_index_type(kind, COUNT), few=0)
    generation = publish(index, choice=choice, gate=Gate(recall=0.5))
    assert generation.manifest.choice.kind == kind
    ids = list(known)
    index.delete(ids[:60:3])
    for id_ in ids[:60:3]:
        del known[id_]
    replaced = NewItem("61", f"{5000:064x}", 1, 1, unit(5000), metadata={"n": 1})
    index.catalog.add([replaced], model=index.bundle.id, replace=True)
    known[ids[61]] = unit(5000)
    [added] = index.catalog.add([item("new", 6000, metadata={"n": 4})], model=index.bundle.id)
    known[added.item.id] = unit(6000)
    restrictions = (
        ({}, lambda id_: True),
        ({"filter": {"range": ["n", 0, 7]}}, lambda id_: n_of(id_) <= 7),  # most: more results are asked for
        ({"filter": {"in": ["n", [3, 4]]}}, lambda id_: n_of(id_) in {3, 4}),  # few: a list of ids
        ({"filter": {"eq": ["n", 4]}}, lambda id_: n_of(id_) == 4),  # fewer: the catalog
        ({"collection": "x"}, lambda id_: id_ != added.item.id and ids.index(id_) % 20 == 0),
        ({"collection": ("x", "nothing")}, lambda id_: id_ != added.item.id and ids.index(id_) % 20 == 0),
        ({"filter": {"eq": ["n", 77]}}, lambda id_: False),
    )

    def n_of(id_: int) -> int:
        return 4 if id_ == added.item.id else ids.index(id_) % 10

    for more, allowed in restrictions:
        kept = {id_: vector for id_, vector in known.items() if allowed(id_)}
        for seed in (61, 5000, 6000, 9000):
            got, true = found(index, unit(seed), 10, parameters=WIDE, **more), nearest(kept, unit(seed), 10)
            assert got == true or (least < 1 and len(set(got) & set(true)) >= least * len(true))
    batch = index.snapshot().search(many[:7], 3, parameters=WIDE)
    assert batch == [index.snapshot().search(query[None], 3, parameters=WIDE)[0] for query in many[:7]]
    everything = found(index, unit(1), COUNT * 2)
    assert everything == nearest(known, unit(1), COUNT * 2)
    assert verify(index) == []


def test_a_snapshot_does_not_change(index: Index, item: Callable, unit: Callable, many: np.ndarray) -> None:
    ids = list(fill(index, item, many))
    publish(index)
    before = index.snapshot()
    result = before.search(unit(5)[None], 40)
    index.delete(match.id for match in result[0][:20])
    index.catalog.add([item(f"new {seed}", seed) for seed in range(3000, 3100)], model=index.bundle.id)
    assert before.search(unit(5)[None], 40) == result
    publish(index)
    assert before.search(unit(5)[None], 40) == result
    gone = result[0][0].id
    assert np.array_equal(before.vector(gone), unit(5))
    with pytest.raises(ItemNotFound):
        index.snapshot().vector(gone)
    assert np.array_equal(index.snapshot().vector(ids[7]), unit(7))
    nearest_cluster = before.assign(unit(5)[None])[0].id
    assert gone in [match.id for match in before.members(nearest_cluster, limit=COUNT)]


def test_publish_rollback_prune_and_open_again(index: Index, add: Callable, unit: Callable) -> None:
    add(index, *range(300))
    first = publish(index)
    add(index, *range(300, 400))
    second = publish(index)
    assert [first.name, second.name] == ["000001", "000002"]
    assert first.manifest.recall == 1.0
    with Index.open(index.directory) as again:
        assert again.status().generation == second.name
        assert (again.status().delta, again.status().fault) == (0, None)
        assert found(again, unit(350), 1) == found(index, unit(350), 1)
        rollback(index)
        assert again.reload().generation.name == first.name
        assert again.status().delta == 100
        assert found(again, unit(350), 1)[0][1] == 1.0
    assert prune(index, keep=1) == []  # the latest stays for a rollback, and the live one always
    rollback(index, to=second.name)
    assert prune(index, keep=1) == [first.name]
    assert found(index, unit(350), 1)[0][1] == 1.0
    assert verify(index) == []


def test_an_index_without_items_can_be_published(index: Index, add: Callable, unit: Callable) -> None:
    publish(index)
    assert found(index, unit(1), 3) == []
    add(index, 1)
    assert len(found(index, unit(1), 3)) == 1
    publish(index)
    index.delete([found(index, unit(1), 1)[0][0]])
    publish(index)
    assert found(index, unit(1), 3) == []
    assert verify(index) == []


def test_a_failed_gate_changes_nothing(index: Index, add: Callable, unit: Callable) -> None:
    add(index, *range(300))
    publish(index)
    with pytest.raises(GateFailed):
        publish(index, gate=Gate(self_queries=1.1))
    assert index.layout.names() == ["000001"]
    assert index.status().generation == "000001"
    assert found(index, unit(7), 1)[0][1] == 1.0
    assert publish(index).name == "000002"


def test_another_model_goes_live_and_back(
    index: Index, add: Callable, unit: Callable, make_bundle: Callable, tmp_path: Path
) -> None:
    second: Bundle = make_bundle(tmp_path / "second", "second", 8)
    add(index, *range(300))
    publish(index)
    index.install(second.path)
    missing = index.catalog.missing(second.id)
    index.catalog.add_vectors(second.id, {one.sha256: unit(int(one.key), 8) for one in missing})
    assert publish(index, model=second.id).manifest.dimension == 8
    assert found(index, unit(3, 8), 1)[0][1] == 1.0
    assert verify(index) == []
    rollback(index)
    assert found(index, unit(3), 1)[0][1] == 1.0
    assert verify(index) == []


def test_originals_and_thumbnails_follow_their_items(
    index: Index, item: Callable, drawn: Callable, jpeg: Callable
) -> None:
    files = [jpeg(drawn(seed)) for seed in range(4)]

    def add(key: int, number: int) -> int:
        with index.blobs.hold():
            sha256 = index.blobs.put_original(files[number])
            index.blobs.put_thumbnail(sha256, drawn(number))
            new = item(f"{key}", number, sha256=sha256)
            return index.catalog.add([new], model=index.bundle.id, replace=True)[0].item.id

    ids = [add(number, number) for number in range(3)]
    publish(index)
    assert verify(index) == []
    add(1, 3)
    index.delete(ids[:1])
    publish(index)
    sums = [hashlib.sha256(file).hexdigest() for file in files]
    assert [index.blobs.original(sha256) for sha256 in sums] == [None, None, *files[2:]]
    assert index.blobs.with_thumbnail(sums) == set(sums[2:])
    assert verify(index) == []


def test_a_publisher_that_is_killed_changes_no_answer(index: Index, add: Callable, unit: Callable) -> None:
    add(index, *range(300))
    publish(index)
    add(index, *range(300, 2300))
    for after in (0.3, 1.0):
        running = subprocess.Popen([sys.executable, "-c", PUBLISH, index.directory], stdout=subprocess.PIPE, text=True)
        assert running.stdout.readline() == "open\n"
        time.sleep(after)
        running.kill()
        running.wait()
        running.stdout.close()
        assert [found(index, unit(seed), 1)[0][1] for seed in (7, 2000)] == [1.0, 1.0]
    made = publish(index)
    assert index.status().generation == made.name
    assert [found(index, unit(seed), 1)[0][1] for seed in (7, 2000)] == [1.0, 1.0]
    assert verify(index) == []


def test_a_backup_is_in_files_and_has_the_same_answers(
    index: Index, item: Callable, unit: Callable, many: np.ndarray, tmp_path: Path
) -> None:
    ids = list(fill(index, item, many))
    publish(index)
    index.delete(ids[:5])
    before = index.snapshot().clusters()
    assert backup(index, tmp_path / "saved") == []
    restore(tmp_path / "saved", tmp_path / "again")
    with Index.open(tmp_path / "again") as again:
        assert (tmp_path / "again/generations/000001/vectors.f32").stat().st_size == COUNT * 16 * 4
        assert again.status().fault is None
        for seed in (0, 50, 9000):
            assert found(again, unit(seed), 10) == found(index, unit(seed), 10)
        assert again.snapshot().clusters() == before
        publish(again)
        assert found(again, unit(50), 10) == found(index, unit(50), 10)
        assert verify(again) == []
    assert verify(index) == []  # the copies share a server
