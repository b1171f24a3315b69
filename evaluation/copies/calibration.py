"""The calibration that an index of the references would have."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from PIL import Image

from copysight.errors import InvalidArgument
from copysight.scoring import self_calibration
from copysight.scoring.calibration import Calibration
from copysight.scoring.query_views import Effort
from evaluation.features.extract import Extractor

Float = npt.NDArray[np.float32]


def fit(
    extractor: Extractor,
    vectors: Float,
    background: Float,
    picture: Callable[[int], Image.Image],
    effort: Effort,
    rng: np.random.Generator,
    share: float = 0.5,
) -> Calibration:
    """Fit a calibration as the index builder does: search edited copies of a sample of the references.

    ``vectors`` (N, D) are those of the references, ``background`` (M, D) is for score normalisation; ``picture``
    returns the reference with a number. Fewer references than an index needs have the calibration of the bundle.
    Raises ``InvalidArgument`` if there is none.
    """
    if len(vectors) < self_calibration.MIN_PICTURES:
        if effort not in extractor.calibrations:
            raise InvalidArgument(
                f"{extractor.name} has no calibration, and {len(vectors)} references are too few to fit one; give at "
                f"least {self_calibration.MIN_PICTURES}"
            )
        return extractor.calibrations[effort]
    sample = min(self_calibration.SAMPLE_SIZE, len(vectors))
    rows = np.sort(rng.choice(len(vectors), sample, replace=False)).astype(np.int64)
    embed = lambda copies: np.stack([extractor.embed(one) for one in copies])  # noqa: E731 - a named argument
    pictures = [picture(int(row)) for row in rows]
    answers = self_calibration.run_queries(
        pictures, rows, vectors, background, embed, rng, self_calibration.HIGH_EFFORT_SAMPLE
    )
    return self_calibration.fit_calibrations(answers, extractor.curves, share)[effort]
