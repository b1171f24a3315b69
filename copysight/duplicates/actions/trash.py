"""The trash of the desktop, by the specification of freedesktop.org (Desktop Trash Can, version 1.0)."""

import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

from copysight.duplicates.actions.steps import free_name
from copysight.duplicates.picture import Picture


class TrashOf:
    """Targets in the trash of the user, or in that of the file system if a picture lies on another one."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        data = environment.get("XDG_DATA_HOME") or str(Path(environment.get("HOME", "~")) / ".local" / "share")
        self._home = Path(data).expanduser() / "Trash"
        self._taken: set[Path] = set()

    def __call__(self, _: Picture, file: Path) -> Path:
        """The target of a file; each is given once."""
        return free_name(self._trash(file) / "files" / file.name, self._taken)

    def _trash(self, file: Path) -> Path:
        above = next(path for path in self._home.parents if path.exists())
        top = file.resolve().parent
        if above.stat().st_dev == top.stat().st_dev:
            return self._home
        while not top.is_mount():
            top = top.parent
        return top / f".Trash-{os.getuid()}"


def write_info(target: Path, source: Path) -> None:
    """Write the file that says where a file in the trash came from."""
    info = _info(target)
    info.parent.mkdir(parents=True, exist_ok=True)
    date = datetime.now().strftime("%Y-%m-%dT%H:%M:%S")
    info.write_text(f"[Trash Info]\nPath={quote(os.fsencode(source))}\nDeletionDate={date}\n")


def remove_info(target: Path) -> None:
    """Remove that file."""
    _info(target).unlink(missing_ok=True)


def _info(target: Path) -> Path:
    return target.parent.parent / "info" / f"{target.name}.trashinfo"
