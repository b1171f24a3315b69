"""Files that survive a power cut: contents and directory entries are fsynced before a name points at them."""

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
"""Bytes of a file that are read at a time."""
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
    """Make everything on the file system of ``directory`` durable, in one call: cheaper than many single ones."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if ctypes.CDLL(None, use_errno=True).syncfs(handle) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(directory))
    finally:
        os.close(handle)


@contextmanager
def writable(path: Path) -> Iterator[None]:
    """While files below ``path`` are written: a full or read-only disk becomes ``NotWritable``."""
    try:
        yield
    except OSError as error:
        # NumPy's and FAISS's short writes carry no number.
        if error.errno is not None and error.errno not in NOT_WRITABLE:
            raise
        raise NotWritable(
            f"{path} cannot be written ({error}); free some space, or grant write access", path=str(path)
        ) from error


def write_file(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path`` so that after a crash there is the old file or the whole new one, never a part."""
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
    """Yield a temporary sibling to write; on success it is fsynced and renamed to ``path``, else nothing is left."""
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
    """Yield a temporary sibling to fill; on success everything in it is fsynced and renamed to ``path``.

    On failure nothing is left behind. ``path`` must not exist.
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


def sha256(path: Path, rest: float = 0.0) -> str:
    """Checksum of a file, as 64 hexadecimal digits.

    After each block, half a millisecond's work, it sleeps for ``rest`` seconds: who never sleeps is left on his
    processor until the scheduler's next tick, every 4 ms perhaps, whoever waits for it.
    """
    digest, block = hashlib.sha256(), memoryview(bytearray(BLOCK))
    with path.open("rb", buffering=0) as file:
        while size := file.readinto(block):
            digest.update(block[:size])
            if rest:
                time.sleep(rest)
    return digest.hexdigest()
