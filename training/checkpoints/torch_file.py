"""Read torch and safetensors files of other programs: weights only, with a list of the classes that may be in them.

Loading a pickle can run code. ``weights_only`` refuses every class that is not listed. Listed here are numbers and
arrays of numpy, which training codes leave in their optimisers, and settings of training frameworks, which are read as
nothing.
"""

import argparse
import re
import warnings
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from copysight.errors import CheckpointMismatch
from training.checkpoints.checkpoint import READ_ERRORS
from training.networks.timm_networks import first_line


class Passed:
    """Stands for an object that is no weights: takes what the file says about it, and does nothing."""

    def __init__(self, *_: object, **__: object) -> None: ...

    def __setstate__(self, _: object) -> None: ...


def _dict(*_: object) -> dict[Any, Any]:
    return {}


DICTIONARIES = (
    *(
        f"{package}.AttributeDict"
        for package in (
            "lightning_fabric.utilities.data",
            "lightning.fabric.utilities.data",
            "lightning.pytorch.utilities.parsing",
            "pytorch_lightning.utilities.parsing",
        )
    ),
    "easydict.EasyDict",
    "yacs.config.CfgNode",
)
"""Classes of dictionaries of settings that Lightning, solo-learn and other codes save beside the weights."""
SETTINGS = (
    *(f"omegaconf.{name}" for name in ("dictconfig.DictConfig", "listconfig.ListConfig", "_utils.ValueKind")),
    *(f"omegaconf.base.{name}" for name in ("ContainerMetadata", "Metadata", "SCMode")),
    *(f"omegaconf.nodes.{name}Node" for name in ("Any", "Boolean", "Bytes", "Enum", "Float", "Integer", "String")),
    *(f"builtins.{name}" for name in ("dict", "list", "int", "float", "str", "bool", "tuple")),
    *(f"{home}.{kind}" for home in ("pathlib", "pathlib._local") for kind in ("PosixPath", "WindowsPath")),
    "typing.Any",
)
"""Other classes of settings; their objects are read as nothing."""
NUMBERS: tuple[Any, ...] = (
    np.dtype,
    np.ndarray,
    *{type(np.dtype(kind)) for kind in ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?")},
    *(
        (made, f"numpy.{core}.multiarray.{name}")
        for name, made in (
            ("scalar", np.float64(0).__reduce__()[0]),
            ("_reconstruct", np.zeros(1).__reduce__()[0]),
        )
        for core in ("core", "_core")
    ),
)
"""What numpy's numbers and arrays are made with, under the module names of numpy 1 and 2."""


def read(path: Path) -> tuple[Any, Mapping[str, str]]:
    """Content of a file on the CPU, and the metadata of a safetensors file (none for a torch file).

    Raises ``CheckpointMismatch`` if the file is neither, or holds a class that is not listed here.
    """
    try:
        if path.suffix == ".safetensors":
            return _safetensors(path)
        with torch.serialization.safe_globals(_listed()), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns about its own old formats
            return torch.load(path, map_location="cpu", weights_only=True), {}
    except (*READ_ERRORS, SafetensorError) as error:
        kind = "safetensors" if path.suffix == ".safetensors" else "torch"
        raise CheckpointMismatch(f"{path} cannot be read as a {kind} file: {_reason(error)}") from error


def _listed() -> list[Any]:
    """The listed classes, and what stands for each in a file."""
    dictionaries = [(OrderedDict, name) for name in DICTIONARIES]
    passed = [(Passed, name) for name in SETTINGS]
    return [argparse.Namespace, *NUMBERS, *dictionaries, (_dict, "collections.defaultdict"), *passed]


def _safetensors(path: Path) -> tuple[dict[str, Tensor], Mapping[str, str]]:
    with safe_open(str(path), "pt") as opened:
        state = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 - not a mapping
        return state, opened.metadata() or {}


def _reason(error: Exception) -> str:
    if found := re.search(r"GLOBAL ([\w.]+)", str(error)):
        return (
            f"it holds an object of {found[1]}, and only weights, numbers and settings are read; save the state dict "
            "of the network alone"
        )
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    return f"it is none, or incomplete ({first_line(error)}); download it again"
