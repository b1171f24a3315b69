"""The outcome of one file of a build: embedded, unreadable, or already present."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Float = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Embedded:
    """An embedded picture: ``vector`` (D,) is L2-normalised; the sides are in pixels of the upright original.

    ``information`` is how much it holds, 0..1, ``bytes`` the size of the file; ``taken`` and ``camera`` are what EXIF
    says. None in records that an older version staged.
    """

    key: str
    stamp: str
    sha256: str
    width: int
    height: int
    source: str | None
    vector: Float
    information: float | None = None
    bytes: int | None = None
    taken: str | None = None
    camera: str | None = None


@dataclass(frozen=True)
class Unreadable:
    """A file that became no item: the stable error ``code``, and the reason in words."""

    key: str
    stamp: str
    code: str
    detail: str


@dataclass(frozen=True)
class Present:
    """A file whose key and bytes are already in the catalog; in a sync, one whose bytes are, under any key.

    ``sha256`` is None in records that an older version staged.
    """

    key: str
    stamp: str
    sha256: str | None = None


Record = Embedded | Unreadable | Present
