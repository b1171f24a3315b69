"""Limits and measures of the check that an exported graph agrees with its source. Without torch."""

import numpy as np
import numpy.typing as npt
from PIL import Image

from copysight.errors import ExportFailed
from copysight.model.bundle import Numerics

Float = npt.NDArray[np.float32]
MAX_DIFFERENCE = 1e-4
MIN_COSINE = 0.99999
HALF_DIFFERENCE, HALF_COSINE = 1e-2, 0.9999
"""Limits for weights in half precision, which changes them by up to 2^-11; whitening amplifies that."""


def check_numerics(measured: Numerics, largest: float, cosine: float, source: str = "torch") -> dict[str, float]:
    """The measured agreement with ``source`` as data.

    Raises ``ExportFailed`` if it is outside of the limits, or not a number.
    """
    # Not the opposite comparison: NaN is neither larger nor smaller.
    if not (measured.largest_difference <= largest and measured.cosine >= cosine):
        raise ExportFailed(
            f"the exported graph differs from {source} by {measured.largest_difference:.2e} (allowed: {largest}) and "
            f"has a cosine of {measured.cosine:.6f} to it (needed: {cosine}); nothing was written"
        )
    return numerics_json(measured.largest_difference, measured.cosine)


def smallest_cosine(one: Float, other: Float) -> float:
    """Smallest cosine of the rows of two arrays (B, D); NaN for a row of zeros.

    Rows are divided by their length: features near 1e-20 have squares that underflow, and are only nearly normalised.
    """
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return float(((one * other).sum(axis=1) / lengths).min())


def numerics_json(largest: float, cosine: float) -> dict[str, float]:
    """The agreement as ``bundle.json`` has it."""
    return {"largest_difference": largest, "cosine": cosine}


def synthetic_picture(seed: int) -> Image.Image:
    """A smooth random picture; white noise would not represent real pictures."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (5 + seed, 7, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((320, 240), Image.Resampling.BICUBIC)
