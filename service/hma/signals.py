"""The signal types of the HMA paths: PDQ, and this project's descriptor. A signal is a text."""

import base64
import binascii
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from copysight.errors import InvalidArgument
from copysight.model.bundle import Bundle

Float = npt.NDArray[np.float32]
PDQ, COPYSIGHT = "pdq", "copysight"
TYPES = (PDQ, COPYSIGHT)
CONTENT_TYPE = "photo"
ID_CHARACTERS = 8


def wanted(text: str | None) -> Sequence[str]:
    """The types of a list separated by commas; None means all. Raises ``InvalidArgument``."""
    names = TYPES if text is None else tuple(name.strip() for name in text.split(",") if name.strip())
    for name in names:
        check_type(name)
    if not names:
        raise InvalidArgument(f"got no signal type; use some of {', '.join(TYPES)}")
    return names


def check_type(name: str) -> str:
    """A type as it is. Raises ``InvalidArgument`` for one that this server does not have."""
    if name not in TYPES:
        raise InvalidArgument(f"got the signal type {name[:80]!r}; this server has {', '.join(TYPES)}")
    return name


def check_content(name: str | None) -> None:
    """Raise ``InvalidArgument`` for a content type that this server does not have."""
    if name and name != CONTENT_TYPE:
        raise InvalidArgument(f"got the content type {name[:80]!r}; this server has {CONTENT_TYPE}")


def encode(vector: Float, bundle: Bundle) -> str:
    """A unit vector (D,) as a signal: the start of the bundle's id, and float16 numbers in base64."""
    text = base64.urlsafe_b64encode(vector.astype("<f2").tobytes()).rstrip(b"=").decode()
    return f"{bundle.id[:ID_CHARACTERS]}.{text}"


def decode(signal: str, bundle: Bundle) -> Float:
    """The unit vector (1, D) of a signal. Raises ``InvalidArgument`` if it is of another bundle, or is none."""
    model, _, text = signal.partition(".")
    if model != bundle.id[:ID_CHARACTERS]:
        raise InvalidArgument(
            f"got a signal of the model {model[:40]!r}; this server has {bundle.id[:ID_CHARACTERS]}; hash the picture "
            "again"
        )
    try:
        vector = np.frombuffer(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), "<f2").astype(np.float32)
    except (binascii.Error, ValueError) as error:
        raise InvalidArgument(f"got a signal that cannot be read ({error})") from error
    length = float(np.linalg.norm(vector)) if len(vector) == bundle.dimension else 0.0
    if not np.isfinite(length) or length < 0.5:
        raise InvalidArgument(f"got a signal that is not a unit vector of {bundle.dimension} numbers")
    return np.asarray(vector / length, np.float32)[None]
