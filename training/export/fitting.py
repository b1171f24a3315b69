"""Fit whitening, background, calibrations and int8 ranges of an export on unlabelled pictures."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from copysight.errors import TooFewPictures
from copysight.matching import verification
from copysight.model import bundle as bundles
from copysight.model.bundle import Bundle
from copysight.model.embedder import Embedder, Runtime
from copysight.pictures import edits
from copysight.pictures.decode import Limits
from copysight.pictures.scan import ORDINARY, Entry, Failure, ScanOptions, scan
from copysight.scoring import calibrate
from copysight.scoring.self_calibration import Sample
from copysight.system.progress import with_progress
from copysight.vectors.score_normalisation import ScoreNormalisation
from training.export import background, quantization, whitening
from training.export.whitening import Whitening

Float = npt.NDArray[np.float32]
Picture = Image.Image
WHITENING_PICTURES, BACKGROUND_CANDIDATES, CALIBRATION_PICTURES, INT8_PICTURES = 2000, 40_000, 2000, 200
"""Largest numbers of pictures for the whitening, to choose the background from, for the collection of the calibration,
and for the ranges of int8. Until the collection has enough, three are for the background for each two of it."""
AT_ONCE = 512
"""Number of pictures that are decoded together where there may be many."""
MIN_PICTURES = 100
BACKGROUND = "background.npy"


@dataclass(frozen=True)
class Fitting:
    """Pictures (a folder or tar shards, without labels) and what to fit.

    ``whiten``: dimension of the whitening, 0 for none. ``ridge``: that of `whitening.fit`.
    """

    pictures: Path
    whiten: int = 0
    ridge: float = whitening.RIDGE
    int8: bool = False
    seed: int = 0
    reading: ScanOptions = ORDINARY


class PictureSample:
    """A random sample of pictures, in an order that depends on the seed. Unreadable pictures are left out.

    The background and the collection of the calibration have no picture in common. Raises ``TooFewPictures``.
    """

    def __init__(self, fitting: Fitting) -> None:
        entries = scan(fitting.pictures, fitting.reading).entries
        self._limits = fitting.reading.limits
        self._rng = np.random.default_rng(fitting.seed)
        self._entries = [entries[int(place)] for place in self._rng.permutation(len(entries))]
        if len(entries) < MIN_PICTURES:
            raise TooFewPictures(
                f"got {len(entries)} pictures at {fitting.pictures}; an export needs {MIN_PICTURES}; add pictures"
            )

    def first(self, count: int) -> list[Picture]:
        """The first ``count`` pictures, or fewer if there are not as many."""
        return _read(self._entries[:count], self._limits)

    def candidates(self) -> Iterator[list[Picture]]:
        """Batches of the pictures from which the background is chosen; none is empty."""
        starts = range(0, self._split[0], AT_ONCE)
        for start in with_progress(starts, len(starts), f"batches of {AT_ONCE} pictures for the background"):
            if pictures := _read(self._entries[start : min(start + AT_ONCE, self._split[0])], self._limits):
                yield pictures

    def collection(self) -> list[Picture]:
        """Other pictures, for the collection of the calibration."""
        return _read(self._entries[slice(*self._split)], self._limits)

    @property
    def _split(self) -> tuple[int, int]:
        """Where the candidates end, and the collection: 3 to 2 of 5,000 pictures, the rest for the background."""
        used = min(len(self._entries), BACKGROUND_CANDIDATES + CALIBRATION_PICTURES)
        return max(used * 3 // 5, used - CALIBRATION_PICTURES), used

    def generator(self, purpose: int) -> np.random.Generator:
        """Random generator for one purpose, numbered from 0."""
        return self._rng.spawn(purpose + 1)[purpose]


def fit_to_pictures(
    manifest: dict[str, Any], files: dict[str, Path | bytes], trial: Bundle, sample: PictureSample, int8: bool
) -> None:
    """Fit background, calibration and int8, and add them to ``manifest`` and ``files``."""
    embedder = Embedder(trial)
    normalisation = add_background(manifest, files, background.make(embedder, sample.candidates()))
    manifest["calibration"] = calibration(embedder, normalisation, sample)
    if int8:
        key, pictures = trial.embedding.graph, sample.first(INT8_PICTURES)
        inputs = [embedder.prepare(picture)[key] for picture in pictures]
        path = trial.path.parent / f"{key}.int8.onnx"
        quantization.quantize(trial.path / f"{key}.onnx", path, inputs)
        files[path.name] = path
        variants = manifest["graphs"][key]["variants"]
        variants["int8"] = {"file": path.name, "cosine": 1.0}
        second = bundles.write(trial.path.parent / "second", manifest, files)
        int8_embedder = Embedder(second, Runtime(variant="int8"))
        variants["int8"] |= agreement(embedder, int8_embedder, pictures)


def add_background(
    manifest: dict[str, Any], files: dict[str, Path | bytes], rows: npt.NDArray[np.float16]
) -> ScoreNormalisation:
    """Add a background (M, D) to ``manifest`` and ``files``; returns the score normalisation that it makes."""
    content, normalisation = BytesIO(), ScoreNormalisation(rows.astype(np.float32))
    np.save(content, rows)
    files[BACKGROUND] = content.getvalue()
    manifest["background"] = {
        "file": BACKGROUND,
        "count": len(rows),
        "nearest": normalisation.nearest,
        "weight": normalisation.weight,
    }
    return normalisation


def whiten(embedder: Embedder, sample: PictureSample, fitting: Fitting) -> Whitening:
    """Whitening of unwhitened embeddings, fitted on pictures and one strongly edited copy of each."""
    pictures, rng = sample.first(WHITENING_PICTURES), sample.generator(0)
    copies = [edits.strong(picture, rng, _others(pictures, rng)) for picture in pictures]
    originals, edited = embedder.embed_parallel(pictures), embedder.embed_parallel(copies)
    return whitening.fit(originals, edited, fitting.whiten, fitting.ridge)


def calibration(embedder: Embedder, normalisation: ScoreNormalisation, sample: PictureSample) -> dict[str, Any]:
    """Fit calibrations and curves of a bundle: search for edited copies of the collection's pictures among them."""

    def embed(views: Sequence[Picture]) -> Float:
        starts = range(0, len(views), AT_ONCE)
        watched = with_progress(starts, len(starts), f"batches of {AT_ONCE} views for the calibration")
        return np.concatenate([embedder.embed_parallel(views[start : start + AT_ONCE]) for start in watched])

    pictures, rng = sample.collection(), sample.generator(1)
    held = [pictures[number] for number in calibrate.informative(pictures)]
    collection = Sample(held, np.arange(len(held)), embedder.embed_parallel(held), normalisation)
    prepared = verification.preparing(lambda row: held[row])
    return calibrate.calibrate_bundle(collection, embed, prepared, rng).to_json()


def agreement(one: Embedder, other: Embedder, pictures: Sequence[Picture]) -> dict[str, float]:
    """The least (``cosine``) and the mean cosine between the embeddings of two embedders for the same pictures."""
    cosines = (one.embed_parallel(pictures) * other.embed_parallel(pictures)).sum(axis=1)
    return {"cosine": float(cosines.min()), "mean": float(cosines.mean())}


def _read(entries: Sequence[Entry], limits: Limits) -> list[Picture]:
    """Decode pictures to at most 512 x 512 pixels; leave out unreadable ones."""
    with ThreadPoolExecutor() as pool:
        return [picture for picture in pool.map(lambda entry: _decoded(entry, limits), entries) if picture is not None]


def _decoded(entry: Entry, limits: Limits) -> Picture | None:
    found = entry.decode(limits, at_least=512)
    if isinstance(found, Failure):
        return None
    picture = found.pixels
    picture.thumbnail((512, 512))
    return picture


def _others(pictures: Sequence[Picture], rng: np.random.Generator) -> list[Picture]:
    return [pictures[int(place)] for place in rng.integers(0, len(pictures), 2)]
