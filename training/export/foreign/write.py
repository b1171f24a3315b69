"""Export somebody else's ONNX file to a bundle, checked against the file itself in ONNX Runtime."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from copysight.errors import ExportFailed, InvalidArgument
from copysight.model import bundle as bundles
from copysight.model.bundle import Bundle, Numerics
from copysight.model.embedder import Embedder
from copysight.pictures import edits
from copysight.system import durable
from training.export import fitting as fits
from training.export.fitting import Fitting, PictureSample
from training.export.foreign import choices
from training.export.foreign.choices import PIXELS, Wishes
from training.export.foreign.wrapped import Wrapped, wrap
from training.export.half_precision import to_half_precision
from training.export.numerics import (
    HALF_COSINE,
    HALF_DIFFERENCE,
    MAX_DIFFERENCE,
    MIN_COSINE,
    check_numerics,
    numerics_json,
    smallest_cosine,
    synthetic_picture,
)
from training.export.whitening import Whitening

KEY = "graph0"
UNKNOWN = "unknown"
CHECKED, COMPARED = 32, 100
"""Pictures of the user whose embeddings are compared with the file's, and those whose copies are searched for."""
SAME = 0.9999
"""A cosine between different pictures from which a network does not tell them apart."""


@dataclass(frozen=True)
class About:
    """What is known of a file beside its graph. ``origin``: where it is from, an address for example.

    ``source``: the file that was converted to the ONNX file, if there is one.
    """

    name: str | None = None
    method: str | None = None
    licence: str | None = None
    origin: str | None = None
    card: str | None = None
    source: Path | None = None


@dataclass(frozen=True)
class ForeignExport:
    """The written bundle, the reasons for each choice, and what to be careful of."""

    bundle: Bundle
    reasons: tuple[str, ...]
    warnings: tuple[str, ...]


def export_file(
    path: Path,
    out: Path,
    wishes: Wishes,
    about: About,
    fitting: Fitting | None = None,
    half: bool = False,
) -> ForeignExport:
    """Write a bundle of an ONNX file to ``out``: its embedding, L2-normalised, and what is fitted on pictures.

    The embeddings of six drawn pictures, and of 32 of the user's, are those of the file in ONNX Runtime: a largest
    difference of 1e-4 and a cosine of 0.99999 are allowed (with ``half`` 1e-2 and 0.9999). Raises ``ExportFailed`` if
    they are not, or if the network does not tell pictures apart, and ``InvalidArgument`` for a file that is no
    descriptor of pictures.
    """
    if out.exists():
        raise InvalidArgument(f"{out} exists already, and a bundle never changes; choose another path or remove it")
    wrapped = wrap(path, wishes)
    if wrapped.file.quantised and fitting is not None and fitting.int8:
        raise InvalidArgument(f"{path} is quantised already; leave out --int8")
    sample = PictureSample(fitting) if fitting is not None else None
    pictures = [synthetic_picture(seed) for seed in range(6)] + (sample.first(CHECKED) if sample else [])
    with tempfile.TemporaryDirectory() as scratch:
        manifest = _manifest(wrapped, about)
        whitening, trial = None, _trial(Path(scratch) / "plain", manifest, wrapped.graph(None))
        warnings = _check_pictures(wrapped, trial, pictures, sample)
        if sample is not None and fitting is not None and fitting.whiten:
            whitening = fits.whiten(Embedder(trial), sample, fitting)
            manifest["embedding"] |= {"dimension": whitening.matrix.shape[1], "whitening": True}
            trial = _trial(Path(scratch) / "white", manifest, wrapped.graph(whitening))
        manifest["numerics"] = _check(wrapped, trial, whitening, pictures, half=False)
        graph = Path(scratch) / f"{KEY}.onnx"
        graph.write_bytes((trial.path / f"{KEY}.onnx").read_bytes())
        if half:
            to_half_precision(graph)
            trial = _trial(Path(scratch) / "halved", manifest, graph.read_bytes())
            manifest["numerics"] = _check(wrapped, trial, whitening, pictures, half=True)
        files: dict[str, Path | bytes] = {graph.name: graph}
        if sample is not None and fitting is not None:
            fits.fit_to_pictures(manifest, files, trial, sample, fitting.int8)
        files["MODEL_CARD.md"] = (about.card or _card(manifest, wrapped)).encode()
        reasons = (*wrapped.choices.reasons, f"output {wrapped.output}: {wrapped.dimension} dimensions")
        return ForeignExport(bundles.write(out, manifest, files), reasons, tuple(warnings))


def _trial(path: Path, manifest: dict[str, Any], graph: bytes) -> Bundle:
    return bundles.write(path, {**manifest, "numerics": numerics_json(1.0, 0.0)}, {f"{KEY}.onnx": graph})


def _manifest(wrapped: Wrapped, about: About) -> dict[str, Any]:
    path = about.source or wrapped.file.path
    said = {one.key.lower(): one.value for one in wrapped.file.model.metadata_props}
    training = {"source": path.name, "sha256": durable.sha256(path), "input": list(wrapped.choices.reasons)}
    return {
        "name": about.name or path.stem,
        "method": about.method or UNKNOWN,
        "backbone": f"onnx:{path.stem}",
        "training": {KEY: training | ({"origin": about.origin} if about.origin else {})},
        "licence": about.licence or said.get("license") or said.get("licence") or UNKNOWN,
        "graphs": {
            KEY: {
                "preprocess": wrapped.choices.preprocess.to_json(),
                "outputs": ["embedding"],
                "variants": {"fp32": {"file": f"{KEY}.onnx", "cosine": 1.0}},
            }
        },
        "embedding": {
            "graph": KEY,
            "dimension": wrapped.dimension,
            "recipe": wrapped.recipe or wrapped.output,
            "whitening": False,
        },
        **dict.fromkeys(("attention", "prototypes", "patches", "activations", "calibration", "background")),
    }


def _check(
    wrapped: Wrapped, trial: Bundle, whitening: Whitening | None, pictures: Sequence[Image.Image], half: bool
) -> dict[str, float]:
    """Compare the embeddings of a trial bundle with the file's own. Raises ``ExportFailed``."""
    expected, found = wrapped.vectors(pictures), Embedder(trial).embed(pictures)
    if whitening is not None:
        expected = whitening(expected)
    measured = Numerics(float(np.abs(found - expected).max()), smallest_cosine(found, expected))
    limits = (HALF_DIFFERENCE, HALF_COSINE) if half else (MAX_DIFFERENCE, MIN_COSINE)
    return check_numerics(measured, *limits, source="the file in ONNX Runtime")


def _check_pictures(
    wrapped: Wrapped, trial: Bundle, pictures: Sequence[Image.Image], sample: PictureSample | None
) -> list[str]:
    """Warnings about the guesses. Raises ``ExportFailed`` for NaN, or if all pictures have the same embedding."""
    rows = Embedder(trial).embed(pictures)
    if not np.isfinite(rows).all():
        raise ExportFailed(f"{wrapped.file.path} gives NaN or infinity for ordinary pictures; choose another file")
    cosines = (rows @ rows.T)[np.triu_indices(len(rows), 1)]
    if cosines.min() > SAME:
        raise ExportFailed(
            f"{wrapped.file.path} gives different pictures the same embedding (cosines of {cosines.min():.6f} and "
            "more); check --output, --pixels, --mean and --std"
        )
    if wrapped.choices.sure:
        return []
    if sample is None:
        return ["the normalisation of the pixels is a guess; give --pixels, or --pictures to compare them"]
    return _compare_pixels(wrapped, sample)


def _compare_pixels(wrapped: Wrapped, sample: PictureSample) -> list[str]:
    """A warning if copies are found clearly better with another normalisation than with the guessed one."""
    pictures, rng = sample.first(COMPARED), sample.generator(2)
    copies = [edits.strong(picture, rng, pictures[:2]) for picture in pictures]
    found = {}
    for name in PIXELS:
        other = wrapped.with_preprocess(choices.with_pixels(wrapped.choices.preprocess, name))
        nearest = (other.vectors(copies) @ other.vectors(pictures).T).argmax(axis=1)
        found[name] = float((nearest == np.arange(len(pictures))).mean())
    shares = ", ".join(f"{name} {share:.2f}" for name, share in found.items())
    note = f"strongly edited copies found among {len(pictures)} pictures: {shares}"
    better = max(found, key=lambda name: found[name])
    if found[better] > found["imagenet"] + 0.05:
        return [f"the guessed normalisation may be wrong, {better} finds more copies; give --pixels ({note})"]
    return [f"the normalisation is a guess that fits your pictures ({note})"]


def _card(manifest: dict[str, Any], wrapped: Wrapped) -> str:
    training = manifest["training"][KEY]
    lines = "\n".join(f"- {reason}" for reason in wrapped.choices.reasons)
    return (
        f"# {manifest['name']}\n\nThe file `{training['source']}` (sha256 {training['sha256']}), made into a bundle. "
        f"Method: {manifest['method']}. Licence: {manifest['licence']}. Origin: {training.get('origin', UNKNOWN)}.\n\n"
        f"{lines}\n- output {wrapped.output}\n"
    )
