"""Search in snapshots: every index type, delta, tombstones, filters, collections, clusters."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from copysight.errors import InvalidArgument, ItemNotFound
from copysight.index import Gate, Index, Match, Parameters, publish
from copysight.index.generations.index_type import default_index_type

KINDS = ["flat", "sq8", "ivf_sq8", "ivf_rabitq", "hnsw"]


def found(index: Index, query: np.ndarray, k: int, **more: object) -> list[tuple[int, float]]:
    return [(match.id, match.similarity) for match in index.snapshot().search(query[None], k, **more)[0]]


def test_an_empty_index_finds_nothing(index: Index, unit: Callable) -> None:
    assert index.snapshot().search(np.stack([unit(1), unit(2)]), 5) == [[], []]
    publish(index)
    assert found(index, unit(1), 5) == []
    assert index.snapshot().assign(unit(1)[None]) == [None]
    assert index.snapshot().clusters() == []


@pytest.mark.parametrize("published", [False, True])
def test_a_stored_vector_is_found_with_similarity_1(
    index: Index, add: Callable, unit: Callable, published: bool
) -> None:
    (only,) = add(index, 7)
    if published:
        publish(index)
    assert found(index, unit(7), 10) == [(only.id, 1.0)]


@pytest.mark.parametrize("published", [False, True])
def test_nothing_is_found_after_all_items_are_deleted(
    index: Index, add: Callable, unit: Callable, published: bool
) -> None:
    ids = [item.id for item in add(index, *range(5))]
    if published:
        publish(index)
    assert index.delete(ids) == 5
    assert found(index, unit(1), 3) == []
    assert index.snapshot().count == 0
    publish(index)
    assert found(index, unit(1), 3) == []


@pytest.mark.parametrize("published", [False, True])
def test_equal_vectors_are_sorted_by_id(
    index: Index, item: Callable, unit: Callable, sha: Callable, published: bool
) -> None:
    model = index.bundle.id
    index.catalog.add([item(f"{i}", i, vector=unit(1)) for i in range(300)], model=model)
    if published:
        publish(index)
    first = found(index, unit(1), 5)
    assert [id_ for id_, _ in first] == [1, 2, 3, 4, 5]
    assert {score for _, score in first} == {1.0}
    index.delete([2, 4])
    assert [id_ for id_, _ in found(index, unit(1), 3)] == [1, 3, 5]


@pytest.mark.parametrize("kind", KINDS)
def test_more_equal_vectors_than_candidates_hide_no_other_item(
    index: Index, item: Callable, unit: Callable, kind: str
) -> None:
    equal = [item(f"{i}", i, vector=unit(1)) for i in range(300)]
    index.catalog.add([*equal, *(item(f"{i}", i) for i in range(300, 500))], model=index.bundle.id)
    publish(index, choice=replace(default_index_type(kind, 500), few=0), gate=Gate(recall=0.5))
    matches = found(index, unit(1), 20)
    assert [score for _, score in matches] == [1.0] * 20
    assert matches == sorted(matches, key=lambda match: match[0])
    index.delete([id_ for id_, _ in matches])
    left = found(index, unit(1), 20)
    assert [score for _, score in left] == [1.0] * 20
    assert not dict(left).keys() & dict(matches).keys()
    assert found(index, unit(400), 1) == [(401, 1.0)]
    index.delete(range(1, 301))
    assert all(score < 1 and id_ > 300 for id_, score in found(index, unit(1), 20))


@pytest.mark.parametrize("kind", KINDS)
def test_two_collections_with_the_same_keys_are_separate(
    index: Index, item: Callable, unit: Callable, kind: str
) -> None:
    """Half of the keys have the same bytes in both; changes in one collection do not affect the other."""
    first_seeds = {"a": 0, "b": 1000}
    for collection, first in first_seeds.items():
        new = [item(f"{i}", i if i % 2 else first + i, collection=collection) for i in range(200)]
        index.catalog.add(new[:150], model=index.bundle.id)
    publish(index, choice=replace(default_index_type(kind, 300), few=0), gate=Gate(recall=0.5))
    for collection, first in first_seeds.items():
        new = [item(f"{i}", i if i % 2 else first + i, collection=collection) for i in range(150, 200)]
        index.catalog.add(new, model=index.bundle.id)
    keys = [f"{i}" for i in (1, 2, 3, 4, 151, 152)]
    index.delete(one.id for one in index.catalog.find_many("a", keys[:2] + keys[4:]).values())
    index.catalog.add([item("3", 5000, collection="a")], model=index.bundle.id, replace=True)
    wide = Parameters(probes=1000, effort=500, candidates=200)
    stored = index.catalog.find_many("b", keys)
    for key in keys:
        seed = int(key) if int(key) % 2 else 1000 + int(key)
        assert found(index, unit(seed), 1, collection="b", parameters=wide) == [(stored[key].id, 1.0)]
        mine = [index.catalog.get(id_) for id_, _ in found(index, unit(seed), 300, collection="a", parameters=wide)]
        assert len(mine) == 196
        assert {one.collection for one in mine} == {"a"}
    assert found(index, unit(5000), 1, parameters=wide) == [(index.catalog.find("a", "3").id, 1.0)]


@pytest.mark.parametrize("kind", KINDS)
def test_every_index_type_with_delta_deletions_and_replacement(
    index: Index, add: Callable, unit: Callable, nearest: Callable, kind: str
) -> None:
    items = add(index, *range(400))
    choice = replace(default_index_type(kind, 400), candidates=200, few=0)
    generation = publish(index, choice=choice, gate=Gate(recall=0.9))
    assert (generation.searcher.index is None) == (kind == "flat")
    vectors = {item.id: unit(seed) for seed, item in enumerate(items)}
    for item in add(index, *range(1000, 1040)):
        vectors[item.id] = unit(int(item.key))
    deleted = [items[i].id for i in range(0, 100, 3)]
    index.delete(deleted)
    vectors = {id_: vector for id_, vector in vectors.items() if id_ not in deleted}
    index.catalog.add([replaced(items[50].key, 2000, unit)], model=index.bundle.id, replace=True)
    vectors[items[50].id] = unit(2000)
    wide = Parameters(probes=1000, effort=400)
    for seed in [*range(0, 60, 3), 50, 1005, 2000, 5000]:
        assert found(index, unit(seed), 10, parameters=wide) == nearest(vectors, unit(seed), 10)


def replaced(key: str, seed: int, unit: Callable) -> object:
    from copysight.catalog import NewItem

    return NewItem(key=key, sha256=f"{seed:064x}", width=1, height=1, vector=unit(seed))


@pytest.mark.parametrize("kind", KINDS)
def test_k_larger_than_the_collection_returns_all_items(index: Index, add: Callable, unit: Callable, kind: str) -> None:
    add(index, *range(300))
    publish(index, choice=default_index_type(kind, 300), gate=Gate(recall=0.5))
    add(index, *range(300, 310))
    index.delete([1, 2])
    matches = found(index, unit(3), 10_000)
    assert len(matches) == 308
    assert matches == sorted(matches, key=lambda match: (-match[1], match[0]))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("few", [0, 20_000])
def test_filters_and_collections_restrict_the_search(
    index: Index, item: Callable, unit: Callable, nearest: Callable, kind: str, few: int
) -> None:
    index.catalog.fields.declare("n")
    new = [item(f"{i}", i, collection="xy"[i % 2], metadata={"n": i % 10}) for i in range(500)]
    index.catalog.add(new[:400], model=index.bundle.id)
    publish(index, choice=replace(default_index_type(kind, 400), candidates=50, few=few), gate=Gate(recall=0.2))
    index.catalog.add(new[400:], model=index.bundle.id)
    index.delete([6, 26, 406])
    everything = {i + 1: unit(i) for i in range(500) if i + 1 not in {6, 26, 406}}
    wide = Parameters(probes=1000, effort=500, candidates=200)
    for seed in (5, 25, 405, 9000):
        for tree, keep in (
            ({"eq": ["n", 5]}, lambda i: i % 10 == 5),
            ({"in": ["n", [1, 2]]}, lambda i: i % 10 in {1, 2}),
            ({"and": [{"range": ["n", 3, 8]}, {"range": ["n", None, 7]}]}, lambda i: 3 <= i % 10 <= 7),
            ({"eq": ["n", 77]}, lambda i: False),
        ):
            for collection, part in ((None, {0, 1}), ("x", {0}), ("y", {1}), ("z", set())):
                kept = {id_: v for id_, v in everything.items() if keep(id_ - 1) and (id_ - 1) % 2 in part}
                got = found(index, unit(seed), 7, filter=tree, collection=collection, parameters=wide)
                assert got == nearest(kept, unit(seed), 7)
        only_x = {id_: v for id_, v in everything.items() if (id_ - 1) % 2 == 0}
        assert found(index, unit(seed), 7, collection="x", parameters=wide) == nearest(only_x, unit(seed), 7)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("few", [0, 20_000])
def test_few_items_of_several_collections_are_searched_exactly(
    index: Index, item: Callable, unit: Callable, nearest: Callable, kind: str, few: int
) -> None:
    """Their vectors are gathered once for a snapshot; deletes, replacements and additions make another one."""
    names = [f"list-{i % 40}" if i % 5 == 0 else "default" for i in range(600)]
    new = [item(f"{i}", i, collection=names[i]) for i in range(600)]
    index.catalog.add(new[:400], model=index.bundle.id)
    publish(index, choice=replace(default_index_type(kind, 400), candidates=50, few=few), gate=Gate(recall=0.2))
    index.catalog.add(new[400:], model=index.bundle.id)
    vectors = {i + 1: (names[i], unit(i)) for i in range(600)}
    wanted, wide = ("list-0", "list-5", "list-10", "none"), Parameters(probes=1000, effort=500, candidates=200)
    for gone in ([], [1, 81], [401]):
        index.delete(gone)
        vectors = {number: one for number, one in vectors.items() if number not in gone}
        kept = {number: vector for number, (name, vector) in vectors.items() if name in wanted}
        for seed in (0, 45, 400, 9000):
            for _ in range(2):  # the second search uses what the first has gathered
                got = found(index, unit(seed), 5, collection=wanted, parameters=wide)
                assert got == nearest(kept, unit(seed), 5)
    gathered = next(iter(index.snapshot()._restrictions.values()))
    assert gathered.few_in_delta is not None
    assert (gathered.few_in_generation is not None) == (kind == "flat" or few > 0)


def test_a_search_is_exact_if_the_probed_lists_have_too_few_allowed_items(
    index: Index, item: Callable, unit: Callable, nearest: Callable
) -> None:
    index.catalog.fields.declare("n")
    index.catalog.add([item(f"{i}", i, metadata={"n": i % 7}) for i in range(2000)], model=index.bundle.id)
    narrow = replace(default_index_type("ivf_sq8", 2000), probes=1, few=0)
    publish(index, choice=narrow, gate=Gate(recall=0, self_queries=0))
    kept = {i + 1: unit(i) for i in range(2000) if i % 7 == 3}
    assert len(found(index, unit(9), 100, filter={"eq": ["n", 3]})) == 100
    assert found(index, unit(9), 286, filter={"eq": ["n", 3]}) == nearest(kept, unit(9), 286)


def test_a_result_does_not_depend_on_the_batch(index: Index, add: Callable, unit: Callable) -> None:
    add(index, *range(500))
    publish(index)
    add(index, *range(500, 600))
    queries = np.stack([unit(seed) for seed in range(0, 900, 9)])
    snapshot = index.snapshot()
    assert snapshot.search(queries, 5) == [snapshot.search(query[None], 5)[0] for query in queries]


def test_queries_need_not_be_normalised(index: Index, add: Callable, unit: Callable) -> None:
    add(index, 1, 2)
    assert found(index, unit(1) * 17, 1) == found(index, unit(1), 1)


@pytest.mark.parametrize(
    ("query", "k"),
    [
        (np.zeros((1, 16)), 1),
        (np.full((1, 16), np.nan), 1),
        (np.ones(16), 1),
        (np.ones((1, 8)), 1),
        (np.ones((1, 16)), 0),
        (np.ones((1, 16)), -1),
    ],
)
def test_invalid_queries_are_errors(index: Index, query: np.ndarray, k: int) -> None:
    with pytest.raises(InvalidArgument):
        index.snapshot().search(query, k)


def test_stored_vectors_by_id(index: Index, add: Callable, unit: Callable) -> None:
    one, two = add(index, 1, 2)
    publish(index)
    (three,) = add(index, 3)
    snapshot = index.snapshot()
    np.testing.assert_array_equal(snapshot.vector(one.id), unit(1))
    np.testing.assert_array_equal(snapshot.vector(three.id), unit(3))
    index.delete([two.id, three.id])
    np.testing.assert_array_equal(snapshot.vector(two.id), unit(2))  # the older snapshot does not change
    for missing in (two.id, three.id, 999):
        with pytest.raises(ItemNotFound):
            index.snapshot().vector(missing)


def test_a_snapshot_does_not_change(index: Index, add: Callable, unit: Callable) -> None:
    add(index, *range(20))
    publish(index)
    add(index, *range(20, 40))
    before = index.snapshot()
    result = before.search(unit(5)[None], 40)
    index.delete(range(1, 30))
    add(index, *range(100, 900))
    publish(index)
    assert before.search(unit(5)[None], 40) == result
    assert len(result[0]) == 40
    assert isinstance(result[0][0], Match)


def test_members_of_a_cluster_are_sorted_by_distance(index: Index, item: Callable, unit: Callable) -> None:
    rng = np.random.default_rng(0)
    near = [unit(i % 3) + rng.normal(size=16) * 0.05 for i in range(60)]
    vectors = [(v / np.linalg.norm(v)).astype(np.float32) for v in near]
    index.catalog.add([item(f"{i}", i, vector=v) for i, v in enumerate(vectors)], model=index.bundle.id)
    publish(index, clusters=3)
    snapshot = index.snapshot()
    assert [cluster.size for cluster in snapshot.clusters()] == [20, 20, 20]
    assigned = snapshot.assign(np.stack(vectors))
    for i in range(3):
        assert len({cluster.id for cluster in assigned[i::3]}) == 1
    members = snapshot.members(assigned[0].id)
    assert {match.id for match in members} == set(range(1, 61, 3))
    assert members == sorted(members, key=lambda match: (-match.similarity, match.id))
    assert snapshot.members(assigned[0].id, limit=3, offset=2) == members[2:5]
    index.delete([members[0].id])
    assert index.snapshot().members(assigned[0].id) == members[1:]
    with pytest.raises(ItemNotFound):
        snapshot.members(99)
