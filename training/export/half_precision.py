"""Weights stored in half precision: half the file, while everything is still computed in float32."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

LEAST = 1024
"""Values from which on a tensor is worth halving; biases and scales stay as they are."""


def halve(path: Path) -> None:
    """Rewrite an ONNX file so that each large float32 weight is a float16 one and a cast, which runs once, at loading.

    A weight moves by at most 2^-11 of itself (IEEE 754 binary16), or 3e-8 where it is below 6e-5.
    """
    model = onnx.load(path)
    graph = model.graph
    large = [one for one in graph.initializer if one.data_type == TensorProto.FLOAT and np.prod(one.dims) >= LEAST]
    for weight in large:
        half = numpy_helper.from_array(numpy_helper.to_array(weight).astype(np.float16), f"{weight.name}_half")
        graph.initializer.remove(weight)
        graph.initializer.append(half)
        graph.node.insert(0, helper.make_node("Cast", [half.name], [weight.name], to=TensorProto.FLOAT))
    onnx.checker.check_model(model)
    onnx.save(model, path)
