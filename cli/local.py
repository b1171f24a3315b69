"""Local pictures for the offline commands: what the service does with a request body, done with paths."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from copysight.errors import CopysightError, NoPictures
from copysight.model.bundle import Bundle
from copysight.pictures.decode import decode

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp")


@dataclass(frozen=True)
class Local:
    """A picture file: its pixels as every other part of the program sees them, and the sha256 of its bytes."""

    path: Path
    pixels: Image.Image
    sha256: str


def read(path: Path, bundle: Bundle) -> Local:
    """Decode a file for a bundle. Raises a ``PictureError`` that names the file."""
    data = path.read_bytes()
    try:
        picture = decode(data, at_least=bundle.at_least)
    except CopysightError as error:
        raise type(error)(f"{path}: {error.message}", **error.data) from error
    return Local(path, picture.pixels, hashlib.sha256(data).hexdigest())


def files(paths: Sequence[Path]) -> list[Path]:
    """Files as named, and the picture files of folders, sorted. Raises ``NoPictures``."""
    found = [file for path in paths for file in (_inside(path) if path.is_dir() else [path])]
    if not found:
        raise NoPictures(f"found no pictures in {', '.join(map(str, paths))}; name files or folders of pictures")
    return found


def equal_pixels(one: Local, other: Local) -> bool:
    """Whether bytes or pixels are the same: what the verdict ``exact`` says."""
    if one.sha256 == other.sha256:
        return True
    first, second = whole(one.path), whole(other.path)
    return first.size == second.size and bool(np.array_equal(np.asarray(first), np.asarray(second)))


def whole(path: Path) -> Image.Image:
    """A file at its full size; what a model is given may be a scaled decode."""
    return decode(path.read_bytes()).pixels


def _inside(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
