"""Exported items can be imported again, and unsuitable files are rejected."""

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from copysight.errors import BundleMismatch, InvalidArgument
from copysight.index import Imported, Index, export_items, import_items, publish
from copysight.model.bundle import Bundle


@pytest.fixture(params=["out", "out.parquet"])
def exported(request: pytest.FixtureRequest, index: Index, item: Callable, tmp_path: Path) -> Path:
    new = [item(f"k/{i} ü.jpg", i, collection="xy"[i % 2], metadata={"n": i}, source=f"/p/{i}") for i in range(1500)]
    index.catalog.add(new[:1000], model=index.bundle.id)
    publish(index)
    index.catalog.add(new[1000:], model=index.bundle.id)
    index.delete([7])
    assert export_items(index, tmp_path / request.param) == 1499
    return tmp_path / str(request.param)


def test_an_import_restores_an_export(index: Index, exported: Path, tmp_path: Path, unit: Callable) -> None:
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


@pytest.mark.parametrize("exported", ["out"], indirect=True)
def test_exported_files_are_numpy_and_json_lines(exported: Path) -> None:
    vectors = np.load(exported / "vectors.npy")
    lines = [json.loads(line) for line in (exported / "items.jsonl").read_text().splitlines()]
    assert (vectors.shape, vectors.dtype) == ((1499, 16), np.float32)
    assert len(lines) == 1499
    assert lines[0]["key"] == "k/0 ü.jpg"


@pytest.mark.parametrize("exported", ["out.parquet"], indirect=True)
def test_other_programs_can_read_an_exported_parquet_file(exported: Path, unit: Callable) -> None:
    table = pq.read_table(exported)
    columns = ["key", "collection", "sha256", "width", "height", "metadata", "source", "information", "bytes", "taken"]
    columns += ["camera", "vector"]
    assert table.schema.names == columns
    first = table.slice(0, 1).to_pylist()[0]
    assert (first["key"], first["collection"], json.loads(first["metadata"])) == ("k/0 ü.jpg", "x", {"n": 0})
    assert np.array_equal(np.float32(first["vector"]), unit(0))


def test_both_formats_hold_the_same_data(index: Index, tmp_path: Path, item: Callable) -> None:
    index.catalog.add([item(f"{i}", i, metadata={"tags": ["a", i]}) for i in range(20)], model=index.bundle.id)
    before = [(item, index.snapshot().vector(item.id).tobytes()) for item in index.catalog.page()]
    for number, names in enumerate([("a", "b.parquet"), ("c.parquet", "d")]):
        export_items(index, tmp_path / names[0])
        with Index.create(tmp_path / f"second-{number}", index.bundle.path) as second:
            import_items(second, tmp_path / names[0])
            export_items(second, tmp_path / names[1])
        with Index.create(tmp_path / f"third-{number}", index.bundle.path) as third:
            import_items(third, tmp_path / names[1])
            found = [(item, third.snapshot().vector(item.id).tobytes()) for item in third.catalog.page()]
        assert [(replace(item, sequence=0), vector) for item, vector in found] == [
            (replace(item, sequence=0), vector) for item, vector in before
        ]


def test_an_empty_index_is_exported_and_imported(index: Index, tmp_path: Path) -> None:
    for name in ("empty", "empty.parquet"):
        assert export_items(index, tmp_path / name) == 0
        assert import_items(index, tmp_path / name) == Imported(0, 0, 0, 0)


def foreign(file: Path, **columns: object) -> Path:
    pq.write_table(pa.table(columns), file)
    return file


def test_parquet_files_from_other_programs_may_have_other_types(index: Index, tmp_path: Path, unit: Callable) -> None:
    lists = [pa.list_(pa.float64()), pa.large_list(pa.float32()), pa.list_(pa.float16(), 16)]
    for number, kind in enumerate(lists):
        vectors = pa.array([(3 * unit(number)).astype(np.float16 if number == 2 else np.float32).tolist()], kind)
        file = foreign(tmp_path / f"{number}.parquet", vector=vectors, key=[f"k{number}"], other=[1])
        assert import_items(index, file).created == 1
        assert index.snapshot().search(unit(number)[None], 1)[0][0].similarity == pytest.approx(1, abs=1e-4)
    metadata = pa.array([{"a": 1}], pa.struct([("a", pa.int64())]))
    import_items(index, foreign(tmp_path / "s.parquet", vector=[unit(9).tolist()], key=["s"], metadata=metadata))
    assert index.catalog.find("default", "s").metadata == {"a": 1}


ONES = [[1.0] * 16]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"key": ["a"]}, r"has the columns \['key'\]; add the columns \['vector'\]"),
        ({"vector": ONES}, r"add the columns \['key'\]"),
        ({"key": ["a"], "vector": [[1.0] * 8]}, "vectors of 8 numbers of type float64; needed are 16"),
        ({"key": ["a", "b"], "vector": [[1.0] * 16, [1.0] * 15]}, r"lists of \[16, 15\] numbers"),
        ({"key": ["a", "b"], "vector": [[1.0] * 16, None]}, "null"),
        ({"key": ["a"], "vector": [[1.0] * 15 + [None]]}, "null"),
        ({"key": ["a"], "vector": ["text"]}, "has the type string; needed are lists of floats"),
        ({"key": ["a"], "vector": [[1] * 16]}, "lists of floats"),
        ({"key": [None], "vector": ONES}, "row 1 is not an item .*None is not a text"),
        ({"key": [7], "vector": ONES}, "7 is not a text"),
        ({"key": ["a"], "vector": ONES, "metadata": ["[1]"]}, "not an object"),
        ({"key": ["a"], "vector": ONES, "metadata": ["{"]}, "row 1 is not an item"),
        ({"key": ["a"], "vector": [[0.0] * 16]}, "norms from 0"),
    ],
)
def test_unsuitable_parquet_files_are_rejected(index: Index, tmp_path: Path, columns: dict, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        import_items(index, foreign(tmp_path / "x.parquet", **columns))
    assert index.catalog.count() == 0


@pytest.mark.parametrize("damage", [b"", b"PAR1 and no more", None])
def test_files_that_are_not_parquet_are_rejected(
    index: Index, item: Callable, tmp_path: Path, damage: bytes | None
) -> None:
    index.catalog.add([item(f"{i}", i) for i in range(50)], model=index.bundle.id)
    file = tmp_path / "x.parquet"
    export_items(index, file)
    whole = file.read_bytes()
    file.write_bytes(damage if damage is not None else whole[:4] + b"\xff" * 600 + whole[604:])
    with pytest.raises(InvalidArgument, match=r"x\.parquet (is not a valid Parquet file|cannot be read)"):
        import_items(index, file)


def test_the_error_without_pyarrow_says_what_to_install(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "copysight.index.transfer.parquet_file", raising=False)
    monkeypatch.delattr("copysight.index.transfer.parquet_file", raising=False)
    monkeypatch.setitem(sys.modules, "pyarrow", None)  # Python's mark for a module that cannot be imported
    with pytest.raises(InvalidArgument, match=r"install copysight\[parquet\], or use a directory"):
        export_items(index, tmp_path / "x.parquet")


def test_one_collection_can_be_exported(index: Index, exported: Path, tmp_path: Path) -> None:
    assert export_items(index, tmp_path / "x", "x") == 749
    with pytest.raises(InvalidArgument):
        export_items(index, tmp_path / "x")


def test_files_with_only_keys_and_vectors_can_be_imported(index: Index, tmp_path: Path, unit: Callable) -> None:
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
def test_unreadable_files_are_rejected(index: Index, tmp_path: Path, vectors: np.ndarray, lines: str) -> None:
    np.save(tmp_path / "vectors.npy", vectors, allow_pickle=True)
    (tmp_path / "items.jsonl").write_text(lines)
    with pytest.raises(InvalidArgument):
        import_items(index, tmp_path)


def test_vectors_of_another_bundle_are_rejected(exported: Path, tmp_path: Path, make_bundle: Callable) -> None:
    other: Bundle = make_bundle(tmp_path / "other", "other")
    with Index.create(tmp_path / "again", other.path) as again, pytest.raises(BundleMismatch):
        import_items(again, exported)
