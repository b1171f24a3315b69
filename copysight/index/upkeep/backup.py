"""Back up an index while it is in use, and restore it. A backup is itself a complete index."""

import shutil
import stat
from itertools import islice
from pathlib import Path

from copysight.blobs import THUMBNAIL_SUFFIX, Blobs
from copysight.catalog import Catalog
from copysight.errors import IndexCorrupt, IndexNotFound, InvalidArgument
from copysight.index.generations.file_copy import copy_to_files
from copysight.index.generations.layout import SYSTEM, Layout
from copysight.index.index import Index
from copysight.index.upkeep import item_files
from copysight.index.upkeep.filling import filled, target_of
from copysight.index.upkeep.moving_blobs import store_blobs
from copysight.index.upkeep.verify import damage
from copysight.system import durable

PART = 1000
"""Files that are copied at a time."""


def backup(index: Index, target: Path) -> list[str]:
    """Write a consistent copy of the index to ``target``, a new or an empty directory. The copy appears atomically.

    Adds, deletes and searches are possible at the same time. Returns which items of the copy lack their files, one
    sentence for each kind, as `verify` does; the copy holds everything else. Raises ``InvalidArgument``,
    ``PublisherBusy``.
    """
    target = target_of(target)
    index.check_place()
    # The locks are held until the end, so that nothing is pruned or swept that the copied catalog refers to.
    with (
        durable.writable(target),
        index.publishing(),
        index.blobs.hold(),
        filled(target) as directory,
    ):
        copy = Layout(directory)
        for path in (copy.generations, copy.blobs, copy.staging):
            path.mkdir()
        _copy_live(index, copy)
        shutil.copytree(index.layout.bundles, copy.bundles, ignore=shutil.ignore_patterns(".*"))
        index.catalog.copy_to(copy.catalog)
        return _copy_blobs(index.blobs, copy)


def restore(source: Path, directory: Path, allow_missing: bool = False) -> list[str]:
    """Create an index in ``directory``, which is new or empty, from a backup. It is an index after all checks.

    Nothing is written to ``source``, which may be on a read-only mount. Items whose files the backup lacks are refused,
    unless ``allow_missing``; then they are returned, as by `backup`. Raises ``IndexNotFound``, ``IndexCorrupt`` or
    ``InvalidArgument``.
    """
    target = target_of(directory)
    if not Layout(source).catalog.is_file():
        raise IndexNotFound(f"there is no index at {source}; give the directory of a backup")
    if target.is_relative_to(source.resolve()):
        raise InvalidArgument(f"{directory} is inside the backup {source}; restore to a directory outside")
    with durable.writable(directory), filled(target) as copy:
        # Copy SQLite's log too, in case the backup was opened and written to, but not its lock files.
        unneeded = shutil.ignore_patterns(".*", "*.lock", "*-shm", *SYSTEM)
        shutil.copytree(source, copy, dirs_exist_ok=True, ignore=unneeded)
        for path in (copy, *copy.rglob("*")):
            path.chmod(path.stat().st_mode | stat.S_IRUSR | stat.S_IWUSR)
        with Index.open(copy) as made:
            faults, missing = damage(made), item_files.faults(made.catalog, made.blobs)
        if faults:
            raise IndexCorrupt(f"the backup {source} is damaged: {faults[0]} ({len(faults)} faults); use another one")
        if missing and not allow_missing:
            raise IndexCorrupt(
                f"the backup {source} is not complete: {'; '.join(missing)}; use another one, or restore it without "
                "them (--allow-missing)"
            )
        Catalog.renew_identity(Layout(copy).catalog)
        store_blobs(Layout(copy))
        Catalog.move_to_server(Layout(copy).catalog)
    return missing


def _copy_live(index: Index, copy: Layout) -> None:
    live = index.layout.live()
    if live is not None:
        copy_to_files(index.layout.generations / live, index.engines, copy.generations / live)
        copy.current.write_text(f"{live}\n")


def _copy_blobs(blobs: Blobs, copy: Layout) -> list[str]:
    catalog = Catalog.open(copy.catalog)
    try:
        names = (name for sha256 in catalog.sha256s() for name in (sha256, sha256 + THUMBNAIL_SUFFIX))
        while part := list(islice(names, PART)):
            blobs.store.copy_to(part, copy.blobs)
        return item_files.faults(catalog, Blobs.in_directory(copy.blobs, blobs.policy))
    finally:
        catalog.close()
