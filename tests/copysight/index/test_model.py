"""Catalog and index agree with a plain dictionary and brute force, for random sequences of operations."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from copysight.catalog import Added, NewItem
from copysight.errors import KeyConflict, NoGeneration
from copysight.index import Gate, Index, Snapshot, prune, publish, rollback
from copysight.index.generations.index_type import default_index_type
from tests.engines import engine, pytest_generate_tests

__all__ = ["engine", "pytest_generate_tests"]  # each test runs on every engine
from copysight.model.bundle import Bundle

D = 8
POOL = np.random.default_rng(5).normal(size=(12, D)).astype(np.float32)
POOL /= np.linalg.norm(POOL, axis=1, keepdims=True)
GATE = Gate(recall=0, self_queries=0)

seeds = st.integers(0, len(POOL) - 1)
places = st.tuples(st.sampled_from(["x", "y"]), st.sampled_from(list("abcde")))
queries = st.one_of(
    seeds.map(lambda i: POOL[i]), st.integers(0, 50).map(lambda i: np.random.default_rng(i).normal(size=D))
)


@dataclass(frozen=True)
class Known:
    """The expected state of an item."""

    place: tuple[str, str]
    seed: int
    n: int


@dataclass(frozen=True)
class Kept:
    """A snapshot, its items, and the ids that matched each filter when the snapshot first used that filter."""

    snapshot: Snapshot
    known: dict[int, Known]
    filtered: dict[tuple[int, str | None], set[int]] = field(default_factory=dict)


def machine(bundle: Bundle, nearest: Callable) -> type[RuleBasedStateMachine]:  # noqa: C901 - a class inside
    class Machine(RuleBasedStateMachine):
        @initialize()
        def make(self) -> None:
            memory = Path("/dev/shm")  # fsync is fast there; this test is not about durability
            self.room = tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None)
            self.index = Index.create(Path(self.room.name) / "index", bundle.path)
            self.index.catalog.fields.declare("n")
            self.reader = Index.open(self.index.directory)
            self.known: dict[int, Known] = {}
            self.used: set[int] = set()
            self.keeper = Index.open(self.index.directory)
            self.kept: list[Kept] = []

        # Two rules make most of the changes, so that most examples contain both.
        @rule(
            new=st.lists(st.tuples(places, seeds, st.integers(0, 3)), max_size=6),
            replace_=st.booleans(),
            gone=st.lists(st.integers(0, 30), max_size=3),
        )
        def write(self, new: list[tuple[tuple[str, str], int, int]], replace_: bool, gone: list[int]) -> None:
            items = [self.item(*one) for one in new]
            outcomes = self.index.catalog.add(items, model=bundle.id, replace=replace_)
            for (place, seed, n), outcome in zip(new, outcomes, strict=True):
                self.check_outcome(Known(place, seed, n), outcome, replace_)
            used = sorted(self.used)
            ids = {used[-1 - i % len(used)] for i in gone} if used else set()
            assert self.index.delete(ids) == len(ids & self.known.keys())
            self.known = {id_: known for id_, known in self.known.items() if id_ not in ids}

        @rule(data=st.data(), what=st.sampled_from(["publish", "publish", "rollback", "prune", "reopen", "keep"]))
        def turn_over(self, data: st.DataObject, what: str) -> None:
            getattr(self, what)(data)

        def check_outcome(self, new: Known, outcome: Added | KeyConflict, replace_: bool) -> None:
            there = {known.place: id_ for id_, known in self.known.items()}
            id_ = there.get(new.place)
            if id_ is None:
                assert outcome.status == "created"
                assert outcome.item.id not in self.used
                self.used.add(outcome.item.id)
                self.known[outcome.item.id] = new
            elif self.known[id_].seed == new.seed:
                assert (outcome.status, outcome.item.id) == ("unchanged", id_)
            elif replace_:
                assert (outcome.status, outcome.item.id) == ("replaced", id_)
                self.known[id_] = new
            else:
                assert isinstance(outcome, KeyConflict)

        @staticmethod
        def item(place: tuple[str, str], seed: int, n: int) -> NewItem:
            collection, key = place
            sha256 = f"{seed:064x}"
            return NewItem(key, sha256, 1, 1, POOL[seed], collection=collection, metadata={"n": n})

        @precondition(lambda self: self.known)
        @rule(data=st.data(), n=st.integers(0, 3))
        def describe(self, data: st.DataObject, n: int) -> None:
            id_ = data.draw(st.sampled_from(sorted(self.known)))
            self.index.catalog.set_metadata(id_, {"n": n})
            self.known[id_] = replace(self.known[id_], n=n)

        def publish(self, data: st.DataObject) -> None:
            kind = data.draw(st.sampled_from(["flat", "sq8", "ivf_sq8", "hnsw"]))
            choice = replace(default_index_type(kind, len(self.known)), candidates=100)
            publish(self.index, choice=choice, gate=GATE, keep=data.draw(st.integers(1, 3)))

        def rollback(self, data: st.DataObject) -> None:
            earlier = [name for name in self.index.layout.names() if name < (self.index.layout.live() or "")]
            try:
                assert rollback(self.index).name == earlier[-1]
            except NoGeneration:
                assert not earlier

        def prune(self, data: st.DataObject) -> None:
            prune(self.index, data.draw(st.integers(1, 2)))

        def reopen(self, data: st.DataObject) -> None:
            self.reader.close()
            self.reader = Index.open(self.index.directory)

        def keep(self, data: st.DataObject) -> None:
            snapshot = self.keeper.snapshot()  # from a separate index, so that no other rule has filtered it
            if not any(one.snapshot is snapshot for one in self.kept):
                self.kept = [*self.kept[-2:], Kept(snapshot, dict(self.known))]

        @rule(query=queries, k=st.sampled_from([1, 3, 100]))
        def old_snapshots_answer_as_before(self, query: np.ndarray, k: int) -> None:
            for kept in self.kept:
                self.compare(kept.snapshot, kept.known, query, k)

        @rule(query=queries, low=st.integers(0, 3), collection=st.sampled_from([None, "y"]))
        def old_snapshots_filter_by_the_metadata_of_the_filters_first_use(
            self, query: np.ndarray, low: int, collection: str | None
        ) -> None:
            fitting = {i for i, one in self.known.items() if one.n >= low and collection in {None, one.place[0]}}
            for kept in self.kept:
                ids = kept.filtered.setdefault((low, collection), fitting)
                known = {i: one for i, one in kept.known.items() if i in ids}
                tree = {"range": ["n", low, None]}
                self.compare(kept.snapshot, known, query, 4, collection=collection, filter=tree)

        @rule(query=queries, k=st.sampled_from([1, 2, 5, 100]), collection=st.sampled_from([None, "x", "z"]))
        def search(self, query: np.ndarray, k: int, collection: str | None) -> None:
            known = {i: one for i, one in self.known.items() if collection in {None, one.place[0]}}
            for index in (self.index, self.reader):
                self.compare(index.snapshot(), known, query, k, collection=collection)

        @rule(query=queries, low=st.integers(0, 3), collection=st.sampled_from([None, "y"]))
        def search_with_a_filter(self, query: np.ndarray, low: int, collection: str | None) -> None:
            known = {i: one for i, one in self.known.items() if one.n >= low and collection in {None, one.place[0]}}
            tree = {"range": ["n", low, None]}
            for index in (self.index, self.reader):
                self.compare(index.snapshot(), known, query, 4, collection=collection, filter=tree)

        def compare(
            self, snapshot: Snapshot, known: dict[int, Known], query: np.ndarray, k: int, **more: object
        ) -> None:
            (matches,) = snapshot.search(query[None], k, **more)
            vectors = {id_: POOL[one.seed] for id_, one in known.items()}
            assert [(match.id, match.similarity) for match in matches] == nearest(vectors, query, k)

        @invariant()
        def every_vector_finds_what_a_loop_finds(self) -> None:
            vectors = {id_: POOL[one.seed] for id_, one in self.known.items()}
            for index in (self.index, self.reader):
                for query, matches in zip(POOL, index.snapshot().search(POOL, 5), strict=True):
                    assert [(match.id, match.similarity) for match in matches] == nearest(vectors, query, 5)

        @invariant()
        def the_catalog_holds_what_was_acknowledged(self) -> None:
            items = self.index.catalog.page(limit=1000)
            assert {i.id: Known((i.collection, i.key), int(i.sha256, 16), i.metadata["n"]) for i in items} == self.known

        def teardown(self) -> None:
            if hasattr(self, "index"):
                assert self.index.catalog.faults() == []
                for index in (self.keeper, self.reader, self.index):
                    index.close()
                self.room.cleanup()

    return Machine


@pytest.mark.parametrize("examples", [12, pytest.param(300, marks=pytest.mark.long)])
def test_catalog_and_index_agree_with_a_dictionary_and_brute_force(
    examples: int, make_bundle: Callable, tmp_path: Path, nearest: Callable
) -> None:
    bundle = make_bundle(tmp_path / "bundle", "model", D)
    run_state_machine_as_test(
        machine(bundle, nearest),
        settings=settings(
            max_examples=examples,
            stateful_step_count=25,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )
