"""Calibrate the probabilities of an index on edited copies of a sample of its own pictures."""

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from copysight.errors import PictureError
from copysight.index import Index
from copysight.index.generations.generation import CALIBRATION
from copysight.index.publishing.writer import Calibrate, Calibrated, CalibrationInput
from copysight.matching.verification import Prepared
from copysight.model import bundle as bundles
from copysight.model.bundle import Bundle
from copysight.model.embedder import Embedder, Runtime
from copysight.pictures.decode import decode
from copysight.scoring import calibrate, calibration
from copysight.scoring.calibration import Verdicts
from copysight.scoring.query_views import DEFAULT_EFFORT
from copysight.scoring.self_calibration import Sample
from copysight.vectors import representatives

Ints = npt.NDArray[np.int64]
SHARE = 0.5
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ProbabilityOptions:
    """Settings of an index: None means that of the live generation, or the default for a new index.

    ``share`` is the expected share of queries that have a copy in the collection. An answer is a ``copy`` from the
    probability ``copy_from`` on, and ``different`` up to ``different_to``.
    """

    share: float | None = None
    copy_from: float | None = None
    different_to: float | None = None

    @property
    def are_given(self) -> bool:
        """Whether any of them is given."""
        return self != ProbabilityOptions()


AS_BEFORE = ProbabilityOptions()


def calibrator(
    index: Index, options: ProbabilityOptions = AS_BEFORE, sample: int = calibrate.SAMPLE_SIZE, seed: int = 0
) -> Calibrate:
    """A function for ``publish`` that returns settings and calibrations, with representatives of the collection.

    ``sample`` pictures are drawn at random; those that hold next to nothing are left out. Fewer than 100 pictures have
    no calibrations of their own; those of the bundle are used. Raises ``InvalidArgument`` for wrong settings.
    """
    before = _live(index)
    verdicts = _verdicts(options, before)

    def calibrate_index(made: CalibrationInput) -> Calibrated | None:
        settings = {"verdicts": vars(verdicts)} if verdicts != Verdicts() else {}
        bundle = bundles.load(index.layout.bundles / made.model, verify=False)
        drawn = _sample(index, made, bundle, min(sample, len(made.ids)), np.random.default_rng(seed))
        if drawn is None:
            log.info("%d pictures are too few to calibrate; using the calibration of the bundle", len(made.ids))
            return Calibrated(settings) if settings else None
        embedder = Embedder(bundle, Runtime(variant=made.variant))
        known = calibration.by_effort(bundle.calibration) if bundle.calibration else {}
        share = options.share if options.share is not None else _share(before)
        rng = np.random.default_rng(seed + 1)
        found = calibrate.calibrate(drawn, embedder.embed_parallel, _prepared(index, made.ids), rng, known, share)
        return Calibrated(found.to_json() | settings, drawn.normalisation.collection)

    return calibrate_index


def _live(index: Index) -> Mapping[str, Any]:
    """The contents of ``calibration.json`` of the live generation; empty without one."""
    live = index.layout.live()
    if live is None:
        return {}
    try:
        found: dict[str, Any] = json.loads((index.layout.generations / live / CALIBRATION).read_bytes())
    except (OSError, ValueError):  # the generation is too small to have one, or the file is damaged
        return {}
    return found


def _share(before: Mapping[str, Any]) -> float:
    return calibration.by_effort(before)[DEFAULT_EFFORT].share if calibration.is_calibrated(before) else SHARE


def _verdicts(options: ProbabilityOptions, before: Mapping[str, Any]) -> Verdicts:
    usual = Verdicts(**before.get("verdicts", {}))
    return Verdicts(
        usual.copy if options.copy_from is None else options.copy_from,
        usual.different if options.different_to is None else options.different_to,
    )


def _sample(index: Index, made: CalibrationInput, bundle: Bundle, size: int, rng: np.random.Generator) -> Sample | None:
    """Pictures to rehearse on; None if there are too few. ``size`` are drawn."""
    if size < calibrate.MIN_PICTURES:
        return None
    rows = np.sort(rng.choice(len(made.ids), size, replace=False))
    thumbnails = _thumbnails(index, made.ids[rows])
    readable = [number for number, picture in enumerate(thumbnails) if picture is not None]
    pictures = [picture for picture in thumbnails if picture is not None]
    held = calibrate.informative(pictures)
    if len(held) < calibrate.MIN_PICTURES:
        return None
    kept = rows[np.array(readable)[held]].astype(np.int64)
    normalisation = bundle.score_normalisation().within(representatives.choose(made.vectors))
    return Sample([pictures[number] for number in held], kept, made.vectors, normalisation)


def _prepared(index: Index, ids: Ints) -> Callable[[int], Prepared | None]:
    def prepared(row: int) -> Prepared | None:
        number = int(ids[row])
        item = index.catalog.get_many({number}).get(number)
        return None if item is None else index.features.get(item.sha256)

    return prepared


def _thumbnails(index: Index, ids: Ints) -> list[Image.Image | None]:
    items = index.catalog.get_many(ids.tolist())
    return [_thumbnail(index, items[number].sha256) if number in items else None for number in ids.tolist()]


def _thumbnail(index: Index, sha256: str) -> Image.Image | None:
    data = index.blobs.thumbnail(sha256)
    try:
        return decode(data).pixels if data is not None else None
    except PictureError:  # leave a damaged thumbnail out of the sample
        return None
