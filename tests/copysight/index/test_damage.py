"""A damaged generation is detected; an older one or the catalog is used instead, and a rebuild repairs the index."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from copysight.errors import IndexCorrupt
from copysight.index import Index, publish, rollback
from copysight.index.generations.generation import open_generation
from copysight.index.generations.index_type import default_index_type
from copysight.model.bundle import Bundle

FILES = ["manifest.json", "vectors.f32", "vectors.faiss", "ids.i64", "collections.i32", "clusters.npz"]


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-7])


def flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 4
    file.write_bytes(data)


def digit(file: Path) -> None:
    """The least visible damage: the file is still valid JSON, or a valid array."""
    data = file.read_bytes()
    file.write_bytes(data.replace(b'"sequence": 2', b'"sequence": 1') if b'"sequence": 2' in data else data + b" ")


def unreadable(file: Path) -> None:
    """Make a read of the first block fail with EIO, as on a failing disk."""
    file.unlink()
    file.symlink_to("/proc/self/mem")


def add(index: Index, item: Callable, seeds: range) -> None:
    index.catalog.add([item(f"{seed}", seed) for seed in seeds], model=index.catalog.model())


@pytest.fixture(scope="module")
def two_generations(tmp_path_factory: pytest.TempPathFactory, graphless: Bundle, item: Callable) -> Path:
    """An index with two generations, an item added and two deleted after them."""
    directory = tmp_path_factory.mktemp("generations") / "index"
    with Index.create(directory, graphless.path) as index:
        add(index, item, range(60))
        publish(index)
        add(index, item, range(60, 80))
        publish(index, choice=default_index_type("sq8", 80))
        add(index, item, range(80, 81))
        index.delete([1, 61])
    return directory


@pytest.fixture
def index(two_generations: Path, tmp_path: Path) -> Iterator[Index]:
    """A copy of it, to be damaged."""
    with Index.open(shutil.copytree(two_generations, tmp_path / "index")) as made:
        yield made


def check_answers(index: Index, unit: Callable) -> None:
    snapshot = index.snapshot()
    assert snapshot.count == 79
    for seed in (1, 59, 61, 79, 80):
        (matches,) = snapshot.search(unit(seed)[None], 100)
        assert (matches[0].id, matches[0].similarity) == (seed + 1, 1.0)
        assert {match.id for match in matches} == set(range(1, 82)) - {1, 61}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", [truncate, flip, digit, unreadable, Path.unlink])
def test_a_damaged_generation_is_replaced_by_the_previous_one_until_a_rebuild(
    index: Index, unit: Callable, name: str, damage: Callable
) -> None:
    damage(index.layout.generations / "000002" / name)
    with pytest.raises(IndexCorrupt, match=name):
        open_generation(index.layout.generations / "000002", index.engines)
    with Index.open(index.directory) as again:
        assert again.status().generation == "000001"
        assert name in again.status().fault
        check_answers(again, unit)
        assert publish(again).name == "000003"
        assert again.status().fault is None
        check_answers(again, unit)


def test_if_all_generations_are_damaged_searches_use_the_catalog_alone(index: Index, unit: Callable) -> None:
    for name in ("000001", "000002"):
        flip(index.layout.generations / name / "vectors.f32")
    with Index.open(index.directory) as again:
        assert (again.status().generation, again.status().delta) == (None, 79)
        check_answers(again, unit)
        publish(again)
        check_answers(again, unit)


@pytest.mark.parametrize("pointer", ["000009\n", "", "garbage", "../../etc"])
def test_a_pointer_to_a_missing_generation_is_ignored(index: Index, unit: Callable, pointer: str) -> None:
    index.layout.current.write_text(pointer)
    with Index.open(index.directory) as again:
        check_answers(again, unit)
        publish(again)
        assert again.status().fault is None
        check_answers(again, unit)


def test_a_reader_keeps_its_generation_when_the_new_one_is_damaged(index: Index, unit: Callable) -> None:
    with Index.open(index.directory) as other:
        publish(other)
    flip(index.layout.generations / "000003" / "vectors.f32")
    snapshot = index.reload()
    assert snapshot.generation.name == "000002"
    assert "000003" in index.status().fault
    check_answers(index, unit)


def test_rollback_to_a_damaged_generation_fails(index: Index, unit: Callable) -> None:
    flip(index.layout.generations / "000001" / "ids.i64")
    with pytest.raises(IndexCorrupt):
        rollback(index)
    assert index.layout.live() == "000002"
    check_answers(index, unit)


def test_rollback_from_a_damaged_generation_works(index: Index, unit: Callable) -> None:
    flip(index.layout.generations / "000002" / "ids.i64")
    assert rollback(index).name == "000001"
    check_answers(index, unit)
