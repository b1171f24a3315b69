"""Graphs that an export adds to those of the networks: patches of any size, contributions of places to the embedding.

They are parts of networks that the bundle has anyway, so their weights are stored once.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import nn

from copysight.errors import ExportFailed
from copysight.model.bundle import Bundle
from copysight.model.embedder import Embedder
from copysight.model.outputs import PlaceGrid
from copysight.pictures.preprocess import Preprocess, to_tensor
from training.export import onnx_graph
from training.export.network import Network
from training.export.numerics import synthetic_picture
from training.export.sharing.shared_weights import share
from training.networks.contributions import contributions_of, grids_of
from training.networks.input_sizes import ERRORS
from training.networks.places import TokenPlaces, places_of

log = logging.getLogger(__name__)
PATCHES, CONTRIBUTIONS = "patches", "contributions"
"""Keys of the graphs, which are also the names of their outputs and files."""
PROBE = (256, 384)
"""Height and width at which a network is asked for its stride."""
CHECKED = ((6, 9), (11, 7))
"""Rows and columns of the pictures at which patches of any size are compared with torch."""


@dataclass(frozen=True)
class Added:
    """A graph to add: its network, the key of the graph that it is a part of, and its entry in ``bundle.json``."""

    network: Network
    source: str
    any_size: bool
    entry: Mapping[str, Any]


def find(networks: Mapping[str, Network]) -> dict[str, Added]:
    """The graphs to add to those of ``networks``, by key; fewer where the networks cannot give them."""
    patches = (_patches(key, network) for key, network in networks.items())
    found = {PATCHES: next(filter(None, patches), None), CONTRIBUTIONS: _contributions(*next(iter(networks.items())))}
    return {key: added for key, added in found.items() if added is not None}


def write(added: Mapping[str, Added], folder: Path, files: dict[str, Path | bytes]) -> dict[str, Added]:
    """Write the graphs to ``folder``, add them to ``files``, and return those that could be written.

    What torch cannot export is left out, with a warning: the bundle is useful without it.
    """
    written = {}
    for key, one in added.items():
        try:
            # The exporter folds BatchNorm into convolutions unless they run twice, as for two sizes of views.
            folded = not _has_batch_norm(files[file_of(one.source)])
            path = onnx_graph.write(one.network, folder / file_of(key), one.any_size, optimize=folded)
        except ExportFailed as error:
            log.warning("The bundle gets no %s: %s", key, error.message)
        else:
            written[key], files[file_of(key)] = one, path
    share_weights(files, written)
    return written


def share_weights(files: Mapping[str, Path | bytes], added: Mapping[str, Added]) -> None:
    """Make the files of the added graphs refer to the weights of the graphs that they are a part of."""
    for key, one in added.items():
        path, host = files[file_of(key)], files[file_of(one.source)]
        if isinstance(path, Path) and isinstance(host, Path):
            share(path, {file_of(one.source): host})


def _has_batch_norm(graph: Path | bytes) -> bool:
    model = onnx.load_from_string(graph) if isinstance(graph, bytes) else onnx.load(graph)
    return any(node.op_type == "BatchNormalization" for node in model.graph.node)


def file_of(key: str) -> str:
    """Name of the file of a graph."""
    return f"{key}.onnx"


def describe(manifest: dict[str, Any], added: Mapping[str, Added]) -> None:
    """Add the graphs to a ``manifest``."""
    for key, one in added.items():
        manifest["graphs"][key] = {
            "preprocess": one.network.preprocess.to_json(),
            "outputs": list(one.network.outputs),
            "variants": {"fp32": {"file": file_of(key), "cosine": 1.0}},
        }
        entry, own = {"graph": key, **one.entry}, manifest.get(key)
        # A transformer's own graph gives the same patches at its own size.
        manifest[key] = {**entry, **own} if own and own["graph"] == one.source else entry


def compare(bundle: Bundle, added: Mapping[str, Added]) -> float:
    """Largest difference to torch of the added graphs, at other sizes as well, and of summed contributions."""
    embedder = Embedder(bundle)
    differences = [_difference(embedder, key, one, size) for key, one in added.items() for size in _sizes(one)]
    # As numpy has it, a NaN stays.
    return float(np.max([0.0, *differences, *([_difference_of_sums(embedder)] if CONTRIBUTIONS in added else [])]))


def _difference(embedder: Embedder, key: str, one: Added, size: tuple[int, int]) -> float:
    pixels = to_tensor(synthetic_picture(3), _at(one.network.preprocess, size))
    with torch.inference_mode():
        expected = one.network.graph(torch.from_numpy(pixels)[None])[0][0].numpy()
    got = embedder.places(pixels) if one.any_size else embedder.run([{key: pixels}], (key,)).contributions
    return float(np.abs(np.asarray(got).reshape(expected.shape) - expected).max())


def _patches(key: str, network: Network) -> Added | None:
    graph = places_of(network.graph)
    stride = None if graph is None else _stride(graph)
    if graph is None or stride is None:
        return None
    preprocess = network.preprocess
    rows, columns = (max(round(side / stride), 1) for side in (preprocess.height, preprocess.width))
    if (rows * stride, columns * stride) != (preprocess.height, preprocess.width):
        preprocess = _at(preprocess, (rows * stride, columns * stride))
    with torch.inference_mode():
        dimension = int(graph(torch.zeros(1, 3, rows * stride, columns * stride))[0].shape[2])
    entry = {"dimension": dimension, "grid": [rows, columns], "any_size": PATCHES, "stride": stride}
    return Added(replace(network, graph=graph, preprocess=preprocess), key, True, entry)


@torch.inference_mode()
def _stride(graph: nn.Module) -> int | None:
    """Pixels between two places, the same in both directions; None if the network does not take any size."""
    height, width = PROBE
    try:
        if isinstance(graph, TokenPlaces):
            down, across = graph.backbone.patch_embed.patch_size
            graph(torch.zeros(1, 3, 2 * down, 3 * across))
            return int(down) if down == across else None
        places = [int(graph(torch.zeros(1, 3, height, sides))[0].shape[1]) for sides in (width, 2 * width)]
    except (*ERRORS, AttributeError, NotImplementedError):
        return None
    stride = round((height * width / places[0]) ** 0.5)
    expected = height // stride * (width // stride)
    return stride if not height % stride and not width % stride and places == [expected, 2 * expected] else None


def _contributions(key: str, network: Network) -> Added | None:
    graph = contributions_of(network.graph)
    if graph is None:
        return None
    grids = grids_of(graph, network.preprocess.height, network.preprocess.width)
    return Added(replace(network, graph=graph), key, False, {"grids": [_grid(grid) for grid in grids]})


def _grid(grid: PlaceGrid) -> dict[str, Any]:
    return {"rows": grid.rows, "columns": grid.columns, "box": list(grid.box), "mirrored": grid.mirrored}


def _sizes(added: Added) -> list[tuple[int, int]]:
    own = (added.network.preprocess.height, added.network.preprocess.width)
    if not added.any_size:
        return [own]
    stride = int(added.entry["stride"])
    return [own, *((rows * stride, columns * stride) for rows, columns in CHECKED)]


def _at(preprocess: Preprocess, size: tuple[int, int]) -> Preprocess:
    return replace(preprocess, size=size, resize="squash", resize_to=size)


def _difference_of_sums(embedder: Embedder) -> float:
    """Largest difference between the sum of contributions and the embedding."""
    pictures = [synthetic_picture(seed) for seed in range(3)]
    inputs = [embedder.prepare(picture, (CONTRIBUTIONS,)) for picture in pictures]
    parts = embedder.run(inputs, (CONTRIBUTIONS,)).contributions
    if parts is None:
        raise embedder.bundle.missing(CONTRIBUTIONS)
    return float(np.abs(parts.sum(axis=1) - embedder.embed(pictures)).max())
