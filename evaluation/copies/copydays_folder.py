"""Read the Copydays benchmark from a folder or tar file and measure a source on it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt

from copysight.errors import InvalidArgument
from copysight.pictures.scan import Entry
from copysight.vectors.knn import exact
from evaluation.features.extract import Extractor, extract
from evaluation.metrics import copydays, ranking
from evaluation.sources import scan

Float = npt.NDArray[np.float32]
RETRIEVED = 20
"""Results per query that count. A positive beyond them is a miss, as in the released code."""
LAYOUT = "original/*.jpg, strong/*.jpg, jpegqual/<quality>/*.jpg, crops/<percent>/*.jpg"


@dataclass(frozen=True)
class Folder:
    """Pictures of each block that is present, in the order of ``copydays.BLOCKS`` and of their file names."""

    blocks: Mapping[str, tuple[Entry, ...]]

    @property
    def originals(self) -> tuple[Entry, ...]:
        """The database without distractors."""
        return self.blocks["original"]


@dataclass(frozen=True)
class Metrics:
    """Mean AP of each block, and the AP of all results pooled (Pizzi et al. 2022, 'overall')."""

    blocks: dict[str, float]
    overall: float


def load(path: Path) -> Folder:
    """Read the blocks of Copydays from a folder or tar file. Blocks other than the originals may be absent.

    Raises ``InvalidArgument`` if there are no originals or no edits, if a block of JPEG qualities or crops has another
    number of pictures than the originals, or if the first four characters of a strong copy match no original.
    """
    blocks: dict[str, list[Entry]] = {}
    for entry in scan(path).entries:
        if (block := _block(entry)) is not None:
            blocks.setdefault(block, []).append(entry)
    if "original" not in blocks or len(blocks) < 2:
        raise InvalidArgument(
            f"{path} holds {', '.join(blocks) or 'no block'} of Copydays; it needs original and edits: {LAYOUT}"
        )
    found = Folder({name: tuple(sorted(blocks[name], key=_name)) for name in copydays.BLOCKS if name in blocks})
    _check(path, found)
    return found


def measure(
    folder: Folder, extractor: Extractor, distractors: Sequence[Entry], whitening: copydays.Whitening | None
) -> Metrics:
    """Search every edit in originals and distractors. Raises ``InvalidArgument`` for a picture that cannot be read."""
    database = [_extract_all(folder.originals, extractor, "original", whitening)]
    if distractors:
        database.append(_normalised(extract(distractors, extractor, "distractors").rows, whitening))
    rows = np.concatenate(database)
    originals, strong = ([_name(entry) for entry in folder.blocks.get(name, ())] for name in ("original", "strong"))
    aps: dict[str, float] = {}
    matches, distances = [], []
    for name, entries in folder.blocks.items():
        queries = database[0] if name == "original" else _extract_all(entries, extractor, name, whitening)
        neighbours = exact(queries, rows, min(RETRIEVED, len(rows)))
        wanted = copydays.positives(name, len(entries), originals, strong)
        aps[name] = float(copydays.ap_per_query(neighbours.ids, wanted).mean())
        matches.append(np.stack([np.isin(ids, ok) for ids, ok in zip(neighbours.ids, wanted, strict=True)]))
        distances.append(1 - neighbours.similarities.astype(np.float64))
    pooled = np.concatenate(matches)
    return Metrics(aps, ranking.pooled_ap(pooled, np.concatenate(distances), len(pooled)))


def learn_whitening(entries: Sequence[Entry], extractor: Extractor, centred: bool) -> copydays.Whitening:
    """Learn a whitening from pictures that are neither originals nor distractors."""
    return copydays.whitening(extract(entries, extractor, "whitening").rows, centred)


def _extract_all(
    entries: Sequence[Entry], extractor: Extractor, note: str, whitening: copydays.Whitening | None
) -> Float:
    features = extract(entries, extractor, note)
    if not features.kept.all():
        raise InvalidArgument(
            f"some pictures of {note} cannot be read (see above); replace them, since the order of the files is the "
            "ground truth"
        )
    return _normalised(features.rows, whitening)


def _normalised(rows: Float, whitening: copydays.Whitening | None) -> Float:
    if whitening is not None:
        return whitening.apply(rows)
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12), np.float32)


def _block(entry: Entry) -> str | None:
    parts = PurePosixPath(entry.key).parts[:-1]
    ends = ("/".join(parts[-1:]), "/".join(parts[-2:]))
    return next((end for end in ends if end in copydays.BLOCKS), None)


def _name(entry: Entry) -> str:
    return PurePosixPath(entry.key).name


def _check(path: Path, folder: Folder) -> None:
    count = len(folder.originals)
    for name, entries in folder.blocks.items():
        if name != "strong" and len(entries) != count:
            raise InvalidArgument(
                f"{path}: {name} has {len(entries)} pictures, original has {count}; each original needs exactly one"
            )
    heads = {_name(entry)[: copydays.PREFIX] for entry in folder.originals}
    unmatched = [
        _name(entry) for entry in folder.blocks.get("strong", ()) if _name(entry)[: copydays.PREFIX] not in heads
    ]
    if unmatched:
        raise InvalidArgument(
            f"{path}: {len(unmatched)} strong copies match no original ({unmatched[0]}, for example); the first "
            f"{copydays.PREFIX} characters of the file names must be equal"
        )
