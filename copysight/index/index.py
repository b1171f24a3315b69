"""An open index: the catalog, the blobs, and a snapshot for searching that is kept up to date."""

import logging
import threading
from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Self

from copysight.blobs.opening import open_blobs
from copysight.catalog import Catalog
from copysight.catalog.engines.engine import Lock
from copysight.errors import BlobsUnavailable, IndexNotFound, InvalidArgument
from copysight.index.creation import create, install
from copysight.index.generations.engines import opening
from copysight.index.generations.layout import Layout
from copysight.index.generations.publisher_lock import publishing
from copysight.index.live.snapshot import Snapshot
from copysight.index.loading import Loader
from copysight.index.local_features import LocalFeatures
from copysight.index.replicas import joining
from copysight.index.status import Status, status_of
from copysight.model import bundle as bundles
from copysight.model.bundle import Bundle

log = logging.getLogger(__name__)
LOAD_PAUSE = 0.0005
"""Seconds that a background load sleeps after each block of a file. The load takes 1.5 times as long, and the slowest
concurrent searches wait less for a processor."""


class Index:
    """An open index. It is thread-safe, and other processes may change the catalog and publish at the same time."""

    def __init__(self, directory: Path) -> None:
        self.layout = Layout(directory)
        self.directory = directory
        if not self.layout.catalog.exists():
            joining.join(self.layout)
        self.catalog = Catalog.open(self.layout.catalog)
        try:
            identity = self.catalog.identity()
            self.blobs = open_blobs(
                self.layout.blobs, self.layout.blobs_elsewhere, identity, self.catalog.policy(),
                self.catalog.blob_lock(), self.check_place,
            )  # fmt: skip
            self.published = joining.published(self.layout, identity)
        except BaseException:
            self.catalog.close()
            raise
        self.features = LocalFeatures(self.blobs, self.layout.features)
        self._lock = threading.Lock()
        self._load_lock = threading.Lock()
        self._fault: str | None = None
        self._tried_generation: str | None = None
        try:
            self.engines = opening.configured(self.catalog.identity(), self.catalog.vectors)
            self._loader = Loader(self.layout, self.catalog, self.engines, self.published)
            self._snapshot = self._load()
        except BaseException:
            self.catalog.close()
            raise

    @classmethod
    def create(
        cls, directory: Path, bundle: str | Path = "default", policy: str = "keep", variant: str | None = None
    ) -> Self:
        """Create an empty index with its own copy of ``bundle``.

        Vectors are computed with ``variant``, or with the default variant of the bundle. Raises ``InvalidArgument`` if
        the index exists.
        """
        if not create(Layout(directory), bundle, policy, variant):
            raise InvalidArgument(f"{directory} already holds an index; open it, or choose another directory")
        return cls(directory)

    @classmethod
    def open_or_create(
        cls, directory: Path, bundle: str | Path = "default", policy: str = "keep", local: bool = False
    ) -> Self:
        """Open an index; if there is none, create an empty one. Several processes may do this at the same time.

        ``local``: a new one is all in its directory, whatever COPYSIGHT_CATALOG and COPYSIGHT_BLOBS say. Raises
        ``InvalidArgument`` if the directory holds other files.
        """
        layout = Layout(directory)
        if not layout.catalog.exists():
            others = layout.others() if directory.is_dir() else []
            # Another process may have created it since.
            if others and not layout.catalog.exists():
                raise InvalidArgument(
                    f"{directory} holds other files ({others[0]!r}, …) and no index; give a new or empty directory"
                )
            if local:
                create(layout, bundle, policy, None, local)
            else:
                _join_or_create(layout, bundle, policy)
        return cls(directory)

    @classmethod
    def open(cls, directory: Path) -> Self:
        """Open an index. Raises ``IndexNotFound`` or ``IndexCorrupt``.

        If the live generation is damaged, an older generation is used, or the catalog alone; see ``Status.fault``.
        """
        return cls(directory)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the catalog. Snapshots that were taken before can still search, except with a filter."""
        with self._load_lock:
            self.engines.close()
            self.catalog.close()

    def check_place(self) -> None:
        """Raise ``NotWritable`` if the index was moved or replaced while it was open. Takes 4 us."""
        self.catalog.check_place()

    @property
    def bundle(self) -> Bundle:
        """The live bundle."""
        return self.snapshot().bundle

    @property
    def variant(self) -> str:
        """The variant of the bundle that computed the live vectors."""
        return self.snapshot().variant

    @property
    def staging(self) -> Path:
        """The directory for the staged work of builds."""
        return self.layout.staging

    def snapshot(self) -> Snapshot:
        """The current state of the index. It contains every write that was acknowledged before this call.

        A new generation is loaded in the background; until then, searches use the old one and a longer delta. The call
        waits for the new generation only if items were added that have no vector of the old one's model.

        Raises ``IndexNotFound`` if the index was moved or replaced while it was open.
        """
        if (same := self.unchanged()) is not None:
            return same
        current, sequence = self._snapshot, self.catalog.sequence()
        if self.layout.live() not in {_name(current), self._tried_generation}:
            self._load_in_background()
        if sequence != current.sequence:
            with self._lock:
                current = self._refresh()
        return current if current.complete else self.reload()

    def unchanged(self) -> Snapshot | None:
        """The last snapshot if nothing has changed since it was taken, else None. Takes two reads, 30 us.

        It never waits for a writer or another machine, so an event loop may call this without a thread: a server of
        the catalog is not asked, and None is returned while its changes are not heard of (`Catalog.follow`).
        Raises ``IndexNotFound`` like `snapshot`.
        """
        self._check_is_there()
        current = self._snapshot
        same = (
            self.layout.live() in {_name(current), self._tried_generation}
            and self.catalog.sequence_at_hand() == current.sequence
        )
        return current if same and current.complete else None

    def reload(self, verified: str | None = None) -> Snapshot:
        """Like `snapshot`, but waits until the live generation is loaded; one of another machine is fetched first.

        ``verified`` is the name of a generation whose checksums the caller has just verified. They are not read again.
        """
        self._check_is_there()
        self.follow(wait=True)
        with self._load_lock:
            loaded = self._fault is None and self.layout.live() == _name(self._snapshot)
            fresh = None if loaded else self._load(verified=verified)
            with self._lock:
                self._snapshot = self._snapshot if fresh is None else fresh
                return self._refresh()

    def follow(self, wait: bool = False) -> None:
        """Make the generation live here that another machine has published, if this index has several directories.

        With ``wait``, wait for the thread or process that fetches it; while S3 does not answer, those that wait try one
        after the other. Then the generation that is here stays.
        """
        try:
            self.published.follow(wait)
        except BlobsUnavailable as error:
            log.warning("the published generation is not known: %s", error.message)

    def install(self, bundle: str | Path) -> Bundle:
        """Copy another bundle into the index, for re-embedding. It becomes live when a generation that uses it does.

        Waits for a running publisher, because publishers remove unused bundles and incomplete copies.
        """
        self.check_place()
        with self.publishing(wait=True):
            return install(self.layout, bundles.load(bundle))

    def publishing(self, wait: bool = False) -> AbstractContextManager[Lock]:
        """Hold the publisher's lock. If it is taken, ``wait`` for it, or raise ``PublisherBusy`` at once."""
        return publishing(self.layout, wait, self.catalog.lock("publisher"))

    def delete(self, ids: Iterable[int]) -> int:
        """Delete items, and the blobs that no item uses any more. Returns the number of deleted items."""
        count = self.catalog.delete(ids)
        self.sweep(wait=False)
        return count

    def sweep(self, wait: bool = True) -> int:
        """Remove the blobs that the catalog lists as orphans. Returns their number.

        Without ``wait``, nothing is removed while another thread or process is adding, or while the store does not
        answer; the next sweep removes them.
        """
        if not self.catalog.orphans():
            return 0
        try:
            with self.blobs.sweep(wait) as free:
                # Read the list again, because a writer that held the blobs may have used some of them.
                return self._remove(self.catalog.orphans() if free else [])
        except BlobsUnavailable:
            if wait:
                raise
            return 0  # the catalog still lists them

    def _remove(self, orphans: list[str]) -> int:
        self.blobs.delete(orphans)
        for sha256 in orphans:
            self.features.delete(sha256)
        self.catalog.clear_orphans(orphans)
        return len(orphans)

    def status(self) -> Status:
        """The current state of the index."""
        return status_of(self.snapshot(), self._fault, self.catalog.models.coming())

    def _check_is_there(self) -> None:
        if (fault := self.catalog.fault()) is not None:
            raise IndexNotFound(
                f"the index at {self.directory} was moved or replaced while it was open ({fault}); put the directory "
                "back, or restart to open what is there"
            )

    def _refresh(self) -> Snapshot:
        current = self._snapshot
        changes = self.catalog.changes(current.sequence, current.bundle.id)
        if changes.horizon > current.sequence:  # tombstones that this snapshot needs have been removed
            self._snapshot = self._load()
        elif changes.sequence != current.sequence:
            self._snapshot = current.after(changes)
        return self._snapshot

    def _load_in_background(self) -> None:
        if self._load_lock.acquire(blocking=False):
            threading.Thread(target=self._load_and_swap, name="index-load", daemon=True).start()

    def _load_and_swap(self) -> None:
        try:
            fresh = self._load(LOAD_PAUSE)
            with self._lock:
                before, self._snapshot = self._snapshot, fresh
                self._refresh()
            del before  # after the lock is released, because freeing a generation takes milliseconds
        except Exception:
            log.exception("the live generation of %s could not be loaded", self.directory)
        finally:
            self._load_lock.release()

    def _load(self, pause: float = 0.0, verified: str | None = None) -> Snapshot:
        self.follow()
        loaded = self._loader.load(pause, verified)
        self._fault, self._tried_generation = loaded.fault, loaded.tried
        return loaded.snapshot


def _join_or_create(layout: Layout, bundle: str | Path, policy: str) -> None:
    if joining.join(layout):
        return
    try:
        create(layout, bundle, policy, None)
    except InvalidArgument:
        if not joining.join(layout):  # another machine has created it meanwhile
            raise


def _name(snapshot: Snapshot) -> str | None:
    return snapshot.generation.name if snapshot.generation is not None else None
