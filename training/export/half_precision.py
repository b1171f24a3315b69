"""Store the weights of an ONNX file in half precision; computation stays in float32."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

MIN_VALUES = 1024
"""Number of values from which a tensor is converted; biases and scales stay in float32."""


def to_half_precision(path: Path) -> None:
    """Rewrite an ONNX file: each large float32 weight becomes a float16 weight and a cast, which runs once at loading.

    A weight changes by at most 2^-11 of its value (IEEE 754 binary16), or by 3e-8 if it is below 6e-5.
    """
    model = onnx.load(path)
    graph = model.graph
    large = [one for one in graph.initializer if one.data_type == TensorProto.FLOAT and np.prod(one.dims) >= MIN_VALUES]
    for weight in large:
        half = numpy_helper.from_array(numpy_helper.to_array(weight).astype(np.float16), f"{weight.name}_half")
        graph.initializer.remove(weight)
        graph.initializer.append(half)
        graph.node.insert(0, helper.make_node("Cast", [half.name], [weight.name], to=TensorProto.FLOAT))
    onnx.checker.check_model(model)
    onnx.save(model, path)
