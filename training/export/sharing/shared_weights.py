"""Store weights once: tensors of an ONNX file become references to equal bytes in another file beside it.

ONNX allows a tensor to be a byte range of any file in the folder of the model ("external data"), and so of another
ONNX file.
"""

from collections.abc import Mapping
from pathlib import Path

import onnx
from onnx import TensorProto

MIN_BYTES = 512
"""Smaller tensors stay where they are: a reference takes 60 bytes."""


def share(path: Path, hosts: Mapping[str, Path]) -> None:
    """Rewrite the ONNX file ``path``: tensors whose bytes are in a host become references to it.

    ``hosts``: file names that the files will have beside it -> where they are now. A host must not change afterwards.
    """
    model = onnx.load(path)
    for name, host in hosts.items():
        data = host.read_bytes()
        for tensor in model.graph.initializer:
            if len(tensor.raw_data) >= MIN_BYTES and (offset := data.find(tensor.raw_data)) >= 0:
                _refer(tensor, name, offset)
    for node in model.graph.node:
        del node.metadata_props[:]  # the exporter's traces of Python, two thirds of what is left
    for value in model.graph.value_info:
        del value.metadata_props[:]
    path.write_bytes(model.SerializeToString())


def files_used(path: Path) -> set[str]:
    """Names of the files that the tensors of an ONNX file refer to."""
    model = onnx.load(path, load_external_data=False)
    return {
        entry.value for tensor in model.graph.initializer for entry in tensor.external_data if entry.key == "location"
    }


def _refer(tensor: TensorProto, name: str, offset: int) -> None:
    length = len(tensor.raw_data)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", name), ("offset", offset), ("length", length)):
        entry = tensor.external_data.add()
        entry.key, entry.value = key, str(value)
