"""Read videos with masks in the DAVIS layout.

Frames are JPEGImages/<resolution>/<sequence>/*.jpg, masks are Annotations/<resolution>/<sequence>/*.png.
"""

from collections.abc import Sequence as Items
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt
from PIL import Image

from copysight.errors import InvalidArgument
from copysight.pictures.scan import Entry
from evaluation.sources import read, scan

Pixels = npt.NDArray[np.uint8]
VOID = 255
RESOLUTION = "480p"
"""The resolution of the benchmark. Other resolutions are ignored if this one is present."""
LIST = "ImageSets/2017/val.txt"
LAYOUT = f"JPEGImages/{RESOLUTION}/<sequence>/*.jpg and Annotations/{RESOLUTION}/<sequence>/*.png"


@dataclass(frozen=True)
class Sequence:
    """A video: its frames in order, and the mask of each frame. Files are read on access."""

    name: str
    frames: tuple[Entry, ...]
    masks: tuple[Entry, ...]

    def frame(self, number: int) -> Image.Image:
        """Read one frame as RGB."""
        return read(self.frames[number])

    def mask(self, number: int) -> Pixels:
        """Read the labels (height, width) of one frame: 0 background, 1 … objects (palette numbers of the PNG).

        Raises ``InvalidArgument`` for a mask with several channels.
        """
        entry = self.masks[number]
        with Image.open(BytesIO(entry.read())) as picture:
            if picture.mode not in {"1", "L", "P"}:
                raise InvalidArgument(
                    f"{entry.key} has the mode {picture.mode}; a mask must be a PNG with a palette or one channel, "
                    "whose values are object numbers"
                )
            return object_labels(np.array(picture, np.uint8))


def load(path: Path) -> list[Sequence]:
    """Return the sequences of a folder or tar file, sorted by name.

    If a folder has ImageSets/2017/val.txt, only the sequences of that list are returned. Raises ``InvalidArgument``
    if there are none, or if the frames and masks of a sequence do not match.
    """
    entries = scan(path).entries
    entries = tuple(entry for entry in entries if RESOLUTION in PurePosixPath(entry.key).parts) or entries
    frames, masks = (_grouped(path, entries, kind) for kind in ("JPEGImages", "Annotations"))
    if not frames or not masks:
        raise InvalidArgument(
            f"{path} has frames of {len(frames)} sequences and masks of {len(masks)}; the layout must be {LAYOUT}"
        )
    frames = _select_listed(path, frames)
    if missing := sorted(frames.keys() - masks.keys()):
        raise InvalidArgument(
            f"{path}: sequence {', '.join(missing[:3])} has frames but no masks; the layout must be {LAYOUT}"
        )
    found = [Sequence(name, tuple(frames[name]), tuple(masks[name])) for name in sorted(frames)]
    for sequence in found:
        _check(sequence)
    return found


def object_labels(values: Pixels) -> Pixels:
    """Map the values of a mask to labels.

    255 means void and becomes background (0). If no other value marks an object, 255 is the only object (1).
    """
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
            raise InvalidArgument(
                f"{path}: sequence {name} is in {' and '.join(sorted(folders))}; keep only one of them"
            )
    return groups


def _select_listed(path: Path, frames: dict[str, list[Entry]]) -> dict[str, list[Entry]]:
    if not (path / LIST).is_file():
        return frames
    names = (path / LIST).read_text().split()
    if missing := sorted(set(names) - frames.keys()):
        raise InvalidArgument(
            f"{path}: {len(missing)} of the {len(names)} sequences of {LIST} have no frames ({', '.join(missing[:3])} "
            f"…); add them, or remove the list to measure all sequences"
        )
    return {name: frames[name] for name in names}


def _check(sequence: Sequence) -> None:
    stems = [[PurePosixPath(entry.key).stem for entry in part] for part in (sequence.frames, sequence.masks)]
    if stems[0] != stems[1] or len(stems[0]) < 3:
        raise InvalidArgument(
            f"sequence {sequence.name} has {len(stems[0])} frames and {len(stems[1])} masks; it needs at least three "
            "frames and a mask with the same name for each"
        )
