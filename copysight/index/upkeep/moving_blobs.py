"""Move originals and thumbnails between files and S3. The old copies stay; whoever removes them decides when."""

import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from copysight.blobs import opening
from copysight.blobs.store import Store
from copysight.catalog import Catalog
from copysight.errors import IndexCorrupt, InvalidArgument
from copysight.index.generations.layout import Layout
from copysight.index.index import Index
from copysight.system import durable

PART = 1000
WORK = ".moving"
Step = Callable[[int], None]
"""Called with the number of files that were looked at since the last call."""


@dataclass(frozen=True)
class Moved:
    """Number of ``files`` that were copied, and of those that the new store had already."""

    files: int
    present: int


def move_blobs(index: Index, to_s3: bool, step: Step = lambda _count: None) -> Moved:
    """Copy all blobs to S3 (COPYSIGHT_BLOBS), or back to files; compare them, and use them from now on.

    Adds wait meanwhile. Programs that opened the index before refuse to add (`not_writable`) until they are restarted.
    A move that was killed goes on when it is called again. Raises ``PublisherBusy``, ``InvalidArgument``,
    ``BlobsUnavailable``, ``IndexCorrupt`` (a copy differs).
    """
    layout = index.layout
    if layout.blobs_elsewhere.exists() == to_s3:
        raise InvalidArgument(f"the blobs of {index.directory} are {'on S3' if to_s3 else 'files'} already")
    target = opening.store_of(layout.blobs, index.catalog.identity(), to_s3)
    with index.publishing(), index.blobs.sweep():
        moved = _copy(index.blobs.store, target, layout.root / WORK, step)
        if to_s3:
            opening.choose(layout.blobs_elsewhere)
        else:
            layout.blobs_elsewhere.unlink()
            durable.sync_directory(layout.root)
    return moved


def store_blobs(layout: Layout) -> None:
    """Move the files of a closed index that nobody uses to S3, if COPYSIGHT_BLOBS is set."""
    if not opening.choose(layout.blobs_elsewhere):
        return
    catalog = Catalog.open(layout.catalog)
    try:
        target = opening.store_of(layout.blobs, catalog.identity(), True)
        source = opening.store_of(layout.blobs, catalog.identity(), False)
        _copy(source, target, layout.root / WORK, lambda _count: None)
    finally:
        catalog.close()
    shutil.rmtree(layout.blobs)
    layout.blobs.mkdir()


def _copy(source: Store, target: Store, work: Path, step: Step) -> Moved:
    names, is_held = sorted(source.names()), target.held()
    lacking = [name for name in names if not is_held(name)]
    with _folder(work) as folder:
        step(len(names) - len(lacking))
        for part in _parts(lacking):
            source.copy_to(part, folder)
            target.move_in(sorted(path for path in folder.rglob("*") if path.is_file()))
            step(len(part))
    is_held = target.held()
    gone = [name for name in names if not is_held(name)]
    damaged = [*gone, *target.damaged()]
    if damaged:
        raise IndexCorrupt(
            f"{len(damaged):,} files differ after the copy ({damaged[0]}, …), so the index stays as it was; look at "
            "them with `copysight index verify`"
        )
    return Moved(len(lacking), len(names) - len(lacking))


def _parts(names: Iterable[str]) -> Iterator[list[str]]:
    names = iter(names)
    while part := list(islice(names, PART)):
        yield part


@contextmanager
def _folder(path: Path) -> Iterator[Path]:
    """An empty folder, removed at the end."""
    shutil.rmtree(path, ignore_errors=True)
    with durable.writable(path):
        path.mkdir()
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
