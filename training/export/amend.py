"""Amend a bundle: replace attention, background, calibrations, name or card and keep the embedding bit for bit."""

import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from copysight.errors import ExportFailed, InvalidArgument
from copysight.model import bundle as bundles
from copysight.model.bundle import Bundle, Numerics
from copysight.model.embedder import Embedder, Runtime
from training.export import background as backgrounds
from training.export import checks as bundle_checks
from training.export import fitting as fits
from training.export.export import Network, export
from training.export.fitting import Fitting, PictureSample
from training.export.half_precision import to_half_precision
from training.export.numerics import MAX_DIFFERENCE, MIN_COSINE, check_numerics
from training.export.sharing import added_graphs
from training.export.sharing.rebuilt import is_half, rebuilt
from training.export.sharing.shared_weights import files_used
from training.networks.many_views import EXPORTED

CARD = "MODEL_CARD.md"
REPLACEABLE = ("attention", "prototypes", "patches", "activations")
KEY = "renewed"
"""Key of the added graph, which also names its file."""


def amend(
    old: Bundle,
    out: Path,
    rest: Network | Bundle | None = None,
    pictures: Path | None = None,
    card: str | None = None,
    name: str | None = None,
    half: bool = False,
    background: bool = False,
    places: bool = False,
) -> Bundle:
    """Write a changed copy of ``old`` to ``out``; ``rest`` replaces attention, prototypes and patches.

    ``rest`` is a network, or another bundle whose graph of attention or prototypes is taken as it is. ``places`` adds
    the graphs of patches of any size and of contributions, from the network of the embedding. Such patches stay where
    ``rest`` gives others.

    ``pictures``: the pictures to fit the calibrations with; the background was made from the first of them, or, with
    ``background``, is made from them now. ``half`` stores the weights of ``rest`` in half precision. Indexes of ``old``
    do not work with the new bundle, because its ``id`` differs, although the vectors would be the same.

    Raises ``InvalidArgument`` if there is nothing to change, if ``out`` exists, or if the graph of the old embedding
    has other outputs too; ``ExportFailed`` if the graph of ``rest`` differs from torch.
    """
    if background and pictures is None:
        raise InvalidArgument("got a background to renew and no pictures to make it from; give --pictures")
    if rest is None and pictures is None and card is None and name is None and not places:
        raise InvalidArgument("got nothing to change; give --rest, --places, --pictures, --card or --name")
    manifest: dict[str, Any] = json.loads((old.path / bundles.DESCRIPTION).read_text())
    files: dict[str, Path | bytes] = {file: old.path / file for file in manifest.pop("files")}
    manifest["name"] = name or old.name
    with tempfile.TemporaryDirectory() as scratch:
        if rest is not None:
            if isinstance(rest, Network):
                rest = export([rest], Path(scratch) / "rest", half=half, places=False)
            _replace_graph(old, manifest, files, rest)
        if places:
            _add_places(old, manifest, files, Path(scratch))
        if pictures is not None:
            _fit(old, pictures, background, manifest, files)
        if card is not None:
            files[CARD] = card.encode()
        del manifest["format"]
        return bundles.write(out, manifest, files)


def _fit(old: Bundle, pictures: Path, renew: bool, manifest: dict[str, Any], files: dict[str, Path | bytes]) -> None:
    """Fit the calibrations of a bundle at its default precision, as an export does. Raises ``InvalidArgument``."""
    if old.background is None and not renew:
        raise InvalidArgument(
            f"the bundle {old.name!r} has no background, and a calibration needs one; give --background"
        )
    sample = PictureSample(Fitting(pictures))
    embedder, normalisation = Embedder(old, Runtime(variant=old.default_variant)), old.score_normalisation()
    if renew:
        normalisation = fits.add_background(manifest, files, backgrounds.make(embedder, sample.candidates()))
    manifest["calibration"] = fits.calibration(embedder, normalisation, sample)


def _add_places(old: Bundle, manifest: dict[str, Any], files: dict[str, Path | bytes], scratch: Path) -> None:
    """Add the graphs of places of the network of the embedding, which is rebuilt from its graph.

    Raises ``InvalidArgument`` if it cannot be rebuilt or has no places, and ``ExportFailed`` if it differs from torch.
    """
    key, network = old.embedding.graph, _same_network(old)
    stored = Path(shutil.copy(old.path / old.graphs[key].variants["fp32"].file, scratch))
    made: dict[str, Path | bytes] = {stored.name: stored}
    added = added_graphs.write(added_graphs.find({key: network}), scratch, made)
    if not added:
        raise InvalidArgument(f"the network of {old.name!r} gives no features of places; omit --places")
    if is_half(stored):
        for one in added:
            to_half_precision(scratch / added_graphs.file_of(one))
        added_graphs.share_weights(made, added)
    added_graphs.describe(manifest, added)
    files |= {name: made[name] for name in map(added_graphs.file_of, added)}
    trial = bundles.write(scratch / "places", {one: manifest[one] for one in manifest if one != "format"}, files)
    check_numerics(Numerics(added_graphs.compare(trial, added), 1.0), MAX_DIFFERENCE, MIN_COSINE)


def _same_network(old: Bundle) -> Network:
    """The network of the embedding, rebuilt with the views with which it agrees. Raises ``ExportFailed``."""
    for views in EXPORTED:
        network = rebuilt(old, views)
        try:
            check_numerics(bundle_checks.compare(old, {old.embedding.graph: network}), MAX_DIFFERENCE, MIN_COSINE)
        except ExportFailed as error:
            failure = error
        else:
            return network
    raise failure


def _replace_graph(old: Bundle, manifest: dict[str, Any], files: dict[str, Path | bytes], new: Bundle) -> None:
    """Keep the graph of the embedding and what is a part of it, and add the graph of ``new`` for all other outputs."""
    kept = old.embedding.graph
    if old.graphs[kept].outputs != ("embedding",):
        raise InvalidArgument(
            f"the bundle {old.name!r} gives {', '.join(old.graphs[kept].outputs)} by one graph; --rest needs a bundle "
            "whose embedding has a graph of its own"
        )
    taken = next((one.graph for one in (new.attention, new.prototypes) if one is not None), new.embedding.graph)
    key, graph = KEY, new.graphs[taken]
    other = json.loads((new.path / bundles.DESCRIPTION).read_text())
    parts = _parts(old, kept)
    kept_files = {variant.file for name in (kept, *parts) for variant in old.graphs[name].variants.values()}
    old_files = {variant.file for one in old.graphs.values() for variant in one.variants.values()}
    for file in old_files - kept_files:
        del files[file]
    files[f"{key}.onnx"] = (new.path / graph.variants["fp32"].file).read_bytes()
    manifest["graphs"] = {
        **{name: manifest["graphs"][name] for name in (kept, *parts)},
        key: {
            **other["graphs"][taken],
            "outputs": [output for output in graph.outputs if output in REPLACEABLE],
            "variants": {"fp32": {"file": f"{key}.onnx", "cosine": 1.0}},
        },
    }
    for output in REPLACEABLE:
        if output not in parts:
            entry = other.get(output) if output in graph.outputs else None
            manifest[output] = entry and {**entry, "graph": key}
    manifest["training"] = {kept: manifest["training"][kept], key: other["training"][taken]}
    manifest["method"] = _both(manifest["method"], _name_of(new.method, taken, other))
    manifest["backbone"] = _both(manifest["backbone"], _name_of(new.backbone, taken, other))
    manifest["numerics"] = _worse(manifest["numerics"], other["numerics"])


def _parts(bundle: Bundle, kept: str) -> list[str]:
    """Keys of the graphs of places that refer to the weights of the graph ``kept``."""
    file = bundle.graphs[kept].variants["fp32"].file
    places = [name for name in (added_graphs.PATCHES, added_graphs.CONTRIBUTIONS) if name in bundle.graphs]
    return [name for name in places if file in files_used(bundle.path / added_graphs.file_of(name))]


def _name_of(names: str, graph: str, manifest: Mapping[str, Any]) -> str:
    """The name that belongs to ``graph`` in ``names``, which lists the networks of a bundle, equal ones once."""
    parts = names.split(" + ")
    return parts[min(list(manifest["training"]).index(graph), len(parts) - 1)]


def _both(old: str, new: str) -> str:
    """Join the first name of ``old``, which is that of the embedding, and ``new``."""
    return " + ".join(dict.fromkeys((old.split(" + ", maxsplit=1)[0], new)))


def _worse(one: Mapping[str, float], other: Mapping[str, float]) -> dict[str, float]:
    return {
        "largest_difference": max(one["largest_difference"], other["largest_difference"]),
        "cosine": min(one["cosine"], other["cosine"]),
    }
