"""Which items belong to a folder, and which of its files cannot be read."""

from collections.abc import Callable, Iterable
from pathlib import Path

from copysight.catalog.relocation import Known
from copysight.pictures.scan import Scan
from copysight.system import names
from index_builder.sync.difference import Unread

TAR = ".tar"
ROOT = "."


def of_folder(source: Path) -> Callable[[Known], bool]:
    """Whether an item whose key has no file came from the folder ``source``.

    It did if its file lay there, or if its file is nowhere any more. An item that was added over HTTP has no file, and
    one of another folder still has it there: both are of no concern to a sync.
    """
    root = source.resolve()

    def is_of_folder(item: Known) -> bool:
        if item.source is None:
            return any(part.lower().endswith(TAR) for part in item.key.split("/")[:-1])
        path = names.path_of(item.source)
        return path.is_relative_to(root) or not _exists(path)

    return is_of_folder


def unread_of(found: Scan, failed: Iterable[str]) -> Unread:
    """The keys that cannot be read: those of ``failed`` files, and all that the scan could not read, with all below."""
    folders: list[str] = []
    for path in found.failed:
        # A key is escaped as a whole, so the key of a folder need not begin those of its files.
        escaped = names.key_of(f"{path}/\n").removesuffix("\\n")
        folders += [""] if path == ROOT else [f"{names.key_of(path)}/", escaped]
    return Unread({*failed, *map(names.key_of, found.failed)}, folders)


def _exists(path: Path) -> bool:
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError):  # it cannot be told
        return True
    return True
