"""Store the finished work of a running build in durable files, so that a killed build can continue."""

import fcntl
import hashlib
import json
import os
import shutil
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from copysight.blobs import THUMBNAIL_SUFFIX, Blobs
from copysight.errors import PublisherBusy
from copysight.system import durable
from index_builder.stages.records import Embedded, Float, Present, Record, Unreadable

KINDS: dict[str, type[Record]] = {"embedded": Embedded, "unreadable": Unreadable, "present": Present}
NAMES = {kind: name for name, kind in KINDS.items()}


class Staging:
    """A folder of chunks ``000000.npz``, ``000001.npz``, …, each written atomically, and of their files in ``blobs/``.

    Originals and thumbnails stay here until their items are committed. So an abandoned build leaves no files elsewhere,
    and one sync makes all files of a chunk durable (an fsync per file takes 8 ms each).
    """

    def __init__(self, root: Path, *identity: str) -> None:
        """``identity`` must be equal for one build to continue another: source, model, …."""
        digest = hashlib.sha256("\0".join(identity).encode(errors="surrogateescape")).hexdigest()
        self.directory = root / digest[:16]
        self._blobs = self.directory / "blobs"
        with durable.writable(self.directory):
            self._blobs.mkdir(parents=True, exist_ok=True)
        durable.sync_directory(root)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Lock out other processes that run the same build. Raises ``PublisherBusy``."""
        handle = durable.open_lock(self.directory / ".lock")
        try:
            _lock(handle)
            yield
        finally:
            os.close(handle)

    def put_blob(self, name: str, data: bytes) -> None:
        """Store a blob. It appears under its name only when complete, and becomes durable with its record's chunk."""
        part = self._blobs / f".{name}.{threading.get_ident()}"
        part.write_bytes(data)
        part.replace(self._blobs / name)

    def write_chunk(self, records: list[Record]) -> list[Record]:
        """Write a chunk and return it. The chunk and its blobs are durable when this returns."""
        durable.sync_filesystem(self._blobs)
        vectors = [record.vector for record in records if isinstance(record, Embedded)]
        text = json.dumps([_to_json(record) for record in records]).encode()
        out = BytesIO()
        np.savez(out, vectors=np.asarray(vectors, np.float32), records=np.frombuffer(text, np.uint8))
        durable.write_file(self.directory / f"{len(self._files()):06d}.npz", out.getvalue())
        return records

    def chunks(self) -> Iterator[list[Record]]:
        """The written chunks, in order."""
        for file in self._files():
            with np.load(file) as chunk:
                rows = iter(chunk["vectors"])
                yield [_from_json(data, rows) for data in json.loads(chunk["records"].tobytes())]

    def stamps(self) -> dict[str, str]:
        """Key -> stamp of every file in the chunks. If a key occurs twice, the later stamp counts."""
        return {record.key: record.stamp for chunk in self.chunks() for record in chunk}

    def move_blobs(self, sha256s: Iterable[str], blobs: Blobs) -> None:
        """Move originals and thumbnails into the index. Call this inside ``blobs.hold()``."""
        names = [name for sha256 in sha256s for name in (sha256, sha256 + THUMBNAIL_SUFFIX)]
        blobs.move_in(path for name in names if (path := self._blobs / name).exists())

    def job(self) -> int | None:
        """The id of the build's job; None before `set_job`."""
        file = self.directory / "job"
        return int(file.read_text()) if file.exists() else None

    def set_job(self, number: int) -> None:
        """Store the id of the build's job."""
        durable.write_file(self.directory / "job", str(number).encode())

    def clear(self) -> None:
        """Remove the folder, after its records have been committed to the catalog."""
        shutil.rmtree(self.directory)

    def _files(self) -> list[Path]:
        return sorted(self.directory.glob("[0-9]*.npz"))


def _lock(handle: int) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise PublisherBusy("another process is building from the same pictures; wait for it, or stop it") from error


def _to_json(record: Record) -> dict[str, Any]:
    data = asdict(record)
    data.pop("vector", None)
    return {"kind": NAMES[type(record)], **data}


def _from_json(data: dict[str, Any], rows: Iterator[Float]) -> Record:
    kind = KINDS[data.pop("kind")]
    return Embedded(**data, vector=next(rows)) if kind is Embedded else kind(**data)
