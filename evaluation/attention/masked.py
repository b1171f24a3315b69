"""Pictures with the mask of their objects: folders `images` and `masks`, or frames of videos in the DAVIS layout."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt
from PIL import Image

from copysight.errors import InvalidArgument
from copysight.pictures.scan import Entry
from evaluation.sources import read, scan
from evaluation.video import davis

Mask = npt.NDArray[np.bool_]
IMAGES, MASKS = "images", "masks"
STEP = 10
"""Every tenth frame of a video: the frames between differ little."""
LAYOUT = f"{IMAGES}/<name>.jpg and {MASKS}/<name>.png, or that of DAVIS"


@dataclass(frozen=True)
class MaskedPicture:
    """A picture and the mask of its objects; files are read on access.

    Pictures of the same ``group`` are no independent samples: the frames of one video.
    """

    name: str
    group: str
    picture: Callable[[], Image.Image]
    mask: Callable[[], Mask]


def load(path: Path, step: int = STEP) -> list[MaskedPicture]:
    """The pictures of a folder or tar file that have a mask, sorted by name; of a video, each ``step``-th frame.

    Raises ``InvalidArgument`` if there are none, or if a picture lacks its mask.
    """
    entries = scan(path).entries
    if any("JPEGImages" in PurePosixPath(entry.key).parts for entry in entries):
        return [_frame(one, number) for one in davis.load(path) for number in range(0, len(one.frames), step)]
    pictures, masks = (_by_stem(entries, folder) for folder in (IMAGES, MASKS))
    if not pictures or not masks:
        raise InvalidArgument(
            f"{path} has {len(pictures)} pictures and {len(masks)} masks; the layout must be {LAYOUT}"
        )
    if missing := sorted(pictures.keys() - masks.keys()):
        raise InvalidArgument(f"{path}: {len(missing)} pictures have no mask ({', '.join(missing[:3])}); add them")
    return [_single(name, pictures[name], masks[name]) for name in sorted(pictures)]


def _frame(sequence: davis.Sequence, number: int) -> MaskedPicture:
    return MaskedPicture(
        name=f"{sequence.name}/{number:05}",
        group=sequence.name,
        picture=lambda: sequence.frame(number),
        mask=lambda: sequence.mask(number) > 0,
    )


def _single(name: str, picture: Entry, mask: Entry) -> MaskedPicture:
    return MaskedPicture(name, name, lambda: read(picture), lambda: _read_mask(mask))


def _read_mask(entry: Entry) -> Mask:
    with Image.open(BytesIO(entry.read())) as opened:
        if opened.mode not in {"1", "L", "P"}:
            raise InvalidArgument(f"{entry.key} has the mode {opened.mode}; a mask has a palette or one channel")
        return davis.object_labels(np.array(opened, np.uint8)) > 0


def _by_stem(entries: Sequence[Entry], folder: str) -> dict[str, Entry]:
    parts = ((PurePosixPath(entry.key), entry) for entry in entries)
    return {path.stem: entry for path, entry in parts if folder in path.parts[:-1]}
