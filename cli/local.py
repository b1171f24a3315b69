"""Read local picture files for the offline commands, as the service reads uploads."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from copysight.errors import CopysightError, NoPictures
from copysight.model.bundle import Bundle
from copysight.pictures.decode import decode
from copysight.pictures.exact import digest
from copysight.pictures.scan import ScanOptions, limits_of_environment, scan


@dataclass(frozen=True)
class LocalPicture:
    """A picture file: its decoded pixels, upright and RGB, and the sha256 of its bytes."""

    path: Path
    pixels: Image.Image
    sha256: str


def read(path: Path, bundle: Bundle) -> LocalPicture:
    """Decode a file at the size that a bundle needs. Raises a ``PictureError`` that names the file."""
    data = path.read_bytes()
    try:
        picture = decode(data, limits_of_environment(os.environ), bundle.at_least)
    except CopysightError as error:
        raise type(error)(f"{path}: {error.message}", **error.data) from error
    return LocalPicture(path, picture.pixels, hashlib.sha256(data).hexdigest())


def files(paths: Sequence[Path]) -> list[Path]:
    """The given files, and the picture files below the given folders, sorted. Raises ``NoPictures``."""
    found = [file for path in paths for file in (_files_below(path) if path.is_dir() else [path])]
    if not found:
        raise NoPictures(f"found no pictures in {', '.join(map(str, paths))}; name picture files, or folders of them")
    return found


def equal_pixels(one: LocalPicture, other: LocalPicture) -> bool:
    """Whether two files have the same bytes, or the same pixels, alpha and frames: the meaning of ``exact``."""
    if one.sha256 == other.sha256:
        return True
    limits = limits_of_environment(os.environ)
    first, second = (digest(picture.path.read_bytes(), limits) for picture in (one, other))
    return first is not None and first == second


def full_size(path: Path) -> Image.Image:
    """Decode a file at its full size. `read` may scale a picture down while decoding."""
    return decode(path.read_bytes(), limits_of_environment(os.environ)).pixels


def _files_below(folder: Path) -> list[Path]:
    reading = ScanOptions(limits=limits_of_environment(os.environ))
    try:
        return sorted(entry.file for entry in scan(folder, reading).entries if not entry.in_shard)
    except NoPictures:
        return []
