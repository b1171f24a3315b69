"""The work of a build under way, as durable files: a killed build goes on from them."""

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
    """A folder of chunks, ``000000.npz`` and so on, each written whole or not at all; ``blobs/`` holds their files.

    Originals and thumbnails wait here until their items are committed: an abandoned build leaves nothing elsewhere, and
    one sync makes a whole chunk of them durable (one by one they cost 8 ms of waiting each).
    """

    def __init__(self, root: Path, *identity: str) -> None:
        """``identity`` is what must be equal for a build to go on where another stopped: source, model, …."""
        digest = hashlib.sha256("\0".join(identity).encode(errors="surrogateescape")).hexdigest()
        self.directory = root / digest[:16]
        self._blobs = self.directory / "blobs"
        self._blobs.mkdir(parents=True, exist_ok=True)
        durable.sync_directory(root)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other processes from the same build. Raises ``PublisherBusy``."""
        handle = os.open(self.directory / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            _lock(handle)
            yield
        finally:
            os.close(handle)

    def put(self, name: str, data: bytes) -> None:
        """Keep a blob; whole from the moment that it has its name, durable when the chunk of its record is."""
        part = self._blobs / f".{name}.{threading.get_ident()}"
        part.write_bytes(data)
        part.replace(self._blobs / name)

    def written(self, records: list[Record]) -> list[Record]:
        """Add a chunk; it and its blobs are durable when this returns. Gives back the chunk."""
        durable.sync_filesystem(self._blobs)
        vectors = [record.vector for record in records if isinstance(record, Embedded)]
        text = json.dumps([_plain(record) for record in records]).encode()
        out = BytesIO()
        np.savez(out, vectors=np.asarray(vectors, np.float32), records=np.frombuffer(text, np.uint8))
        durable.write_file(self.directory / f"{len(self._files()):06d}.npz", out.getvalue())
        return records

    def chunks(self) -> Iterator[list[Record]]:
        """What was written, chunk by chunk, in order."""
        for file in self._files():
            with np.load(file) as chunk:
                rows = iter(chunk["vectors"])
                yield [_record(plain, rows) for plain in json.loads(chunk["records"].tobytes())]

    def done(self) -> dict[str, str]:
        """Key -> stamp of every file that some chunk holds; the latest where there are several."""
        return {record.key: record.stamp for chunk in self.chunks() for record in chunk}

    def move_blobs(self, sha256s: Iterable[str], blobs: Blobs) -> None:
        """Move blobs to their place in the index; call it under ``blobs.hold()``."""
        names = [name for sha256 in sha256s for name in (sha256, sha256 + THUMBNAIL_SUFFIX)]
        blobs.move_in(path for name in names if (path := self._blobs / name).exists())

    def job(self) -> int | None:
        """The number of the job whose work this is."""
        file = self.directory / "job"
        return int(file.read_text()) if file.exists() else None

    def set_job(self, number: int) -> None:
        """Remember the number of the job."""
        durable.write_file(self.directory / "job", str(number).encode())

    def clear(self) -> None:
        """Remove everything: the work is in the catalog."""
        shutil.rmtree(self.directory)

    def _files(self) -> list[Path]:
        return sorted(self.directory.glob("[0-9]*.npz"))


def _lock(handle: int) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise PublisherBusy("another process builds from the same pictures; wait for it, or stop it") from error


def _plain(record: Record) -> dict[str, Any]:
    data = asdict(record)
    data.pop("vector", None)
    return {"kind": NAMES[type(record)], **data}


def _record(plain: dict[str, Any], rows: Iterator[Float]) -> Record:
    kind = KINDS[plain.pop("kind")]
    return Embedded(**plain, vector=next(rows)) if kind is Embedded else kind(**plain)
