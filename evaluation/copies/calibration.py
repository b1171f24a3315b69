"""The calibration that an index of the references would have."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from copysight.errors import InvalidArgument
from copysight.matching import verification
from copysight.scoring import calibrate
from copysight.scoring.calibration import Calibration, VerifiedCalibration
from copysight.scoring.near_duplicates import Share
from copysight.scoring.query_views import Effort
from copysight.scoring.self_calibration import Sample
from copysight.vectors import representatives
from copysight.vectors.score_normalisation import ScoreNormalisation
from evaluation.features.extract import Extractor

Float = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Fitted:
    """Calibrations of the scores and of verified answers, and the normalisation that the scores need.

    ``near_duplicates`` is None for those of the bundle.
    """

    efforts: Mapping[Effort, Calibration]
    verified: VerifiedCalibration
    normalisation: ScoreNormalisation
    near_duplicates: Share | None = None


def fit(
    extractor: Extractor,
    vectors: Float,
    normalisation: ScoreNormalisation,
    picture: Callable[[int], Image.Image],
    rng: np.random.Generator,
    share: float = 0.5,
) -> Fitted:
    """Fit calibrations as the index builder does: search edited copies of a sample of the references.

    ``vectors`` (N, D) are those of the references; ``picture`` returns the reference with a number.
    Fewer references than an index needs have the calibration of the bundle.
    Raises ``InvalidArgument`` if there is none.
    """
    rows = np.sort(rng.choice(len(vectors), min(calibrate.SAMPLE_SIZE, len(vectors)), replace=False)).astype(np.int64)
    pictures = [picture(int(row)) for row in rows]
    held = calibrate.informative(pictures)
    if len(held) < calibrate.MIN_PICTURES:
        if not extractor.calibrations:
            raise InvalidArgument(
                f"{extractor.name} has no calibration, and {len(held)} references are too few to fit one; give at "
                f"least {calibrate.MIN_PICTURES}"
            )
        return Fitted(extractor.calibrations, extractor.verified, normalisation)
    normalisation = normalisation.within(representatives.choose(vectors))
    sample = Sample([pictures[number] for number in held], rows[held], vectors, normalisation)
    embed = lambda copies: np.stack([extractor.embed(one) for one in copies])  # noqa: E731 - a named argument
    prepared = verification.preparing(picture)
    found = calibrate.calibrate(sample, embed, prepared, rng, extractor.calibrations, share)
    return Fitted(found.efforts, found.verified, normalisation, found.near_duplicates)
