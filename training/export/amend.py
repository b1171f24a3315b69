"""Amend a bundle: replace attention, background, calibrations, name or card and keep the embedding bit for bit."""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from copysight.errors import InvalidArgument
from copysight.model import bundle as bundles
from copysight.model.bundle import Bundle
from copysight.model.embedder import Embedder, Runtime
from training.export import fitting as fits
from training.export.export import Network, export
from training.export.fitting import BACKGROUND, Fitting, PictureSample, npy

CARD = "MODEL_CARD.md"
REPLACEABLE = ("attention", "prototypes", "patches", "activations")
KEY = "renewed"
"""Key of the added graph, which also names its file."""


def amend(
    old: Bundle,
    out: Path,
    rest: Network | None = None,
    pictures: Path | None = None,
    card: str | None = None,
    name: str | None = None,
    half: bool = False,
    background: bool = False,
) -> Bundle:
    """Write a changed copy of ``old`` to ``out``; ``rest`` replaces attention, prototypes and patches.

    ``pictures``: the pictures to fit the calibrations with; the background was made from the first of them, or, with
    ``background``, is made from them now. ``half`` stores the weights of ``rest`` in half precision. Indexes of ``old``
    do not work with the new bundle, because its ``id`` differs, although the vectors would be the same.

    Raises ``InvalidArgument`` if there is nothing to change, if ``out`` exists, or if the graph of the old embedding
    has other outputs too; ``ExportFailed`` if the graph of ``rest`` differs from torch.
    """
    if background and pictures is None:
        raise InvalidArgument("got a background to renew and no pictures to make it from; give --pictures")
    if rest is None and pictures is None and card is None and name is None:
        raise InvalidArgument("got nothing to change; give --rest, --pictures, --card or --name")
    manifest: dict[str, Any] = json.loads((old.path / bundles.DESCRIPTION).read_text())
    files: dict[str, Path | bytes] = {file: old.path / file for file in manifest.pop("files")}
    manifest["name"] = name or old.name
    with tempfile.TemporaryDirectory() as scratch:
        if rest is not None:
            _replace_graph(old, manifest, files, export([rest], Path(scratch) / "rest", half=half))
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
    first, second = sample.split()
    embedder, rows = Embedder(old, Runtime(variant=old.default_variant)), old.background_vectors()
    if renew:
        made = fits.background(embedder, first)
        files[BACKGROUND], manifest["background"] = npy(made), {"file": BACKGROUND, "count": len(made)}
        rows = made.astype(np.float32)
    manifest["calibration"] = fits.calibration(embedder, rows, second, sample)


def _replace_graph(old: Bundle, manifest: dict[str, Any], files: dict[str, Path | bytes], new: Bundle) -> None:
    """Keep only the graph of the embedding, and add the graph of ``new`` for all other outputs."""
    kept = old.embedding.graph
    if old.graphs[kept].outputs != ("embedding",):
        raise InvalidArgument(
            f"the bundle {old.name!r} gives {', '.join(old.graphs[kept].outputs)} by one graph; --rest needs a bundle "
            "whose embedding has a graph of its own"
        )
    key, graph = KEY, new.graphs[new.embedding.graph]
    other = json.loads((new.path / bundles.DESCRIPTION).read_text())
    kept_files = {variant.file for variant in old.graphs[kept].variants.values()}
    old_files = {variant.file for one in old.graphs.values() for variant in one.variants.values()}
    for file in old_files - kept_files:
        del files[file]
    files[f"{key}.onnx"] = (new.path / graph.variants["fp32"].file).read_bytes()
    manifest["graphs"] = {
        kept: manifest["graphs"][kept],
        key: {
            **other["graphs"][new.embedding.graph],
            "outputs": [output for output in graph.outputs if output in REPLACEABLE],
            "variants": {"fp32": {"file": f"{key}.onnx", "cosine": 1.0}},
        },
    }
    for output in REPLACEABLE:
        entry = other.get(output)
        manifest[output] = entry and {**entry, "graph": key}
    manifest["training"] = {kept: manifest["training"][kept], key: next(iter(other["training"].values()))}
    manifest["method"] = _both(manifest["method"], new.method)
    manifest["backbone"] = _both(manifest["backbone"], new.backbone)
    manifest["numerics"] = _worse(manifest["numerics"], other["numerics"])


def _both(old: str, new: str) -> str:
    """Join the first name of ``old``, which is that of the embedding, and ``new``."""
    return " + ".join(dict.fromkeys((old.split(" + ", maxsplit=1)[0], new)))


def _worse(one: Mapping[str, float], other: Mapping[str, float]) -> dict[str, float]:
    return {
        "largest_difference": max(one["largest_difference"], other["largest_difference"]),
        "cosine": min(one["cosine"], other["cosine"]),
    }
