"""Publishing, rollback and pruning of generations, also while items are added, and with another bundle."""

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from copysight.errors import BundleMismatch, GateFailed, NoGeneration, PublisherBusy
from copysight.index import Gate, Index, prune, publish, rollback
from copysight.index.generations.index_type import IndexType, default_index_type
from copysight.index.publishing.writer import Calibrated, CalibrationInput
from copysight.model.bundle import Bundle
from copysight.vectors.representatives import Representatives
from tests.engines import engine, pytest_generate_tests

__all__ = ["engine", "pytest_generate_tests"]  # each test runs on every engine
from copysight.scoring.calibration import Calibration


def test_a_generation_covers_the_catalog(index: Index, add: Callable) -> None:
    items = add(index, *range(20))
    stages: list[str] = []

    def calibrate(made: CalibrationInput) -> Calibrated:
        fitted = Calibration(2.0, float(len(made.vectors)), 0.5, len(made.ids), ())
        return Calibrated(fitted.to_json(), Representatives(made.vectors[3:7], np.arange(3, 7)))

    generation = publish(
        index,
        calibrate=calibrate,
        progress=lambda stage, done, total: stages.append(stage),
        clock=lambda: 5.0,
    )
    made = generation.manifest
    assert (generation.name, made.bundle, made.variant) == ("000001", index.bundle.id, "fp32")
    assert (made.count, made.dimension, made.sequence, made.built_at) == (20, 16, index.catalog.sequence(), 5.0)
    assert generation.ids.tolist() == [item.id for item in items]
    assert set(index.snapshot().judge.calibrations.values()) == {Calibration(2.0, 20.0, 0.5, 20, ())}
    others = {"clusters.npz", "calibration.json", "representatives.f16"}
    assert set(made.files) == {"vectors.f32", "ids.i64", "collections.i32"} | others
    assert generation.representatives is not None
    assert generation.representatives.vectors == pytest.approx(
        generation.searcher.gather(np.arange(3, 7)).vectors, abs=1e-3
    )
    assert list(dict.fromkeys(stages)) == ["vectors", "index", "clusters", "calibration", "recall", "gate", "publish"]


def test_only_one_publisher_can_run_at_a_time(index: Index) -> None:
    with index.publishing():
        for attempt in (publish, rollback, prune):
            with pytest.raises(PublisherBusy):
                attempt(index)
    publish(index)


def test_a_failed_check_keeps_the_live_generation(index: Index, add: Callable, unit: Callable) -> None:
    add(index, *range(1000))
    publish(index)
    narrow = IndexType("ivf_sq8", lists=100, probes=1, candidates=10)
    with pytest.raises(GateFailed, match="recall@10"):
        publish(index, choice=narrow, gate=Gate(recall=0.99))
    assert index.layout.live() == "000001"
    assert [path.name for path in index.layout.generations.iterdir()] == ["000001"]
    assert index.snapshot().search(unit(3)[None], 1)[0][0].similarity == 1.0


def test_a_default_search_is_widened_until_recall_suffices(
    index: Index, add: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    from copysight.index.generations import index_type as choices

    add(index, *range(2000))
    monkeypatch.setattr(choices, "FLAT_UP_TO", 0)
    made = publish(index).manifest
    assert made.choice.kind == "ivf_sq8"
    assert made.choice.probes > default_index_type("ivf_sq8", 2000).probes
    assert made.recall >= 0.95


def test_an_error_during_a_build_leaves_no_files(index: Index, add: Callable) -> None:
    add(index, *range(5))

    def failing(made: CalibrationInput) -> None:
        raise RuntimeError("no calibration today")

    with pytest.raises(RuntimeError):
        publish(index, calibrate=failing)
    assert list(index.layout.generations.iterdir()) == []
    assert publish(index).name == "000001"


def test_rollback_keeps_later_additions_and_deletions(index: Index, add: Callable) -> None:
    first = add(index, *range(10))
    publish(index)
    second = add(index, *range(10, 20))
    index.delete([first[0].id])
    publish(index)
    assert rollback(index).name == "000001"
    everything = {match.id for match in index.snapshot().search(np.ones((1, 16)), 100)[0]}
    assert everything == {item.id for item in [*first[1:], *second]}
    assert rollback(index, "000002").name == "000002"
    assert index.status().delta == 0
    with pytest.raises(NoGeneration):
        rollback(index, "000009")
    assert publish(index).name == "000003"


def test_rollback_fails_without_an_earlier_generation(index: Index) -> None:
    with pytest.raises(NoGeneration):
        rollback(index)
    publish(index)
    with pytest.raises(NoGeneration):
        rollback(index)


def test_old_generations_and_their_tombstones_are_removed(index: Index, add: Callable) -> None:
    items = add(index, *range(8))
    for item in items[:5]:
        publish(index, keep=2)
        index.delete([item.id])
    assert index.layout.names() == ["000004", "000005"]
    oldest = index.catalog.changes(0, index.bundle.id)
    assert oldest.deleted.tolist() == [items[3].id, items[4].id]
    rollback(index)
    assert prune(index, keep=1) == []  # the live one is never removed
    assert index.layout.names() == ["000004", "000005"]
    assert index.status().count == 3


def test_publishing_removes_incomplete_files_of_killed_processes(index: Index, add: Callable) -> None:
    (index.layout.generations / ".000001.dead.tmp").mkdir(parents=True)
    (index.directory / ".CURRENT.dead.tmp").write_text("000009")
    (index.layout.blobs / "ab").mkdir()
    (index.layout.blobs / "ab" / ".abcd.dead.tmp").write_bytes(b"half")
    add(index, 1)
    publish(index)
    assert not list(index.directory.rglob(".*.tmp"))


def test_cluster_ids_are_stable_over_rebuilds(index: Index, item: Callable, unit: Callable) -> None:
    rng = np.random.default_rng(0)

    def near(centre: int, count: int) -> list[np.ndarray]:
        cloud = unit(centre) + rng.normal(size=(count, 16)) * 0.05
        return list((cloud / np.linalg.norm(cloud, axis=1, keepdims=True)).astype(np.float32))

    def add(name: str, vectors: list[np.ndarray], start: int) -> None:
        new = [item(f"{name}{i}", start + i, vector=vector) for i, vector in enumerate(vectors)]
        index.catalog.add(new, model=index.bundle.id)

    for centre in range(3):
        add(f"{centre}/", near(centre, 30), 1000 * centre)
    publish(index, clusters=3, seed=1)
    centres = np.stack([unit(centre) for centre in range(4)])
    before = [home.id for home in index.snapshot().assign(centres[:3])]
    index.delete([found.id for found in index.catalog.page(limit=1000) if found.key.startswith("1/")])
    add("3/", near(3, 30), 9000)
    publish(index, clusters=3, seed=77)
    after = [home.id for home in index.snapshot().assign(centres)]
    assert sorted(before) == [0, 1, 2]
    assert (after[0], after[2], after[3]) == (before[0], before[2], 3)


def test_items_can_be_added_while_a_generation_is_built(index: Index, add: Callable, unit: Callable) -> None:
    add(index, *range(50))
    publish(index)
    meanwhile: list[int] = []

    def add_and_delete(made: CalibrationInput) -> None:
        thread = threading.Thread(target=lambda: meanwhile.extend(item.id for item in add(index, 100, 101)))
        thread.start()
        thread.join()
        index.delete([1])
        assert index.snapshot().search(unit(100)[None], 1)[0][0].id == meanwhile[0]

    publish(index, calibrate=add_and_delete)
    found = {match.id for match in index.snapshot().search(unit(100)[None], 100)[0]}
    assert found == {*range(2, 51), *meanwhile}
    assert (index.status().delta, index.status().tombstones) == (2, 1)


class TestAnotherBundle:
    @pytest.fixture
    def second(self, tmp_path: Path, make_bundle: Callable) -> Bundle:
        return make_bundle(tmp_path / "second", "second", 8)

    def embed(self, index: Index, bundle: Bundle, unit: Callable) -> None:
        missing = index.catalog.missing(bundle.id)
        index.catalog.add_vectors(bundle.id, {item.sha256: unit(int(item.key), 8) for item in missing})

    def test_cannot_go_live_until_every_item_has_a_vector(
        self, index: Index, add: Callable, second: Bundle, unit: Callable
    ) -> None:
        add(index, *range(5))
        publish(index)
        index.install(second.path)
        with pytest.raises(BundleMismatch):
            publish(index, model=second.id)
        assert index.bundle.id != second.id
        self.embed(index, second, unit)
        assert publish(index, model=second.id).manifest.dimension == 8
        assert index.bundle.id == second.id == index.catalog.model()
        assert index.snapshot().search(unit(3, 8)[None], 1)[0][0].similarity == 1.0

    def test_goes_live_for_writers_and_readers_at_once(
        self, index: Index, add: Callable, second: Bundle, unit: Callable, item: Callable
    ) -> None:
        add(index, *range(5))
        publish(index)
        reader = Index.open(index.directory)
        old = reader.snapshot()
        index.install(second.path)
        self.embed(index, second, unit)
        publish(index, model=second.id)
        with pytest.raises(BundleMismatch):
            reader.catalog.add([item("9", 9)], model=old.bundle.id)
        assert reader.reload().bundle.id == second.id
        assert old.search(unit(2)[None], 1)[0][0].similarity == 1.0
        reader.close()

    def test_rollback_to_the_old_one_needs_vectors_of_newer_items(
        self, index: Index, add: Callable, second: Bundle, unit: Callable, item: Callable
    ) -> None:
        add(index, *range(5))
        publish(index)
        first = index.bundle
        index.install(second.path)
        self.embed(index, second, unit)
        publish(index, model=second.id)
        index.catalog.add([item("9", 9, vector=unit(9, 8))], model=second.id)
        with pytest.raises(BundleMismatch):
            rollback(index)
        assert index.bundle.id == second.id
        index.catalog.add_vectors(first.id, {item("9", 9).sha256: unit(9)})
        rollback(index)
        assert index.bundle.id == first.id
        assert index.snapshot().search(unit(9)[None], 1)[0][0].similarity == 1.0

    def test_unused_bundles_are_removed_and_a_prepared_one_is_kept(
        self, index: Index, add: Callable, second: Bundle, unit: Callable, make_bundle: Callable, tmp_path: Path
    ) -> None:
        add(index, *range(5))
        publish(index)
        first, third = index.bundle, make_bundle(tmp_path / "third", "third", 8)
        index.catalog.models.prepare(second.id, "fp32")
        for bundle in (second, third):
            index.install(bundle.path)
        (index.layout.bundles / ".stopped.tmp").mkdir()
        prune(index, keep=1)
        assert {path.name for path in index.layout.bundles.iterdir()} == {first.id, second.id}
        self.embed(index, second, unit)
        publish(index, model=second.id, keep=2)
        assert {path.name for path in index.layout.bundles.iterdir()} == {first.id, second.id}  # for a rollback
        prune(index, keep=1)
        assert {path.name for path in index.layout.bundles.iterdir()} == {second.id}
        assert index.catalog.missing_count(first.id) == 5

    def test_left_out_items_appear_when_their_vector_is_added(
        self, index: Index, add: Callable, second: Bundle, unit: Callable, sha: Callable
    ) -> None:
        add(index, 1, 2)
        index.install(second.path)
        index.catalog.add_vectors(second.id, {sha(1): unit(1, 8)})
        publish(index, model=second.id, allow_missing=True)
        assert index.snapshot().count == 1
        index.catalog.add_vectors(second.id, {sha(2): unit(2, 8)})
        assert index.snapshot().search(unit(2, 8)[None], 1)[0][0].similarity == 1.0

    def test_a_publisher_that_was_killed_between_swap_and_commit_is_completed(
        self, index: Index, add: Callable, second: Bundle, unit: Callable
    ) -> None:
        add(index, 1, 2)
        publish(index)
        first = index.bundle.id
        index.install(second.path)
        self.embed(index, second, unit)
        publish(index, model=second.id)
        index.catalog.models.go_live(first, "fp32", lambda: True)  # the state of the catalog if the commit is missing
        with Index.open(index.directory) as again:
            assert again.bundle.id == second.id == again.catalog.model()
