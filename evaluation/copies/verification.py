"""Verify the best candidates of all queries of a copy benchmark, as a search of the service does."""

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
import numpy.typing as npt
from PIL import Image

from copysight.blobs import THUMBNAIL_SIDE
from copysight.errors import InvalidArgument
from copysight.matching import verification
from copysight.matching.verification import Prepared
from copysight.pictures.decode import Limits
from copysight.pictures.scan import Entry, Failure
from copysight.scoring import verified
from copysight.scoring.calibration import Calibration, Line
from copysight.scoring.verified import CANDIDATES, Candidate, Mode
from copysight.system.progress import with_progress
from copysight.vectors.knn import limit_threads
from evaluation.sources import current

Float = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]
UNLIMITED = float("inf")


def verify(
    scores: Float,
    queries: Sequence[Entry],
    references: Sequence[Entry],
    calibration: Calibration,
    line: Line,
    mode: Mode,
    at_least: int,
) -> Floats:
    """Probabilities (Q, R) of the candidates of all queries, from all evidence; 0 for other pairs, never answered.

    ``queries`` (Q,) and ``references`` (R,) are their pictures; queries are decoded like those of a search, with a
    shortest side of ``at_least`` pixels. There is no time limit, so that the result does not depend on the machine.
    """
    limits = current().options.limits  # of the command, which threads do not see

    def query(number: int) -> Prepared:
        return verification.prepare(_read(queries[number], limits, at_least))

    def reference(row: int) -> Prepared:
        picture = _read(references[row], limits, THUMBNAIL_SIDE)
        picture.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
        return verification.prepare(picture)

    return verify_pictures(scores, query, reference, calibration, line, mode)


def verify_pictures(
    scores: Float,
    query: Callable[[int], Prepared],
    reference: Callable[[int], Prepared],
    calibration: Calibration,
    line: Line,
    mode: Mode,
) -> Floats:
    """Like ``verify``, for prepared pictures by their number; references are prepared once."""
    by_score = calibration.probability(scores)
    probabilities = np.zeros_like(by_score)
    limit_threads(1)
    kept = cache(reference)

    def one(number: int) -> Mapping[int, float]:
        best = np.argsort(-scores[number], kind="stable")[:CANDIDATES]
        candidates = [
            Candidate(float(scores[number, row]), float(by_score[number, row]), calibration.share) for row in best
        ]
        check = verified.checking(lambda: query(number), lambda place: kept(int(best[place])))
        results = verified.verify(candidates, check, mode, UNLIMITED, line)
        return {int(row): found.probability for row, found in zip(best, results, strict=True)}

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        answers = with_progress(pool.map(one, range(len(scores))), len(scores), "verify")
        for number, some in enumerate(answers):
            for row, probability in some.items():
                probabilities[number, row] = probability
    return probabilities


def _read(entry: Entry, limits: Limits, at_least: int) -> Image.Image:
    found = entry.decode(limits, at_least)
    if isinstance(found, Failure):
        raise InvalidArgument(f"{found.key}: {found.detail}", code=found.code)
    return found.pixels
