"""A bundle made from another: its embedding stays bit for bit, while something around it is renewed."""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from copysight.errors import InvalidArgument
from copysight.model import bundle as bundles
from copysight.model.bundle import Bundle
from copysight.model.embedder import Embedder, Runtime
from training.export import fitting as fits
from training.export.export import Network, export
from training.export.fitting import Fitting, Photographs

CARD = "MODEL_CARD.md"
RENEWED = ("attention", "prototypes", "patches", "activations")
KEY = "renewed"


def amend(
    old: Bundle,
    out: Path,
    rest: Network | None = None,
    pictures: Path | None = None,
    card: str | None = None,
    name: str | None = None,
    half: bool = False,
) -> Bundle:
    """Write ``old`` at ``out``, changed: ``rest`` gives attention, prototypes and patches in place of its own.

    ``pictures`` are those that the calibrations are rehearsed with anew, the first of which the background was made
    from; ``half`` stores the weights of ``rest`` in half precision. Indexes of ``old`` do not go with the new bundle,
    whose ``id`` is another, but their vectors would be the same.

    Raises ``InvalidArgument`` if nothing is to be changed, if ``out`` exists, or if the graph of the old embedding
    gives more than that; ``ExportFailed`` where ``rest`` differs from torch.
    """
    if rest is None and pictures is None and card is None and name is None:
        raise InvalidArgument("got nothing to change; name a network for the rest, pictures, a card or a name")
    manifest: dict[str, Any] = json.loads((old.path / bundles.DESCRIPTION).read_text())
    files: dict[str, Path | bytes] = {file: old.path / file for file in manifest.pop("files")}
    manifest["name"] = name or old.name
    with tempfile.TemporaryDirectory() as scratch:
        if rest is not None:
            _renew(old, manifest, files, export([rest], Path(scratch) / "rest", half=half))
        if pictures is not None:
            manifest["calibration"] = calibration(old, pictures)
        if card is not None:
            files[CARD] = card.encode()
        del manifest["format"]
        return bundles.write(out, manifest, files)


def calibration(bundle: Bundle, pictures: Path) -> dict[str, Any]:
    """The calibrations of a bundle by its usual precision, as an export would fit them. Raises ``InvalidArgument``."""
    if bundle.background is None:
        raise InvalidArgument(f"the bundle {bundle.name!r} has no background, and a calibration needs one")
    photographs = Photographs(Fitting(pictures))
    embedder = Embedder(bundle, Runtime(variant=bundle.usual_variant))
    return fits.calibration(embedder, bundle.background_vectors(), photographs.halves()[1], photographs)


def _renew(old: Bundle, manifest: dict[str, Any], files: dict[str, Path | bytes], new: Bundle) -> None:
    """Keep the graph of the embedding alone, and put the other bundle's graph beside it."""
    kept = old.embedding.graph
    if old.graphs[kept].outputs != ("embedding",):
        raise InvalidArgument(
            f"the bundle {old.name!r} gives {', '.join(old.graphs[kept].outputs)} by one graph; "
            "only one whose embedding has a graph of its own can keep that"
        )
    key, graph = KEY, new.graphs[new.embedding.graph]
    other = json.loads((new.path / bundles.DESCRIPTION).read_text())
    staying = {variant.file for variant in old.graphs[kept].variants.values()}
    gone = {variant.file for one in old.graphs.values() for variant in one.variants.values()} - staying
    for file in gone:
        del files[file]
    files[f"{key}.onnx"] = (new.path / graph.variants["fp32"].file).read_bytes()
    manifest["graphs"] = {
        kept: manifest["graphs"][kept],
        key: {
            **other["graphs"][new.embedding.graph],
            "outputs": [output for output in graph.outputs if output in RENEWED],
            "variants": {"fp32": {"file": f"{key}.onnx", "cosine": 1.0}},
        },
    }
    for output in RENEWED:
        given = other.get(output)
        manifest[output] = given and {**given, "graph": key}
    manifest["training"] = {kept: manifest["training"][kept], key: next(iter(other["training"].values()))}
    manifest["method"] = _both(manifest["method"], new.method)
    manifest["backbone"] = _both(manifest["backbone"], new.backbone)
    manifest["numerics"] = _worse(manifest["numerics"], other["numerics"])


def _both(old: str, new: str) -> str:
    """The first of the old words, which is the embedding's, and the new one."""
    return " + ".join(dict.fromkeys((old.split(" + ", maxsplit=1)[0], new)))


def _worse(one: Mapping[str, float], other: Mapping[str, float]) -> dict[str, float]:
    return {
        "largest_difference": max(one["largest_difference"], other["largest_difference"]),
        "cosine": min(one["cosine"], other["cosine"]),
    }
