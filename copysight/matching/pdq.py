"""PDQ, a perceptual hash of 256 bits that hash exchanges share, by the package ``pdqhash``, an extra of this project.

Source: Facebook 2019, "The TMK+PDQF Video-Hashing Algorithm and the PDQ Image-Hashing Algorithm".
"""

import re

import numpy as np
import numpy.typing as npt
from PIL import Image

from copysight.errors import InvalidArgument

Words = npt.NDArray[np.uint64]
CONFIDENT = 31
"""Bits up to which two hashes match; the distance that the authors call confident."""
MIN_QUALITY = 50
"""Pictures of a lower quality (0..100) are too plain for a hash: theirs match by chance."""
_HASH = re.compile("[0-9a-f]{64}")


def is_installed() -> bool:
    """Whether the package ``pdqhash`` is there."""
    try:
        import pdqhash  # noqa: F401, PLC0415 - an optional dependency
    except ImportError:
        return False
    return True


def pdq(picture: Image.Image) -> str:
    """The hash of an RGB picture, 64 hexadecimal digits; empty if it is too plain. Needs ``pdqhash``."""
    import pdqhash  # noqa: PLC0415

    bits, quality = pdqhash.compute(np.asarray(picture))
    return np.packbits(np.asarray(bits, np.uint8)).tobytes().hex() if quality >= MIN_QUALITY else ""


def check(text: str) -> str:
    """A hash as it is. Raises ``InvalidArgument`` unless it is 64 hexadecimal digits, in lower case."""
    if not _HASH.fullmatch(text):
        raise InvalidArgument(f"got the PDQ hash {text[:80]!r}; it must be 64 hexadecimal digits in lower case")
    return text


def words(hashes: list[str]) -> Words:
    """Hashes as numbers (N, 4)."""
    return np.frombuffer(bytes.fromhex("".join(hashes)), np.uint64).reshape(-1, 4)


def distances(one: str, others: Words) -> npt.NDArray[np.int64]:
    """Bits in which a hash differs from each of ``others`` (N, 4): (N,), 0..256."""
    return np.asarray(np.bitwise_count(others ^ words([one])).sum(axis=1), np.int64)
