"""Back up an index while it is in use, and restore it. A backup is itself a complete index."""

import shutil
import stat
from pathlib import Path

from copysight.blobs import Blobs
from copysight.catalog import Catalog
from copysight.errors import IndexCorrupt, IndexNotFound, InvalidArgument
from copysight.index.generations.layout import Layout
from copysight.index.generations.publisher_lock import publishing
from copysight.index.index import Index
from copysight.index.upkeep.verify import verify
from copysight.system import durable


def backup(index: Index, target: Path) -> None:
    """Write a consistent copy of the index to ``target``, which must not exist. The copy appears atomically.

    Adds, deletes and searches are possible at the same time. Raises ``InvalidArgument``, ``PublisherBusy``.
    """
    if target.exists():
        raise InvalidArgument(f"{target} exists; choose another directory for the backup")
    # The locks are held until the end, so that nothing is pruned or swept that the copied catalog refers to.
    with (
        durable.writable(target),
        publishing(index.layout),
        index.blobs.hold(),
        durable.new_directory(target) as directory,
    ):
        copy = Layout(directory)
        for path in (copy.generations, copy.blobs, copy.staging):
            path.mkdir()
        _copy_live(index.layout, copy)
        shutil.copytree(index.layout.bundles, copy.bundles, ignore=shutil.ignore_patterns(".*"))
        index.catalog.copy_to(copy.catalog)
        _copy_blobs(index.blobs, copy)


def restore(source: Path, directory: Path) -> None:
    """Create the index ``directory`` from a backup. ``directory`` must be absent or empty; it appears after all checks.

    Nothing is written to ``source``, which may be on a read-only mount. Raises ``IndexNotFound``, ``IndexCorrupt`` or
    ``InvalidArgument``.
    """
    if directory.exists() and any(directory.iterdir()):
        raise InvalidArgument(f"{directory} is not empty; restore to a new directory")
    if not Layout(source).catalog.is_file():
        raise IndexNotFound(f"there is no index at {source}; give the directory of a backup")
    if directory.exists():
        directory.rmdir()
    with durable.writable(directory), durable.new_directory(directory) as copy:
        # Copy SQLite's log too, in case the backup was opened and written to, but not its lock files.
        shutil.copytree(source, copy, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".*", "*.lock", "*-shm"))
        for path in (copy, *copy.rglob("*")):
            path.chmod(path.stat().st_mode | stat.S_IRUSR | stat.S_IWUSR)
        with Index.open(copy) as made:
            faults = verify(made)
        if faults:
            raise IndexCorrupt(f"the backup {source} is damaged: {faults[0]} ({len(faults)} faults); use another one")


def _copy_live(layout: Layout, copy: Layout) -> None:
    live = layout.live()
    if live is not None:
        shutil.copytree(layout.generations / live, copy.generations / live)
        copy.current.write_text(f"{live}\n")


def _copy_blobs(blobs: Blobs, copy: Layout) -> None:
    catalog = Catalog.open(copy.catalog)
    try:
        for sha256 in catalog.sha256s():
            for file in blobs.files(sha256):
                target = copy.blobs / file.relative_to(blobs.directory)
                target.parent.mkdir(exist_ok=True)
                shutil.copyfile(file, target)
    finally:
        catalog.close()
