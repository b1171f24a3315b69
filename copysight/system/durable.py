"""Write files that survive a power cut: fsync contents and directory entries, then rename."""

import ctypes
import errno
import hashlib
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from copysight.errors import NotWritable

BLOCK = 1 << 20
"""Bytes read at a time."""
NOT_WRITABLE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM}


def sync_directory(directory: Path) -> None:
    """Make the entries of ``directory`` durable."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_file(path: Path) -> None:
    """Make the contents of ``path`` durable."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def sync_filesystem(directory: Path) -> None:
    """Make everything on the file system of ``directory`` durable in one call, cheaper than many single syncs."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if ctypes.CDLL(None, use_errno=True).syncfs(handle) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(directory))
    finally:
        os.close(handle)


@contextmanager
def writable(path: Path) -> Iterator[None]:
    """Raise ``NotWritable`` if the disk is full or read-only while files below ``path`` are written."""
    try:
        yield
    except OSError as error:
        # Errors of NumPy and FAISS on a full disk (short writes) have no errno.
        if error.errno is not None and error.errno not in NOT_WRITABLE:
            raise
        raise NotWritable(
            f"{path} cannot be written ({error}); free disk space or grant write access", path=str(path)
        ) from error


def open_lock(path: Path, mode: int = 0o644) -> int:
    """Open a file for ``flock`` and return its descriptor; create it if it is missing. Raises ``NotWritable``."""
    with writable(path):
        return os.open(path, os.O_RDWR | os.O_CREAT, mode)


def write_file(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path`` atomically: after a crash there is the old file or the whole new one."""
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the same directory. On success fsync it and rename it to ``path``, else remove it."""
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        yield temporary
        sync_file(temporary)
        temporary.rename(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


@contextmanager
def new_directory(path: Path) -> Iterator[Path]:
    """Yield a temporary directory in the same parent. On success fsync everything in it and rename it to ``path``.

    On failure the temporary directory is removed. ``path`` must not exist.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    temporary.mkdir()
    try:
        yield temporary
        for entry in sorted(temporary.rglob("*"), reverse=True):
            (sync_directory if entry.is_dir() else sync_file)(entry)
        sync_directory(temporary)
        temporary.rename(path)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    sync_directory(path.parent)


def sha256(path: Path, pause: float = 0.0) -> str:
    """Checksum of a file, as 64 hexadecimal digits.

    After each block (about 0.5 ms of work) it sleeps for ``pause`` seconds. A thread that never sleeps keeps its
    processor until the scheduler's next tick (about every 4 ms), even if another thread waits for that processor.
    """
    digest, block = hashlib.sha256(), memoryview(bytearray(BLOCK))
    with path.open("rb", buffering=0) as file:
        while size := file.readinto(block):
            digest.update(block[:size])
            if pause:
                time.sleep(pause)
    return digest.hexdigest()
