"""Fill a new or an empty directory with an index, also a mount point or a link; the index appears when all is there."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from copysight.errors import InvalidArgument
from copysight.index.generations.layout import SYSTEM, Layout
from copysight.index.generations.publisher_lock import publishing
from copysight.system import durable

WORK = "filling"


def target_of(path: Path) -> Path:
    """The directory that a path names, with links followed, also to a directory that is not there yet.

    Raises ``InvalidArgument`` for anything but a new or an empty directory.
    """
    try:
        target = path.resolve()
        there = next(parent for parent in (target, *target.parents) if parent.exists())
        if not there.is_dir():
            raise InvalidArgument(f"{there} is a file; give a new or an empty directory instead of {path}")
        held = _held(Layout(target)) if there == target else []
    except (OSError, RuntimeError) as error:  # RuntimeError: a link to itself
        raise InvalidArgument(f"{path} cannot be used ({error}); give a new or an empty directory") from error
    if held:
        raise InvalidArgument(f"{path} is not empty (it holds {held[0]!r}); give a new or an empty directory")
    return target


@contextmanager
def filled(target: Path) -> Iterator[Path]:
    """Yield a directory to write an index to. On success it becomes ``target`` or the contents of ``target``.

    A ``target`` that does not exist appears complete. In an empty one the contents are made in a folder of their own
    and move up, the catalog last: a directory without a catalog is no index. A failure leaves a lock file only.
    Raises ``PublisherBusy`` if another process fills it, too.
    """
    if not target.exists():
        with durable.new_directory(target) as directory:
            yield directory
        return
    layout = Layout(target)
    with publishing(layout):
        _clear(layout)
        with durable.new_directory(target / WORK) as directory:
            yield directory
        _move_up(layout)


def _held(layout: Layout) -> list[str]:
    """What a directory holds, besides a lock file, and besides what a killed run has left in it."""
    known = {layout.publisher.name, *SYSTEM}
    names = [path.name for path in layout.root.iterdir() if path.name not in known]
    return [] if _is_unfinished(layout) else sorted(name for name in names if not name.startswith(f".{WORK}."))


def _is_unfinished(layout: Layout) -> bool:
    return (layout.root / WORK).is_dir() and not layout.catalog.exists()


def _clear(layout: Layout) -> None:
    if _is_unfinished(layout):
        for path in (layout.blobs, layout.bundles, layout.generations, layout.staging, layout.root / WORK):
            shutil.rmtree(path, ignore_errors=True)
        layout.current.unlink(missing_ok=True)
    for path in layout.root.glob(f".{WORK}.*.tmp"):
        shutil.rmtree(path)


def _move_up(layout: Layout) -> None:
    work = layout.root / WORK
    catalog = Layout(work).catalog.name
    names = sorted(path.name for path in work.iterdir() if path.name not in {catalog, layout.publisher.name})
    for name in names:
        (work / name).replace(layout.root / name)
    durable.sync_directory(layout.root)
    (work / catalog).replace(layout.root / catalog)
    shutil.rmtree(work)
    durable.sync_directory(layout.root)
