"""Make the steps of an action, and undo them. Both may be killed at any moment and started again."""

import errno
import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from copysight.duplicates.actions import trash
from copysight.duplicates.actions.steps import Skipped, Step, same_bytes
from copysight.system import durable

SUFFIX = ".copysight-part"
"""Ending of a file that is not whole yet. `undo` removes what a kill has left."""


@dataclass(frozen=True)
class Done:
    """Number of finished steps, and those that were not made, with the reason."""

    count: int
    skipped: tuple[Skipped, ...]


def apply(steps: Sequence[Step]) -> Done:
    """Make the steps. A file that has changed since they were planned is left alone."""
    return _each(steps, _make)


def undo(steps: Sequence[Step]) -> Done:
    """Undo the steps that were made, the last first. A file that has changed since is left alone, and named."""
    return _each(list(reversed(steps)), _undo)


def _each(steps: Sequence[Step], work: Callable[[Step], str | None]) -> Done:
    skipped, touched = [], set[Path]()
    for step in steps:
        try:
            reason = work(step)
        except OSError as error:
            reason = f"{error.strerror or error}"
        if reason is not None:
            skipped.append(Skipped(step.source, reason))
        touched |= {Path(name).parent for name in (step.source, step.target) if name}
    _sync(touched)
    return Done(len(steps) - len(skipped), tuple(skipped))


def _make(step: Step) -> str | None:
    source, kept = Path(step.source), Path(step.kept)
    if not same_bytes(source, step.sha256):
        return "it has changed or vanished since"
    if not kept.is_file():
        return "the kept picture has vanished since"
    if step.action == "hardlink":
        if not same_bytes(kept, step.sha256):
            return "the kept picture has changed since"
        part = _part(source)
        part.unlink(missing_ok=True)
        os.link(kept, part)
        part.replace(source)
        return None
    target = Path(step.target)
    if os.path.lexists(target):
        return f"{target} exists"
    target.parent.mkdir(parents=True, exist_ok=True)
    if step.action == "trash":
        trash.write_info(target, source)
    _move(source, target)
    return None


def _undo(step: Step) -> str | None:
    source, target = Path(step.source), Path(step.target)
    _part(source).unlink(missing_ok=True)
    if step.action == "hardlink":
        return _unlink(step)
    _part(target).unlink(missing_ok=True)
    if os.path.lexists(source):
        if not same_bytes(source, step.sha256):
            return f"there is another file now; the picture stays at {target}"
        if same_bytes(target, step.sha256):  # a kill between the copy and the removal
            target.unlink()
    elif same_bytes(target, step.sha256):
        source.parent.mkdir(parents=True, exist_ok=True)
        _move(target, source)
    else:
        return f"{target} has changed or vanished"
    if step.action == "trash":
        trash.remove_info(target)
    return None


def _unlink(step: Step) -> str | None:
    """Give a hard link its own file again, with its old time and permissions."""
    source = Path(step.source)
    if not same_bytes(source, step.sha256):
        return "it has changed or vanished since"
    if not Path(step.kept).exists() or not source.samefile(step.kept):
        return None  # it was not linked, or is the only file left
    part = _part(source)
    _copy(source, part)
    os.chmod(part, step.mode)  # noqa: PTH101 - beside os.utime
    os.utime(part, ns=(step.modified, step.modified))
    part.replace(source)
    return None


def _move(source: Path, target: Path) -> None:
    """Rename; across file systems copy, then remove the source once the copy is durable."""
    try:
        source.rename(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        part = _part(target)
        _copy(source, part)
        part.rename(target)
        durable.sync_directory(target.parent)
        source.unlink()


def _copy(source: Path, part: Path) -> None:
    part.unlink(missing_ok=True)
    shutil.copy2(source, part)
    durable.sync_file(part)


def _part(path: Path) -> Path:
    return path.with_name(f".{path.name[:200]}{SUFFIX}")


def _sync(directories: Iterable[Path]) -> None:
    for directory in directories:
        if directory.is_dir():
            durable.sync_directory(directory)
