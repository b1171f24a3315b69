"""A picture file of an archive, with the facts that keep rules look at."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Picture:
    """One picture file. What is not known is None.

    ``path``: how answers name it. ``sha256``: of its bytes. ``width`` and ``height``: of the upright picture, in
    pixels. ``bytes``: its size. ``format``: as Pillow names it. ``taken``: date and time of the exposure, ISO 8601
    without a zone. ``camera``: its maker and model. ``modified``: seconds since the epoch. ``file``: the file on this
    machine, None for a member of a tar file. ``is_link``: whether the file is a symbolic link.
    """

    path: str
    sha256: str
    width: int
    height: int
    bytes: int | None = None
    format: str | None = None
    taken: str | None = None
    camera: str | None = None
    modified: float | None = None
    file: Path | None = None
    is_link: bool = False

    @property
    def pixels(self) -> int:
        """Width times height."""
        return self.width * self.height
