"""Calibrate the probabilities of an index on edited copies of a sample of its own pictures."""

import json
import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from copysight.errors import PictureError
from copysight.index import Index
from copysight.index.generations.generation import CALIBRATION
from copysight.index.publishing.publish import Calibrate
from copysight.index.publishing.writer import CalibrationInput
from copysight.model import bundle as bundles
from copysight.model.embedder import Embedder, Runtime
from copysight.pictures.decode import decode
from copysight.scoring import calibration, judge, self_calibration
from copysight.scoring.query_views import DEFAULT_EFFORT

Ints = npt.NDArray[np.int64]
SHARE = 0.5
log = logging.getLogger(__name__)


def calibrator(
    index: Index, share: float | None = None, sample: int = self_calibration.SAMPLE_SIZE, seed: int = 0
) -> Calibrate:
    """A function for ``publish`` that returns the contents of ``calibration.json``.

    ``sample`` pictures are drawn at random. ``share`` is the expected share of queries that have a copy in the
    collection; None means that of the live generation, or 0.5. The function returns None for a collection of fewer than
    100 pictures; the calibration of the bundle is used instead.
    """

    def calibrate(made: CalibrationInput) -> Mapping[str, Any] | None:
        if min(sample, len(made.ids)) < self_calibration.MIN_PICTURES:
            log.info("%d pictures are too few to calibrate; using the calibration of the bundle", len(made.ids))
            return None
        rng = np.random.default_rng(seed)
        rows = np.sort(rng.choice(len(made.ids), min(sample, len(made.ids)), replace=False))
        thumbnails = _thumbnails(index, made.ids[rows])
        rows = np.asarray([row for row, picture in zip(rows, thumbnails, strict=True) if picture is not None], np.int64)
        pictures = [picture for picture in thumbnails if picture is not None]
        if len(pictures) < self_calibration.MIN_PICTURES:
            return None
        bundle = bundles.load(index.layout.bundles / made.model, verify=False)
        embedder, background = Embedder(bundle, Runtime(variant=made.variant)), bundle.background_vectors()
        embed, thorough = embedder.embed_parallel, self_calibration.HIGH_EFFORT_SAMPLE
        seen = self_calibration.run_queries(pictures, rows, made.vectors, background, embed, rng, thorough)
        assumed = _live_share(index) if share is None else share
        found = self_calibration.fit_calibrations(seen, judge.curves_of(bundle), assumed)
        return {effort: one.to_json() for effort, one in found.items()}

    return calibrate


def _live_share(index: Index) -> float:
    live = index.layout.live()
    if live is None:
        return SHARE
    try:
        found = json.loads((index.layout.generations / live / CALIBRATION).read_bytes())
    except (OSError, ValueError):  # the generation is too small to have a calibration, or the file is damaged
        return SHARE
    return calibration.by_effort(found)[DEFAULT_EFFORT].share


def _thumbnails(index: Index, ids: Ints) -> list[Image.Image | None]:
    items = index.catalog.get_many(ids.tolist())
    return [_thumbnail(index, items[number].sha256) if number in items else None for number in ids.tolist()]


def _thumbnail(index: Index, sha256: str) -> Image.Image | None:
    data = index.blobs.thumbnail(sha256)
    try:
        return decode(data).pixels if data is not None else None
    except PictureError:  # leave a damaged thumbnail out of the sample
        return None
