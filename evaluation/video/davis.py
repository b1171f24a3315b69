"""Sequences in DAVIS's layout: JPEGImages/<resolution>/<sequence>/*.jpg, Annotations/<resolution>/<sequence>/*.png."""

from collections.abc import Sequence as Items
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt
from PIL import Image

from copysight.errors import InvalidArgument
from copysight.pictures.decode import decode
from copysight.pictures.scan import Entry, scan

Pixels = npt.NDArray[np.uint8]
VOID = 255
RESOLUTION = "480p"
"""What the benchmark measures; other resolutions beside it are passed over."""
LIST = "ImageSets/2017/val.txt"
LAYOUT = f"JPEGImages/{RESOLUTION}/<sequence>/*.jpg and Annotations/{RESOLUTION}/<sequence>/*.png"


@dataclass(frozen=True)
class Sequence:
    """A video: its frames in order, and the mask of each, not read yet."""

    name: str
    frames: tuple[Entry, ...]
    masks: tuple[Entry, ...]

    def frame(self, number: int) -> Image.Image:
        """RGB."""
        return decode(self.frames[number].read()).pixels

    def mask(self, number: int) -> Pixels:
        """Labels (height, width): 0 ground, 1 … objects; the numbers of the PNG's palette.

        Raises ``InvalidArgument`` if it is a picture in colours.
        """
        entry = self.masks[number]
        with Image.open(BytesIO(entry.read())) as picture:
            if picture.mode not in {"1", "L", "P"}:
                raise InvalidArgument(
                    f"{entry.key} has the mode {picture.mode}; a mask is a PNG with a palette or of one channel, whose "
                    "values are the numbers of objects"
                )
            return objects(np.array(picture, np.uint8))


def load(path: Path) -> list[Sequence]:
    """All sequences under a folder or tar file, by name; of a folder with ImageSets/2017/val.txt those of that list.

    Raises ``InvalidArgument`` if there are none, or if frames and masks of one do not go together.
    """
    entries = scan(path).entries
    entries = tuple(entry for entry in entries if RESOLUTION in PurePosixPath(entry.key).parts) or entries
    frames, masks = (_grouped(path, entries, kind) for kind in ("JPEGImages", "Annotations"))
    if not frames or not masks:
        raise InvalidArgument(
            f"{path} has frames of {len(frames)} sequences and masks of {len(masks)}; the layout is {LAYOUT}"
        )
    frames = _listed(path, frames)
    if lonely := sorted(frames.keys() - masks.keys()):
        raise InvalidArgument(
            f"{path}: sequence {', '.join(lonely[:3])} has frames but no masks; the layout is {LAYOUT}"
        )
    found = [Sequence(name, tuple(frames[name]), tuple(masks[name])) for name in sorted(frames)]
    for sequence in found:
        _check(sequence)
    return found


def objects(values: Pixels) -> Pixels:
    """Values of a mask to labels: 255 is void, hence ground; or, where nothing else is marked, the one object."""
    void = values == VOID
    alone = bool(void.any()) and not (values[~void] > 0).any()
    return np.where(void, np.uint8(alone), values).astype(np.uint8)


def _grouped(path: Path, entries: Items[Entry], kind: str) -> dict[str, list[Entry]]:
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        parts = PurePosixPath(entry.key).parts
        if kind in parts[:-1]:
            groups.setdefault(parts[-2], []).append(entry)
    for name, group in groups.items():
        if len(folders := {PurePosixPath(entry.key).parent.as_posix() for entry in group}) > 1:
            raise InvalidArgument(f"{path}: sequence {name} lies in {' and '.join(sorted(folders))}; keep one of them")
    return groups


def _listed(path: Path, frames: dict[str, list[Entry]]) -> dict[str, list[Entry]]:
    if not (path / LIST).is_file():
        return frames
    names = (path / LIST).read_text().split()
    if missing := sorted(set(names) - frames.keys()):
        raise InvalidArgument(
            f"{path}: {len(missing)} of the {len(names)} sequences of {LIST} have no frames ({', '.join(missing[:3])} "
            f"…); add them, or take the list away to measure all that is there"
        )
    return {name: frames[name] for name in names}


def _check(sequence: Sequence) -> None:
    stems = [[PurePosixPath(entry.key).stem for entry in part] for part in (sequence.frames, sequence.masks)]
    if stems[0] != stems[1] or len(stems[0]) < 3:
        raise InvalidArgument(
            f"sequence {sequence.name} has {len(stems[0])} frames and {len(stems[1])} masks; it needs a mask of "
            "the same name for every frame, and at least three of them"
        )
