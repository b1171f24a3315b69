"""What is done to the copies: a step for each, planned before anything is changed, so that all can be undone."""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from copysight.duplicates.answer import Answer
from copysight.duplicates.picture import Picture

Action = Literal["move", "hardlink", "trash"]
BLOCK = 1 << 20


@dataclass(frozen=True)
class Step:
    """One file that goes from ``source`` to ``target``, or becomes a hard link to ``kept`` (``target`` is then empty).

    ``sha256`` is that of its bytes, ``modified`` its time in nanoseconds, ``mode`` its permissions.
    """

    action: Action
    source: str
    target: str
    kept: str
    sha256: str
    modified: int
    mode: int


@dataclass(frozen=True)
class Skipped:
    """A copy that nothing is done to, and why."""

    path: str
    reason: str


@dataclass(frozen=True)
class Plan:
    """The steps, in their order, and the copies that are left alone."""

    steps: tuple[Step, ...]
    skipped: tuple[Skipped, ...]


def plan_steps(answer: Answer, action: Action, target_of: Callable[[Picture, Path], Path]) -> Plan:
    """Plan the ``action`` for all members whose file, and that of the kept picture, still are what was compared."""
    steps: list[Step] = []
    skipped: list[Skipped] = []
    for group in answer.groups:
        kept = answer.pictures[group.keep]
        for member in group.members:
            one = answer.pictures[member.number]
            reason = _reason(one, kept, action)
            if reason is not None or one.file is None or kept.file is None:
                skipped.append(Skipped(one.path, reason or ""))
                continue
            file, kept_file = one.file.absolute(), kept.file.absolute()
            status = file.stat()
            target = "" if action == "hardlink" else str(target_of(one, file))
            steps.append(
                Step(action, str(file), target, str(kept_file), one.sha256, status.st_mtime_ns, status.st_mode & 0o7777)
            )
    return Plan(tuple(steps), tuple(skipped))


class TargetOf:
    """Targets below a folder: the path of the picture, with a number if there is a file already."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._taken: set[Path] = set()

    def __call__(self, picture: Picture, file: Path) -> Path:
        """The target of a file; each is given once."""
        inner = picture.path.lstrip("/") if picture.path.endswith(file.name) else file.name
        wanted = self._folder / Path(*[part for part in Path(inner).parts if part not in {"..", "/"}])
        return free_name(wanted, self._taken)


def free_name(wanted: Path, taken: set[Path]) -> Path:
    """A path like ``wanted`` that no file has and that is not in ``taken``; it is added to these."""
    path, number = wanted, 1
    while path in taken or os.path.lexists(path):
        path, number = wanted.with_name(f"{wanted.stem} ({number}){wanted.suffix}"), number + 1
    taken.add(path)
    return path


def same_bytes(path: Path, sha256: str) -> bool:
    """Whether a file, which is no link, has these bytes."""
    try:
        return not path.is_symlink() and path.is_file() and _digest(path) == sha256
    except OSError:
        return False


def _reason(one: Picture, kept: Picture, action: Action) -> str | None:
    """Why a member is left alone; None if it is not."""
    if one.file is None or kept.file is None:
        return "it, or the kept picture, is no file of its own"
    return _unsafe(one, one.file, kept, kept.file) or (
        _not_linkable(one, one.file, kept, kept.file) if action == "hardlink" else None
    )


def _unsafe(one: Picture, file: Path, kept: Picture, kept_file: Path) -> str | None:
    if file.is_symlink() or kept_file.is_symlink():
        return "it, or the kept picture, is a symbolic link"
    if not same_bytes(kept_file, kept.sha256):
        return "the kept picture has changed or vanished since"
    if not same_bytes(file, one.sha256):
        return "it has changed or vanished since"
    return "it is the kept file itself" if file.resolve() == kept_file.resolve() else None


def _not_linkable(one: Picture, file: Path, kept: Picture, kept_file: Path) -> str | None:
    if one.sha256 != kept.sha256:
        return "its bytes differ from those of the kept picture"
    if file.samefile(kept_file):
        return "it is a hard link to the kept picture already"
    same_disk = file.stat().st_dev == kept_file.stat().st_dev
    return None if same_disk else "it lies on another file system than the kept picture"


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()
