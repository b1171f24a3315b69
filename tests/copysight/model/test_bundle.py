"""Bundles: written atomically, verified, and rejected with a reason."""

import dataclasses
import json
import shutil

import pytest

from copysight.errors import BundleCorrupt, BundleNotFound, InvalidArgument, OutputMissing
from copysight.model import bundle as bundles
from copysight.model.bundle import Bundle, Variant


@pytest.fixture
def copy(tiny_bundle, tmp_path):
    return shutil.copytree(tiny_bundle.path, tmp_path / "copy")


def test_a_loaded_bundle_describes_its_model(tiny_bundle):
    again = bundles.load(tiny_bundle.path)
    assert again == tiny_bundle
    assert (again.dimension, again.embedding.recipe, again.embedding.whitening) == (32, "cls", False)
    assert (again.attention.heads, again.attention.grid) == (2, (4, 4))
    assert (again.prototypes.count, again.prototypes.temperature) == (16, 0.1)
    assert (again.patches.dimension, again.patches.grid, again.at_least) == (32, (4, 4), 256)
    assert again.numerics.largest_difference <= 1e-4
    assert again.numerics.cosine >= 0.99999
    assert set(again.files) == {"graph0.onnx", "MODEL_CARD.md"}


def test_a_missing_bundle_is_an_error(tmp_path):
    with pytest.raises(BundleNotFound, match="copysight export"):
        bundles.load(tmp_path)


@pytest.mark.parametrize("damage", ["flip", "truncate", "remove"])
def test_a_damaged_file_is_an_error(copy, damage):
    file = copy / "graph0.onnx"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    if damage == "remove":
        file.unlink()
    else:
        file.write_bytes(bytes(data) if damage == "flip" else bytes(data[:-1]))
    with pytest.raises(BundleCorrupt, match=r"graph0\.onnx"):
        bundles.load(copy)


@pytest.mark.parametrize("change", [{"format": 99}, {"graphs": 3}, {"embedding": {}}, {"files": {"../x": "0"}}])
def test_an_invalid_description_is_an_error(copy, change):
    file = copy / bundles.DESCRIPTION
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    with pytest.raises(BundleCorrupt, match="export the bundle again"):
        bundles.load(copy)


def test_a_graph_without_a_checksum_is_an_error(copy):
    file = copy / bundles.DESCRIPTION
    manifest = json.loads(file.read_text())
    del manifest["files"]["graph0.onnx"]
    file.write_text(json.dumps(manifest))
    with pytest.raises(BundleCorrupt, match="without a checksum"):
        bundles.load(copy)


def test_write_does_not_replace_a_bundle(tiny_bundle):
    with pytest.raises(InvalidArgument, match="never changes"):
        bundles.write(tiny_bundle.path, {}, {})


def test_a_failed_write_leaves_no_files(tmp_path):
    with pytest.raises(FileNotFoundError):
        bundles.write(tmp_path / "new", {}, {"a": tmp_path / "missing"})
    assert list(tmp_path.iterdir()) == []


def test_a_missing_output_is_an_error(tiny_bundle):
    with pytest.raises(OutputMissing, match="gives no colour"):
        tiny_bundle.graph_of("colour")


@pytest.mark.parametrize(
    ("variant", "expected"),
    [
        (Variant("f", 0.9991), "int8"),
        (Variant("f", 0.9989), "fp32"),
        (Variant("f", 0.975, 0.9993), "int8"),  # one odd picture among many
        (Variant("f", 0.965, 0.9999), "fp32"),
        (Variant("f", 0.9985, 0.9989), "fp32"),
    ],
)
def test_new_indexes_use_int8_if_it_agrees_with_fp32(variant: Variant, expected: str, tiny_bundle: Bundle) -> None:
    graph = tiny_bundle.graphs[tiny_bundle.embedding.graph]
    both = dataclasses.replace(graph, variants={**graph.variants, "int8": variant})
    bundle = dataclasses.replace(tiny_bundle, graphs={tiny_bundle.embedding.graph: both})
    assert bundle.default_variant == expected
