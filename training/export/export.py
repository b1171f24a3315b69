"""Export networks to a bundle: ONNX graphs, checked against torch with the Embedder that serves them."""

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from copysight.errors import InvalidArgument
from copysight.model import bundle as bundles
from copysight.model.bundle import Bundle, Numerics
from copysight.model.embedder import Embedder
from copysight.pictures.preprocess import in_words
from training.checkpoints import frameworks
from training.export import fitting as fits
from training.export import onnx_graph
from training.export.checks import check_network, compare, shapes
from training.export.fitting import Fitting, PictureSample
from training.export.half_precision import to_half_precision
from training.export.network import Network
from training.export.numerics import (
    HALF_COSINE,
    HALF_DIFFERENCE,
    MAX_DIFFERENCE,
    MIN_COSINE,
    check_numerics,
    numerics_json,
)
from training.export.sharing import added_graphs
from training.export.sharing.added_graphs import Added
from training.export.whitening import Whitening
from training.networks.many_views import ManyViews

__all__ = ["Network", "export"]
OPTIONAL_OUTPUTS = ("attention", "prototypes", "patches", "activations")
"""Outputs that a bundle may have besides the embedding."""


def export(
    networks: Sequence[Network],
    out: Path,
    card: str | None = None,
    name: str | None = None,
    fitting: Fitting | None = None,
    half: bool = False,
    weights: str | None = None,
    places: bool = True,
) -> Bundle:
    """Write a bundle to ``out``: the embedding from the first network, each other output from the first that has it.

    ``half`` stores weights in half precision; they are cast to float32 at loading. ``fitting`` adds what is fitted on
    pictures: whitening, background, calibration, int8. ``weights`` (``timm`` or ``torchvision``) adds the tensors of
    the first network under the names of that framework. ``places`` adds the graphs of `sharing.added_graphs` where the
    networks have them: patches of any size, and contributions.

    Raises ``ExportFailed`` if weights or outputs are not finite, if torch cannot export a network, or if a graph
    differs from torch by more than 1e-4 or a cosine is below 0.99999 (in half precision: 1e-2 and 0.9999), and
    ``InvalidArgument`` if ``out`` exists.
    """
    if out.exists():
        raise InvalidArgument(f"{out} exists already, and a bundle never changes; choose another path or remove it")
    for network in networks:
        check_network(network)
    sample = PictureSample(fitting) if fitting is not None else None
    tensors = {} if weights is None else {frameworks.FILE: _weights(networks[0], weights)}
    with tempfile.TemporaryDirectory() as scratch:
        if sample is not None and fitting is not None and fitting.whiten:
            unwhitened = _export_trial(networks[:1], Path(scratch), "plain")
            fitted = fits.whiten(Embedder(unwhitened.bundle), sample, fitting)
            networks[0].graph.whitening = layer(fitted)
        exported = _export_trial(networks, Path(scratch), "exact", name, places)
        manifest, files, trial = exported.manifest, exported.files, exported.bundle
        manifest["numerics"] = check_numerics(_compare_all(trial, exported), MAX_DIFFERENCE, MIN_COSINE)
        if half:
            trial = _with_half_weights(exported)
            manifest["numerics"] = check_numerics(_compare_all(trial, exported), HALF_DIFFERENCE, HALF_COSINE)
        if sample is not None and fitting is not None:
            fits.fit_to_pictures(manifest, files, trial, sample, fitting.int8)
        files["MODEL_CARD.md"] = (card or _card(manifest)).encode()
        return bundles.write(out, manifest, {**files, **tensors})


def layer(whitening: Whitening) -> nn.Linear:
    """The map of a whitening without its normalisation, as the last layer of a graph."""
    inputs, outputs = whitening.matrix.shape
    linear = nn.Linear(inputs, outputs)
    with torch.no_grad():
        linear.weight.copy_(torch.from_numpy(whitening.matrix.T))
        linear.bias.copy_(torch.from_numpy(whitening.bias))
    return linear.requires_grad_(False)


def _weights(network: Network, framework: str) -> bytes:
    body = frameworks.backbone_of(network.graph)
    return frameworks.weights(network.backbone, body, framework, network.preprocess.to_json(), _size(network))


def _size(network: Network) -> int:
    """Pixels for which the network inside the graph was built; a graph that cuts views takes larger pictures."""
    views: ManyViews | None = next((one for one in network.graph.modules() if isinstance(one, ManyViews)), None)
    if views is not None:
        return min(view.size for view in views.views)
    if not isinstance(network.preprocess.size, int):
        size = in_words(network.preprocess.size)
        raise InvalidArgument(f"--weights is for networks of squares, and {network.name} takes {size} px; omit it")
    return network.preprocess.size


@dataclass(frozen=True)
class TrialExport:
    """Exported graphs that are not checked yet, and a temporary bundle of them."""

    networks: dict[str, Network]
    added: dict[str, Added]
    manifest: dict[str, Any]
    files: dict[str, Path | bytes]
    bundle: Bundle


def _export_trial(
    networks: Sequence[Network], scratch: Path, trial: str, name: str | None = None, places: bool = False
) -> TrialExport:
    by_key = {f"graph{number}": network for number, network in enumerate(networks)}
    folder = scratch / f"{trial}-graphs"
    folder.mkdir()
    files: dict[str, Path | bytes] = {
        f"{key}.onnx": onnx_graph.write(network, folder / f"{key}.onnx") for key, network in by_key.items()
    }
    manifest = _manifest(by_key, {key: shapes(network) for key, network in by_key.items()}, name or networks[0].name)
    added = added_graphs.write(added_graphs.find(by_key), folder, files) if places else {}
    added_graphs.describe(manifest, added)
    bundle = bundles.write(scratch / trial, {**manifest, "numerics": numerics_json(1.0, 0.0)}, files)
    return TrialExport(by_key, added, manifest, files, bundle)


def _compare_all(trial: Bundle, exported: TrialExport) -> Numerics:
    """Agreement of all graphs with torch."""
    networks, added = compare(trial, exported.networks), added_graphs.compare(trial, exported.added)
    return Numerics(max(added, networks.largest_difference), networks.cosine)


def _with_half_weights(exported: TrialExport) -> Bundle:
    # The added graphs first, because they refer to bytes of the others.
    for name in reversed(exported.files):
        if isinstance(file := exported.files[name], Path):
            to_half_precision(file)
    added_graphs.share_weights(exported.files, exported.added)
    return bundles.write(exported.bundle.path.parent / "halved", exported.manifest, exported.files)


def _manifest(
    graphs: Mapping[str, Network], shapes: Mapping[str, Mapping[str, tuple[int, ...]]], name: str
) -> dict[str, Any]:
    owner: dict[str, str] = {}
    for key, network in graphs.items():
        for output in network.outputs:
            owner.setdefault(output, key)
    first = next(iter(graphs.values()))
    return {
        "name": name,
        "method": " + ".join(dict.fromkeys(network.method for network in graphs.values())),
        "backbone": " + ".join(dict.fromkeys(network.backbone for network in graphs.values())),
        "training": {key: dict(network.training) for key, network in graphs.items()},
        "licence": " + ".join(dict.fromkeys(network.licence for network in graphs.values())),
        "graphs": {key: _graph(key, network, owner) for key, network in graphs.items()},
        "embedding": {
            "graph": owner["embedding"],
            "dimension": shapes[owner["embedding"]]["embedding"][0],
            "recipe": first.recipe,
            "whitening": getattr(first.graph, "whitening", None) is not None,
        },
        **{output: _output(output, graphs, shapes, owner) for output in OPTIONAL_OUTPUTS},
        "calibration": None,
        "background": None,
    }


def _graph(key: str, network: Network, owner: Mapping[str, str]) -> dict[str, Any]:
    return {
        "preprocess": network.preprocess.to_json(),
        "outputs": [output for output in network.outputs if owner[output] == key],
        "variants": {"fp32": {"file": f"{key}.onnx", "cosine": 1.0}},
    }


def _output(
    output: str,
    graphs: Mapping[str, Network],
    shapes: Mapping[str, Mapping[str, tuple[int, ...]]],
    owner: Mapping[str, str],
) -> dict[str, Any] | None:
    if output not in owner:
        return None
    key = owner[output]
    network, shape = graphs[key], shapes[key][output]
    if output == "prototypes":
        return {"graph": key, "count": shape[0], "temperature": network.temperature}
    if output == "activations":
        return {"graph": key, "count": shape[0], "grid": list(shape[1:])}
    grid = list(network.graph.grid)  # type: ignore[arg-type]
    if output == "attention":
        return {"graph": key, "heads": shape[0], "grid": grid}
    return {"graph": key, "dimension": shape[1], "grid": grid}


def _card(manifest: Mapping[str, Any]) -> str:
    training = json.dumps(manifest["training"], indent=2)
    return (
        f"# {manifest['name']}\n\nMethod: {manifest['method']}. Backbone: {manifest['backbone']}. "
        f"Licence: {manifest['licence']}.\n\nHow it was trained:\n\n```json\n{training}\n```\n"
    )
