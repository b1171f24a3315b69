"""What becomes of one file of a build."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Float = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Embedded:
    """A picture that was read: ``vector`` (D,) is L2-normalised, the sides are in pixels of the upright original."""

    key: str
    stamp: str
    sha256: str
    width: int
    height: int
    source: str | None
    vector: Float


@dataclass(frozen=True)
class Unreadable:
    """A file that gave no picture: the stable ``code`` of the reason, and the reason in words."""

    key: str
    stamp: str
    code: str
    detail: str


@dataclass(frozen=True)
class Present:
    """A file whose key and bytes are in the catalog already."""

    key: str
    stamp: str


Record = Embedded | Unreadable | Present
