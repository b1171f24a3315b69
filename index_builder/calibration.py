"""What the scores of an index mean, learned on edited copies of a sample of its own pictures."""

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from copysight import bundle as bundles
from copysight import images, rehearsal, scoring
from copysight.embedder import Embedder, Runtime
from copysight.errors import PictureError
from copysight.index import Index
from copysight.index.publish import Calibrate
from copysight.index.writing import Contents

Ints = npt.NDArray[np.int64]
SAMPLE = 300
LEAST = 100
"""Pictures below which a collection says too little: the bundle's own calibration serves instead."""
log = logging.getLogger(__name__)


def calibrator(index: Index, sample: int = SAMPLE, share: float = 0.5, seed: int = 0) -> Calibrate:
    """The hook of ``publish``: what becomes ``calibration.json``.

    ``sample`` pictures are drawn; ``share`` is the assumed share of queries with a copy in the collection. The hook
    gives None for a collection of fewer than 100 pictures.
    """

    def calibrate(made: Contents) -> Mapping[str, Any] | None:
        if min(sample, len(made.ids)) < LEAST:
            log.info("%d pictures are too few to calibrate: the calibration of the bundle serves", len(made.ids))
            return None
        rng = np.random.default_rng(seed)
        rows = np.sort(rng.choice(len(made.ids), min(sample, len(made.ids)), replace=False))
        thumbnails = _thumbnails(index, made.ids[rows])
        rows = np.asarray([row for row, picture in zip(rows, thumbnails, strict=True) if picture is not None], np.int64)
        pictures = [picture for picture in thumbnails if picture is not None]
        if len(pictures) < LEAST:
            return None
        bundle = bundles.load(index.layout.bundles / made.model, verify=False)
        embedder, background = Embedder(bundle, Runtime(variant=made.variant)), bundle.background_vectors()
        seen = rehearsal.rehearse(pictures, rows, made.vectors, background, embedder.embed_each, rng)
        return rehearsal.calibrations(seen, scoring.curves_of(bundle), share)

    return calibrate


def _thumbnails(index: Index, ids: Ints) -> list[Image.Image | None]:
    items = index.catalog.get_many(ids.tolist())
    return [_picture(index, items[number].sha256) if number in items else None for number in ids.tolist()]


def _picture(index: Index, sha256: str) -> Image.Image | None:
    data = index.blobs.thumbnail(sha256)
    try:
        return images.decode(data).pixels if data is not None else None
    except PictureError:  # a damaged thumbnail costs the sample one picture; `index verify` reports it
        return None
