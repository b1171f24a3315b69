"""Perceptual hashes (pHash, PDQ) as baselines.

Bits become vectors of length 1, so that a cosine of c is a normalised Hamming distance of (1 - c) / 2.
"""

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
from PIL import Image

from copysight.errors import InvalidArgument
from copysight.scoring.query_views import QueryView

Float = npt.NDArray[np.float32]
SIDE = 64
LOW = 8
"""pHash keeps the 8 x 8 coefficients of lowest frequency of a block of 32 x 32 cosine coefficients."""


def phash(picture: Image.Image) -> Float:
    """Return the 64 bits of pHash: low frequencies of 32 x 32 grey values, above their median (Zauner 2010, 3.2)."""
    grey = np.asarray(picture.convert("L").resize((4 * LOW, 4 * LOW), Image.Resampling.LANCZOS), np.float64)
    basis = _cosines(4 * LOW)
    low = (basis @ grey @ basis.T)[:LOW, :LOW].ravel()
    return _unit(low > np.median(low))


def pdq(picture: Image.Image) -> Float:
    """Return the 256 bits of PDQ. Raises ``InvalidArgument`` if the package ``pdqhash`` is not installed."""
    try:
        import pdqhash  # noqa: PLC0415 - an optional dependency
    except ImportError as error:
        raise InvalidArgument("the source `pdq` needs the package pdqhash; install it or omit this source") from error
    bits, _quality = pdqhash.compute(np.asarray(picture))
    return _unit(np.asarray(bits, bool))


def rotations_and_mirrors(picture: Image.Image) -> list[QueryView]:
    """Return the eight rotations and mirror images of a picture, as query views.

    PDQ is not invariant to rotation, so a search needs all eight.
    """
    both = (picture, picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT))
    quarters = (Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270)
    return [QueryView(one) for side in both for one in (side, *(side.transpose(turn) for turn in quarters))]


BY_NAME: Mapping[str, Callable[[Image.Image], Float]] = {"phash": phash, "pdq": pdq}


def _cosines(size: int) -> npt.NDArray[np.float64]:
    """Return the basis (size, size) of the discrete cosine transform, type II, not normalised."""
    frequency, place = np.arange(size)[:, None], np.arange(size)[None]
    return np.asarray(np.cos(np.pi * frequency * (2 * place + 1) / (2 * size)))


def _unit(bits: npt.NDArray[np.bool_]) -> Float:
    return np.asarray(np.where(bits, 1, -1) / np.sqrt(bits.size), np.float32)
