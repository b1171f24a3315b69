"""Quantised graphs: dynamic ranges for transformers, and embeddings close to float32."""

import json
from collections import Counter

import numpy as np
import onnx
import pytest

from copysight.model import bundle as bundles
from copysight.model.embedder import Embedder, Runtime
from training.export.quantization import quantize


@pytest.fixture(scope="module")
def reduced(tmp_path_factory, tiny_bundle, drawn):
    """The tiny transformer in int8."""
    embedder, scratch = Embedder(tiny_bundle), tmp_path_factory.mktemp("reduced")
    inputs = [embedder.prepare(drawn(seed))["graph0"] for seed in range(8)]
    quantize(tiny_bundle.path / "graph0.onnx", scratch / "graph0.int8.onnx", inputs)
    return scratch / "graph0.int8.onnx"


def kinds(graph):
    return Counter(node.op_type for node in onnx.load(graph).graph.node)


def test_a_transformer_gets_dynamic_ranges(tiny_bundle, reduced):
    assert kinds(reduced)["MatMulInteger"] >= 8  # two blocks: qkv, projection, two layers of the MLP
    assert kinds(reduced)["QuantizeLinear"] == 0
    assert kinds(reduced)["Conv"] == kinds(tiny_bundle.path / "graph0.onnx")["Conv"] == 1


def test_int8_embeddings_are_close_to_fp32(tmp_path, tiny_bundle, reduced, drawn):
    manifest = json.loads((tiny_bundle.path / "bundle.json").read_text())
    del manifest["format"], manifest["files"]
    manifest["graphs"]["graph0"]["variants"]["int8"] = {"file": reduced.name, "cosine": 1.0}
    files = {name: tiny_bundle.path / name for name in tiny_bundle.files} | {reduced.name: reduced}
    bundle = bundles.write(tmp_path / "both", manifest, files)
    pictures = [drawn(seed) for seed in range(20, 26)]
    exact, int8 = (Embedder(bundle, Runtime(variant=name)) for name in ("fp32", "int8"))
    cosines = (exact.embed(pictures) * int8.embed(pictures)).sum(axis=1)
    assert 0.99 < cosines.min() < 1 - 1e-7
    # The batch has no effect: on a CPU the embedder runs one picture at a time.
    assert np.array_equal(int8.embed(pictures)[2], int8.embed(pictures[2:3])[0])
