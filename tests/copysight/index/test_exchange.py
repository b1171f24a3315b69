import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from copysight.bundle import Bundle
from copysight.errors import BundleMismatch, InvalidArgument
from copysight.index import Imported, Index, export_items, import_items, publish


@pytest.fixture
def exported(index: Index, item: Callable, tmp_path: Path) -> Path:
    new = [item(f"k/{i} ü.jpg", i, collection="xy"[i % 2], metadata={"n": i}, source=f"/p/{i}") for i in range(1500)]
    index.catalog.add(new[:1000], model=index.bundle.id)
    publish(index)
    index.catalog.add(new[1000:], model=index.bundle.id)
    index.delete([7])
    assert export_items(index, tmp_path / "out") == 1499
    return tmp_path / "out"


def test_what_is_exported_comes_back(index: Index, exported: Path, tmp_path: Path, unit: Callable) -> None:
    with Index.create(tmp_path / "again", index.bundle.path) as again:
        assert import_items(again, exported) == Imported(1499, 0, 0, 0)
        for old in index.catalog.page(limit=2000):
            new = again.catalog.find(old.collection, old.key)
            for name in ("sha256", "width", "height", "metadata", "source"):
                assert getattr(new, name) == getattr(old, name)
        (matches,) = again.snapshot().search(unit(1200)[None], 1)
        assert again.catalog.get(matches[0].id).key == "k/1200 ü.jpg"
        assert matches[0].similarity == 1.0
        assert import_items(again, exported) == Imported(0, 1499, 0, 0)


def test_the_files_are_plain(exported: Path) -> None:
    vectors = np.load(exported / "vectors.npy")
    lines = [json.loads(line) for line in (exported / "items.jsonl").read_text().splitlines()]
    assert (vectors.shape, vectors.dtype) == ((1499, 16), np.float32)
    assert len(lines) == 1499
    assert lines[0]["key"] == "k/0 ü.jpg"


def test_one_collection(index: Index, exported: Path, tmp_path: Path) -> None:
    assert export_items(index, tmp_path / "x", "x") == 749
    with pytest.raises(InvalidArgument):
        export_items(index, tmp_path / "x")


def test_keys_and_vectors_of_others_suffice(index: Index, tmp_path: Path, unit: Callable) -> None:
    np.save(tmp_path / "vectors.npy", np.stack([unit(1), unit(2)]).astype(np.float64) * 3)
    (tmp_path / "items.jsonl").write_text('{"key": "a"}\n{"key": "b", "metadata": null}\n')
    assert import_items(index, tmp_path) == Imported(2, 0, 0, 0)
    assert index.snapshot().search(unit(2)[None], 1)[0][0].similarity == pytest.approx(1, abs=1e-6)
    np.save(tmp_path / "vectors.npy", np.stack([unit(3), unit(2)]))
    assert import_items(index, tmp_path).conflicts == 2
    assert import_items(index, tmp_path, replace=True).replaced == 2


@pytest.mark.parametrize(
    ("vectors", "lines"),
    [
        (np.ones((2, 8)), '{"key": "a"}\n{"key": "b"}\n'),
        (np.ones(16), '{"key": "a"}\n'),
        (np.ones((1, 16), np.int64), '{"key": "a"}\n'),
        (np.zeros((1, 16)), '{"key": "a"}\n'),
        (np.full((1, 16), np.nan), '{"key": "a"}\n'),
        (np.ones((2, 16)), '{"key": "a"}\n'),
        (np.ones((1, 16)), '{"key": "a"}\n{"key": "b"}\n'),
        (np.ones((1, 16)), "no json\n"),
        (np.ones((1, 16)), "[1]\n"),
        (np.ones((1, 16)), '{"name": "a"}\n'),
        (np.array([{}] * 2), '{"key": "a"}\n'),
    ],
)
def test_what_cannot_be_read_is_refused(index: Index, tmp_path: Path, vectors: np.ndarray, lines: str) -> None:
    np.save(tmp_path / "vectors.npy", vectors, allow_pickle=True)
    (tmp_path / "items.jsonl").write_text(lines)
    with pytest.raises(InvalidArgument):
        import_items(index, tmp_path)


def test_vectors_of_another_bundle_are_refused(exported: Path, tmp_path: Path, make_bundle: Callable) -> None:
    other: Bundle = make_bundle(tmp_path / "other", "other")
    with Index.create(tmp_path / "again", other.path) as again, pytest.raises(BundleMismatch):
        import_items(again, exported)
