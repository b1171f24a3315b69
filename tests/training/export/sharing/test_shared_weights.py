"""Weights that are stored once: references to bytes of another file."""

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from training.export.sharing.shared_weights import MIN_BYTES, files_used, share


def written(path, weights):
    """An ONNX file that multiplies by ``weights``."""
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    sides = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, len(weights)]) for name in "xy"]
    graph = helper.make_graph([node], "g", sides[:1], sides[1:], [numpy_helper.from_array(weights, "w")])
    onnx.save(helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 20)]), path)
    return path


def answer(path, given):
    return onnxruntime.InferenceSession(str(path)).run(None, {"x": given})[0]


def test_a_file_refers_to_equal_weights_and_answers_the_same(tmp_path):
    weights = np.random.default_rng(0).normal(size=(40, 40)).astype(np.float32)
    host, other = written(tmp_path / "host.onnx", weights), written(tmp_path / "other.onnx", weights)
    given = np.ones((1, 40), np.float32)
    before, size = answer(other, given), other.stat().st_size
    share(other, {"host.onnx": host})
    assert (answer(other, given) == before).all()
    assert files_used(other) == {"host.onnx"}
    assert other.stat().st_size < size - weights.nbytes + 200


def test_other_and_small_weights_stay(tmp_path):
    rng = np.random.default_rng(0)
    small = rng.normal(size=(8, 8)).astype(np.float32)
    assert small.nbytes < MIN_BYTES
    for name, mine in (("small", small), ("large", rng.normal(size=(40, 40)).astype(np.float32))):
        host = written(tmp_path / "host.onnx", small if name == "small" else mine + np.float32(1))
        other = written(tmp_path / f"{name}.onnx", mine)
        share(other, {"host.onnx": host})
        assert files_used(other) == set()
