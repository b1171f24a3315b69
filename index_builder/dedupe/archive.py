"""The pictures to search for duplicates: of folders, which are embedded first, or of an index."""

import hashlib
import os
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import lru_cache
from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from copysight.catalog import Item
from copysight.duplicates.picture import Picture
from copysight.duplicates.verify import Contents
from copysight.errors import BundleMismatch, InvalidArgument, NoPictures, PictureError
from copysight.index import Index
from copysight.pictures import exact
from copysight.pictures.decode import decode
from copysight.pictures.exposure import exposure
from copysight.pictures.scan import Scan, ScanOptions, scan
from copysight.system import names
from index_builder.build import build
from index_builder.progress import Progress
from index_builder.stages.plan import Plan

THUMBNAILS = 256
DIGESTS = 4096
PAGE = 4096


@dataclass(frozen=True)
class Found:
    """A picture of an archive: where it is, its item, and the index that holds its thumbnail."""

    picture: Picture
    item: Item
    index: Index


@dataclass(frozen=True)
class Archive:
    """N pictures, their vectors (N, D), the files that cannot be read, and the index of the first."""

    found: tuple[Found, ...]
    vectors: npt.NDArray[np.float32]
    unreadable: tuple[str, ...]
    index: Index

    def contents(self, reading: ScanOptions) -> Contents:
        """Access to the pictures by number."""

        @lru_cache(THUMBNAILS)
        def thumbnail(number: int) -> Image.Image | None:
            one = self.found[number]
            data = one.index.blobs.thumbnail(one.item.sha256)
            try:
                return None if data is None else decode(data).pixels
            except PictureError:
                return None

        @lru_cache(DIGESTS)
        def digest(number: int) -> str | None:
            try:
                data = self.data(number)
                return None if data is None else exact.digest(data, reading.limits)
            except PictureError:
                return None

        return Contents(
            prepared=lambda number: self.found[number].index.features.get(self.found[number].item.sha256),
            thumbnail=thumbnail,
            sizes=lambda number: (self.found[number].item.width, self.found[number].item.height),
            equal_pixels=lambda one, other: (digest(one) or 0) == digest(other),
        )

    def data(self, number: int) -> bytes | None:
        """The bytes of a picture file, if they are still those that were embedded."""
        one = self.found[number]
        stored = one.index.blobs.original(one.item.sha256, one.item.source)
        if stored is not None or one.picture.file is None:
            return stored
        try:
            data = one.picture.file.read_bytes()
        except OSError:
            return None
        return data if hashlib.sha256(data).hexdigest() == one.item.sha256 else None

    def with_facts(self, numbers: Iterable[int]) -> dict[int, Picture]:
        """The pictures of these numbers, with what their files and headers say."""
        return {number: _with_facts(self.found[number]) for number in numbers}


def of_folders(
    folders: Sequence[Path],
    place: Path,
    bundle: str | None,
    reading: ScanOptions,
    threads: int,
    progress: Progress,
    held: ExitStack,
) -> Archive:
    """Embed the pictures of folders that are not embedded yet; ``place`` keeps the embeddings, an index a folder.

    Paths are relative to the folder, or begin with it if there are several. Raises ``NoPictures``.
    """
    parts = []
    for folder in folders:
        directory = place / hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:16]
        listed = scan(folder, reading)
        plan = Plan(
            folder, directory, bundle=bundle, policy="discard", replace=True, publish=False, threads=threads,
            reading=reading, local=True,
        )  # fmt: skip
        build(plan, progress)
        index = held.enter_context(Index.open(directory))
        parts.append(_of_scan(listed, index, "" if len(folders) == 1 else f"{folder}/"))
    if len({part.index.bundle.id for part in parts}) > 1:
        raise BundleMismatch(f"the folders were embedded with different bundles; remove {place} and try again")
    return Archive(
        tuple(one for part in parts for one in part.found),
        np.concatenate([part.vectors for part in parts]),
        tuple(path for part in parts for path in part.unreadable),
        parts[0].index,
    )


def of_index(index: Index, collection: str | None, with_collection: bool = True) -> Archive:
    """All pictures of an index, or of a collection. Raises ``NoPictures``.

    ``with_collection``: paths begin with the collection if there are several.
    """
    items: list[Item] = []
    while page := index.catalog.page(collection, items[-1].id if items else 0, PAGE):
        items += page
    several = with_collection and len({item.collection for item in items}) > 1
    return _archive([(item, f"{item.collection}/" if several else "", _file(item)) for item in items], index, ())


def _of_scan(listed: Scan, index: Index, prefix: str) -> Archive:
    entries = {entry.key: entry for entry in listed.entries}
    known = index.catalog.find_many("default", list(entries))
    rows = [
        (known[key], prefix, None if entry.in_shard else entry.file) for key, entry in entries.items() if key in known
    ]
    failed = [one.name for bin_ in listed.account.unreadable.values() for one in bin_.examples]
    unreadable = sorted({*failed, *(key for key in entries if key not in known)})
    return _archive(rows, index, tuple(prefix + key for key in unreadable))


def _archive(rows: list[tuple[Item, str, Path | None]], index: Index, unreadable: tuple[str, ...]) -> Archive:
    vectors, there = _vectors([item.id for item, _, _ in rows], index)
    rows = [row for row, known in zip(rows, there.tolist(), strict=True) if known]
    if not rows:
        raise NoPictures("found no picture that can be compared; give a folder or an index with pictures")
    found = [
        Found(Picture(prefix + item.key, item.sha256, item.width, item.height, file=file), item, index)
        for item, prefix, file in rows
    ]
    return Archive(tuple(found), vectors, unreadable, index)


def _vectors(ids: Sequence[int], index: Index) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Vectors of the items that have one, in their order, and which (N,) have one. Read in pages: they may be large."""
    rows = np.empty((len(ids), index.bundle.dimension), np.float32)
    there, count = np.zeros(len(ids), np.bool_), 0
    for start in range(0, len(ids), PAGE):
        page = ids[start : start + PAGE]
        known = index.catalog.vectors(page, index.bundle.id)
        for place, one in enumerate(page, start):
            if one in known:
                rows[count], there[place], count = known[one], True, count + 1
    return rows[:count], there


def _file(item: Item) -> Path | None:
    return None if item.source is None else names.path_of(item.source)


def _with_facts(found: Found) -> Picture:
    """What the file says; if there is none any more, what the stored original says, whose time says nothing."""
    file = found.picture.file
    try:
        if file is not None:
            status = file.stat()
            told = replace(found.picture, bytes=status.st_size, modified=status.st_mtime, is_link=file.is_symlink())
            return _with_exposure(told, file)
    except OSError:
        pass
    stored = found.index.blobs.original(found.item.sha256)
    if stored is None:
        return found.picture
    return _with_exposure(replace(found.picture, bytes=len(stored), modified=None, is_link=False), BytesIO(stored))


def _with_exposure(picture: Picture, file: Path | BytesIO) -> Picture:
    read = exposure(file)
    return replace(picture, format=read.format, taken=read.taken, camera=read.camera)


def check_folders(folders: Sequence[Path]) -> None:
    """Raise ``InvalidArgument`` if one folder lies in another."""
    for one in folders:
        for other in folders:
            if one is not other and one.resolve().is_relative_to(other.resolve()):
                raise InvalidArgument(f"{one} lies in {other}; give only the outer folder")
