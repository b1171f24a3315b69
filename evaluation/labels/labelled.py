"""Read a labelled set: training and validation pictures, with one folder per class."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt

from copysight.errors import InvalidArgument
from copysight.pictures.scan import Entry
from evaluation.sources import scan

Ints = npt.NDArray[np.int64]
LAYOUT = "train/<class>/<picture> and val/<class>/<picture>"


@dataclass(frozen=True)
class Split:
    """The pictures of a split and their class numbers (N,)."""

    entries: tuple[Entry, ...]
    labels: Ints


@dataclass(frozen=True)
class LabelledSet:
    """A labelled set with sorted class names. ``name`` is the name of its folder or tar file without suffix."""

    name: str
    classes: tuple[str, ...]
    train: Split
    val: Split


def load(path: Path) -> LabelledSet:
    """Read a folder or tar file of ``train/<class>/`` and ``val/<class>/``.

    Raises ``NoPictures``, or ``InvalidArgument`` if a split is missing or a class is in one split only.
    """
    files = [(entry, *_place(entry)) for entry in scan(path).entries]
    found = {split: {label for _, part, label in files if part == split} for split in ("train", "val")}
    for split, labels in found.items():
        if not labels:
            raise InvalidArgument(f"{path} has no pictures under {split}/<class>/; a labelled set needs {LAYOUT}")
    for one, other in (("train", "val"), ("val", "train")):
        if unmatched := sorted(found[one] - found[other]):
            raise InvalidArgument(
                f"{path}: {len(unmatched)} classes of {one} are not in {other} ({_few(unmatched)}); each class must "
                "be in both"
            )
    classes = tuple(sorted(found["train"]))
    return LabelledSet(path.stem, classes, *(_split(files, split, classes) for split in ("train", "val")))


def _few(names: list[str]) -> str:
    return ", ".join(names[:5]) + (" …" if len(names) > 5 else "")


def _split(files: list[tuple[Entry, str, str]], split: str, classes: tuple[str, ...]) -> Split:
    mine = [(entry, classes.index(label)) for entry, part, label in files if part == split]
    return Split(tuple(entry for entry, _ in mine), np.array([label for _, label in mine], np.int64))


def _place(entry: Entry) -> tuple[str, str]:
    parts = PurePosixPath(entry.key).parts
    return (parts[-3], parts[-2]) if len(parts) >= 3 else ("", "")
