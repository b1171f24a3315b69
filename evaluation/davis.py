"""Sequences in DAVIS's layout: JPEGImages/<resolution>/<sequence>/*.jpg, Annotations/<resolution>/<sequence>/*.png."""

from collections.abc import Sequence as Items
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt
from PIL import Image

from copysight.errors import InvalidArgument
from copysight.images import decode
from copysight.scan import Entry, scan

Pixels = npt.NDArray[np.uint8]
LAYOUT = "JPEGImages/480p/<sequence>/*.jpg and Annotations/480p/<sequence>/*.png"


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
        """Labels (height, width): 0 ground, 1 … objects; the numbers of the PNG's palette."""
        with Image.open(BytesIO(self.masks[number].read())) as picture:
            return np.array(picture if picture.mode in {"P", "L"} else picture.convert("L"), np.uint8)


def load(path: Path) -> list[Sequence]:
    """All sequences under a folder or tar file, by name.

    Raises ``InvalidArgument`` if there are none, or if frames and masks of one do not go together.
    """
    frames, masks = (_grouped(scan(path).entries, kind) for kind in ("JPEGImages", "Annotations"))
    if not frames or not masks:
        raise InvalidArgument(f"{path} has no sequences with masks; the layout is {LAYOUT}")
    if lonely := sorted(frames.keys() - masks.keys()):
        raise InvalidArgument(
            f"{path}: sequence {', '.join(lonely[:3])} has frames but no masks; the layout is {LAYOUT}"
        )
    found = [Sequence(name, tuple(frames[name]), tuple(masks[name])) for name in sorted(frames)]
    for sequence in found:
        _check(sequence)
    return found


def _grouped(entries: Items[Entry], kind: str) -> dict[str, list[Entry]]:
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        parts = PurePosixPath(entry.key).parts
        if kind in parts[:-1]:
            groups.setdefault(parts[-2], []).append(entry)
    return groups


def _check(sequence: Sequence) -> None:
    stems = [[PurePosixPath(entry.key).stem for entry in part] for part in (sequence.frames, sequence.masks)]
    if stems[0] != stems[1] or len(stems[0]) < 3:
        raise InvalidArgument(
            f"sequence {sequence.name} has {len(stems[0])} frames and {len(stems[1])} masks; it needs a mask of "
            "the same name for every frame, and at least three of them"
        )
