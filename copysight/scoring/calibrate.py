"""Calibrate a collection on itself, in order: near-duplicates, rehearsed searches, their verification."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.random import Generator
from PIL import Image

from copysight.matching.verification import Prepared
from copysight.pictures import information
from copysight.scoring import curve as curves
from copysight.scoring import fitting, near_duplicates, rehearse_verification, self_calibration
from copysight.scoring.calibration import Calibration, VerifiedCalibration
from copysight.scoring.curve import Curve
from copysight.scoring.fitting import Answers
from copysight.scoring.near_duplicates import Share
from copysight.scoring.query_views import DEFAULT_EFFORT, Effort
from copysight.scoring.self_calibration import Sample
from copysight.scoring.verified import HOPELESS

SAMPLE_SIZE, HIGH_EFFORT_SAMPLE, VERIFIED_SAMPLE, MIN_PICTURES = 500, 200, 200, 100
"""Number of pictures that are edited; number of copies that are also searched with high effort, which costs three times
as much and changes little; number of copies that are also verified; minimum number of pictures for a calibration."""
Float = npt.NDArray[np.float32]
Embed = Callable[[Sequence[Image.Image]], Float]


@dataclass(frozen=True)
class Rehearsed:
    """What a collection is calibrated with: a calibration for each effort, one of verified answers, near-duplicates."""

    efforts: Mapping[Effort, Calibration]
    verified: VerifiedCalibration
    near_duplicates: Share

    def to_json(self) -> dict[str, Any]:
        """Return plain data for ``calibration.json`` and ``bundle.json``."""
        return {
            **{effort: one.to_json() for effort, one in self.efforts.items()},
            "verified": self.verified.to_json(),
            "near_duplicates": vars(self.near_duplicates),
        }


def informative(pictures: Sequence[Image.Image]) -> list[int]:
    """The numbers of the RGB pictures that hold enough to be found by anything but equal bytes or pixels."""
    return [number for number, one in enumerate(pictures) if information.information(one) >= information.LEAST]


def calibrate(
    sample: Sample,
    embed: Embed,
    picture: Callable[[int], Prepared | None],
    rng: Generator,
    known: Mapping[Effort, Calibration],
    share: float = 0.5,
) -> Rehearsed:
    """Calibrate a collection; ``known`` are the calibrations of its bundle, whose curves are kept.

    ``embed`` returns unit rows (V, D); ``picture`` returns the prepared picture of a row of the sample's vectors, or
    None. ``share`` is the assumed share of queries with a copy. Raises ``InvalidArgument`` for too few pictures.
    """
    near = near_duplicates.find(sample.rows, sample.vectors, picture, _open(sample, known.get("low")))
    sample = replace(sample, near_duplicates=near)
    queries = self_calibration.make_queries(sample, embed, rng, HIGH_EFFORT_SAMPLE)
    answers = self_calibration.answers(queries, sample.vectors)
    efforts = fit_efforts(answers, {effort: one.curve for effort, one in known.items()}, share)
    seen = rehearse_verification.answers(
        queries, sample.vectors, efforts[DEFAULT_EFFORT], DEFAULT_EFFORT, picture, VERIFIED_SAMPLE
    )
    return Rehearsed(efforts, fitting.fit_verified(seen, share), near_duplicates.share_of(near))


def calibrate_bundle(
    sample: Sample, embed: Embed, picture: Callable[[int], Prepared | None], rng: Generator
) -> Rehearsed:
    """The calibration of a bundle, on pictures of no collection in particular, with curves of its own."""
    near = near_duplicates.find(sample.rows, sample.vectors, picture)
    queries = self_calibration.make_queries(replace(sample, near_duplicates=near), embed, rng)
    answers = self_calibration.answers(queries, sample.vectors)
    efforts = fit_efforts(answers, {effort: curves.fit(one.scores, one.correct) for effort, one in answers.items()})
    efforts = {effort: replace(one, source="bundle") for effort, one in efforts.items()}
    seen = rehearse_verification.answers(
        queries, sample.vectors, efforts[DEFAULT_EFFORT], DEFAULT_EFFORT, picture, SAMPLE_SIZE
    )
    return Rehearsed(efforts, fitting.fit_verified(seen), near_duplicates.share_of(near))


def fit_efforts(
    answers: Mapping[Effort, Answers], curves_of: Mapping[Effort, Curve | None], share: float = 0.5
) -> dict[Effort, Calibration]:
    """Fit a calibration for each effort. Raises ``InvalidArgument`` for too few answers.

    With curves, one tilt is fitted for all efforts: a collection differs from others by its unrelated pictures, which
    shifts the scores of all efforts alike.
    """
    known = {effort: curve for effort in answers if (curve := curves_of.get(effort)) is not None}
    if not known:
        return {effort: fitting.fit(one, share) for effort, one in answers.items()}
    tilt = fitting.fit_tilt([(answers[effort], curve) for effort, curve in known.items()], share)
    return {effort: fitting.fit(answers[effort], share, curve=curve, tilt=tilt) for effort, curve in known.items()}


def _open(sample: Sample, known: Calibration | None) -> near_duplicates.IsOpen | None:
    """Which neighbours may be near-duplicates: those that a search would verify."""
    if known is None:
        return None

    def is_open(vectors: Float, similarities: Float) -> npt.NDArray[np.bool_]:
        scores = sample.normalisation.scores(similarities, vectors)
        return np.asarray(known.probability(scores) >= HOPELESS)

    return is_open
