"""Open the blobs of an index: files in its directory, or objects on S3. obstore, an extra, is imported when needed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from copysight.blobs.blobs import Blobs
from copysight.blobs.file_store import FileStore
from copysight.blobs.s3 import address
from copysight.blobs.store import Store
from copysight.errors import InvalidArgument, NotWritable
from copysight.system import durable
from copysight.system.imports import extras
from copysight.system.locks.shared_lock import SharedLock


def open_blobs(
    directory: Path, file: Path, identity: str, policy: str, lock: SharedLock, check: Callable[[], None]
) -> Blobs:
    """The blobs of an index: in ``directory``, or on S3 if ``file`` says so.

    ``identity``: that of the catalog; objects are below COPYSIGHT_BLOBS/identity, so that indexes share no object.
    S3 is not asked here. Raises ``InvalidArgument`` if the variable is missing, ``IndexCorrupt``.
    """
    stamp = _stamp(file)
    store = store_of(directory, identity, on_s3=stamp is not None)
    if stamp is not None:
        address.check(file)

    def check_place() -> None:
        check()
        if _stamp(file) != stamp:
            raise NotWritable(
                f"the blobs of {directory.parent} were moved to another store while it was open; restart to use it"
            )

    return Blobs(store, policy, lock, check_place)


def store_of(directory: Path, identity: str, on_s3: bool) -> Store:
    """The store of the index ``identity``: files in ``directory``, or on S3. Raises ``InvalidArgument``."""
    if not on_s3:
        return FileStore(directory)
    found = address.configured()
    if found is None:
        raise InvalidArgument(
            f"the blobs of {directory.parent} are on S3; set {address.VARIABLE} to s3://BUCKET/PREFIX"
        )
    made: Store = _s3().S3Store(found.below(identity), address.cache_bytes())
    return made


def choose(file: Path) -> bool:
    """Note for a new index that its blobs are on S3, if COPYSIGHT_BLOBS is set. Returns whether they are.

    Raises ``InvalidArgument`` if obstore is not installed.
    """
    if address.configured() is None:
        return False
    _s3()
    with durable.writable(file):
        durable.write_file(file, address.CONTENT)
    return True


def folders(identity: str, name: str) -> Any:
    """Folders of files on S3, ``name``, beside the blobs of the index ``identity``. Raises ``InvalidArgument``."""
    found = address.configured()
    if found is None:
        raise InvalidArgument(f"the index needs S3; set {address.VARIABLE} to s3://BUCKET/PREFIX")
    return _s3("folders").Folders(found.below(identity).below(name))


def _stamp(file: Path) -> tuple[int, int] | None:
    try:
        found = file.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns


def _s3(module: str = "store") -> Any:
    return extras.load(f"copysight.blobs.s3.{module}", address.VARIABLE, "obstore", "s3")
