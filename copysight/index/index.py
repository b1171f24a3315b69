"""An open index: the catalog, the blobs, and a snapshot for searching that is kept up to date."""

import logging
import shutil
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from copysight.blobs import Blobs
from copysight.catalog import Catalog
from copysight.errors import BundleMismatch, IndexCorrupt, IndexNotFound, InvalidArgument
from copysight.index.generations.generation import Generation, open_generation
from copysight.index.generations.layout import Layout
from copysight.index.generations.publisher_lock import publishing
from copysight.index.live.delta import Delta
from copysight.index.live.snapshot import Snapshot
from copysight.index.live.tombstones import Tombstones
from copysight.index.local_features import LocalFeatures
from copysight.model import bundle as bundles
from copysight.model.bundle import Bundle
from copysight.scoring.calibrate import MIN_PICTURES
from copysight.scoring.judge import Judge
from copysight.scoring.near_duplicates import Share
from copysight.system import durable

log = logging.getLogger(__name__)
LOAD_PAUSE = 0.0005
"""Seconds that a background load sleeps after each block of a file. The load takes 1.5 times as long, and the slowest
concurrent searches wait less for a processor."""


@dataclass(frozen=True)
class Status:
    """The state of an index. ``delta`` and ``tombstones`` count the changes since the generation was built.

    ``fault`` is the reason why the live generation cannot be used, or None. ``bytes`` is the size of the generation's
    files. ``coming`` is the bundle that a running or stopped re-embedding prepares. ``calibrated`` says on what the
    probabilities are calibrated. ``near_duplicates`` is the estimated number of pictures that have a near-duplicate in
    the index, None if that was not measured.
    """

    generation: str | None
    model: str
    variant: str
    count: int
    delta: int
    tombstones: int
    index_type: str
    recall: float | None
    built_at: float | None
    sequence: int
    fault: str | None
    bytes: int
    coming: str | None = None
    calibrated: str = ""
    near_duplicates: int | None = None

    def rebuild_due(self, share: float = 0.1, least: int = 1000) -> bool:
        """Whether there is a fault, or delta plus tombstones exceed both ``least`` and ``share`` of the items."""
        return self.fault is not None or self.delta + self.tombstones > max(least, share * self.count)


class Index:
    """An open index. It is thread-safe, and other processes may change the catalog and publish at the same time."""

    def __init__(self, directory: Path) -> None:
        self.layout = Layout(directory)
        self.directory = directory
        self.catalog = Catalog.open(self.layout.catalog)
        self.blobs = Blobs(self.layout.blobs, self.catalog.policy(), self.check_place)
        self.features = LocalFeatures(self.blobs, self.layout.features)
        self._lock = threading.Lock()
        self._load_lock = threading.Lock()
        self._fault: str | None = None
        self._tried_generation: str | None = None
        try:
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
        if not _create(Layout(directory), bundle, policy, variant):
            raise InvalidArgument(f"{directory} already holds an index; open it, or choose another directory")
        return cls(directory)

    @classmethod
    def open_or_create(cls, directory: Path, bundle: str | Path = "default", policy: str = "keep") -> Self:
        """Open an index; if there is none, create an empty one. Several processes may do this at the same time.

        Raises ``InvalidArgument`` if the directory holds other files.
        """
        layout = Layout(directory)
        if not layout.catalog.exists():
            others = layout.others() if directory.is_dir() else []
            # Another process may have created it since.
            if others and not layout.catalog.exists():
                raise InvalidArgument(
                    f"{directory} holds other files ({others[0]!r}, …) and no index; give a new or empty directory"
                )
            _create(layout, bundle, policy, None)
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

        SQLite readers wait neither for writers nor for each other, so an event loop may call this without a thread.
        Raises ``IndexNotFound`` like `snapshot`.
        """
        self._check_is_there()
        current = self._snapshot
        same = (
            self.layout.live() in {_name(current), self._tried_generation}
            and self.catalog.sequence() == current.sequence
        )
        return current if same and current.complete else None

    def reload(self, verified: str | None = None) -> Snapshot:
        """Like `snapshot`, but waits until the live generation is loaded.

        ``verified`` is the name of a generation whose checksums the caller has just verified. They are not read again.
        """
        self._check_is_there()
        with self._load_lock:
            loaded = self._fault is None and self.layout.live() == _name(self._snapshot)
            fresh = None if loaded else self._load(verified=verified)
            with self._lock:
                self._snapshot = self._snapshot if fresh is None else fresh
                return self._refresh()

    def install(self, bundle: str | Path) -> Bundle:
        """Copy another bundle into the index, for re-embedding. It becomes live when a generation that uses it does.

        Waits for a running publisher, because publishers remove unused bundles and incomplete copies.
        """
        self.check_place()
        with publishing(self.layout, wait=True):
            return _install(self.layout, bundles.load(bundle))

    def delete(self, ids: Iterable[int]) -> int:
        """Delete items, and the blobs that no item uses any more. Returns the number of deleted items."""
        count = self.catalog.delete(ids)
        self.sweep(wait=False)
        return count

    def sweep(self, wait: bool = True) -> int:
        """Remove the blobs that the catalog lists as orphans. Returns their number.

        Without ``wait``, nothing is removed while another thread or process is adding; the next sweep removes them.
        """
        if not self.catalog.orphans():
            return 0
        with self.blobs.sweep(wait) as free:
            # Read the list again, because a writer that held the blobs may have used some of them.
            orphans = self.catalog.orphans() if free else []
            for sha256 in orphans:
                self.blobs.delete(sha256)
                self.features.delete(sha256)
            self.catalog.clear_orphans(orphans)
        return len(orphans)

    def status(self) -> Status:
        """The current state of the index."""
        now = self.snapshot()
        made = now.generation.manifest if now.generation is not None else None
        files = now.generation.path.iterdir() if now.generation is not None and now.generation.path.exists() else ()
        return Status(
            generation=_name(now),
            model=now.bundle.id,
            variant=now.variant,
            count=now.count,
            delta=now.delta.count,
            tombstones=len(now.tombstones.rows),
            index_type=made.choice.kind if made else "flat",
            recall=made.recall if made else None,
            built_at=made.built_at if made else None,
            sequence=now.sequence,
            fault=self._fault,
            bytes=sum(file.stat().st_size for file in files),
            coming=self.catalog.models.coming(),
            calibrated=_calibrated(now),
            near_duplicates=_near_duplicates(now),
        )

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
        """The live generation and all changes since it. If it is damaged, use an older generation, or none."""
        live = self.layout.live()
        older = [name for name in reversed(self.layout.names()) if live is not None and name < live]
        fault = snapshot = None
        for name in ([live] if live is not None else []) + older:
            try:
                opened = open_generation(self.layout.generations / name, name != verified, pause)
                snapshot = self._snapshot_of(opened, name == live)
            except IndexCorrupt as error:
                log.error("generation %s cannot be used: %s", name, error.message)  # noqa: TRY400 - a state, no defect
                fault = fault or error.message
            if snapshot is not None:
                break
        self._fault, self._tried_generation = fault, live
        return snapshot if snapshot is not None else self._without_generation()

    def _snapshot_of(self, generation: Generation, live: bool) -> Snapshot | None:
        """A warm snapshot; None if the generation's model is not live, or if tombstones that it needs were removed."""
        made = generation.manifest
        if live and made.bundle != self.catalog.model():
            self._finish_go_live(generation)
        if made.bundle != self.catalog.model():
            return None
        bundle = bundles.load(self.layout.bundles / made.bundle)
        empty = Snapshot(
            generation,
            Delta.empty(bundle.dimension),
            Tombstones.none(len(generation)),
            made.sequence,
            bundle,
            made.variant,
            self.catalog,
            Judge.of(bundle, generation.calibration),
        )
        changes = self.catalog.changes(made.sequence, made.bundle)
        if changes.horizon > made.sequence:
            return None
        snapshot = empty.after(changes)
        if len(generation):
            snapshot.search(generation.vectors[:1], 1)  # loads the memory pages that every search reads
        return snapshot

    def _finish_go_live(self, generation: Generation) -> None:
        """Complete the work of a publisher that was killed after it swapped the pointer and before it committed.

        If its last vectors were lost with the commit, the previous model stays live, and the next rebuild repairs the
        pointer; then this raises ``IndexCorrupt``.
        """
        made = generation.manifest
        try:
            swapped = lambda: self.layout.live() == generation.name  # noqa: E731 - called under the write lock
            self.catalog.models.go_live(made.bundle, made.variant, swapped, allow_missing=False)
        except BundleMismatch as error:
            raise IndexCorrupt(
                f"{generation.path} could not go live because its publisher was stopped: {error.message}",
                generation=generation.name,
            ) from error

    def _without_generation(self) -> Snapshot:
        model = self.catalog.model()
        bundle = bundles.load(self.layout.bundles / model)
        delta, tombstones, variant = Delta.empty(bundle.dimension), Tombstones.none(0), self.catalog.variant()
        nothing = Snapshot(None, delta, tombstones, 0, bundle, variant, self.catalog, Judge.of(bundle))
        return nothing.after(self.catalog.changes(0, model))


def _calibrated(now: Snapshot) -> str:
    """On what the probabilities are calibrated, and why not on the pictures of the index."""
    sources = {one.source for one in now.judge.calibrations.values()}
    if "index" in sources:
        return "on pictures of this index"
    few = f"this index has fewer than {MIN_PICTURES} pictures that can be rehearsed" if now.generation else "not built"
    return f"by the bundle, because {few}" if sources else f"not at all: the bundle has no calibration, and {few}"


def _near_duplicates(now: Snapshot) -> int | None:
    found = (now.generation and now.generation.calibration) or {}
    share = found.get("near_duplicates")
    return None if share is None else Share(**share).estimate(now.count)


def _name(snapshot: Snapshot) -> str | None:
    return snapshot.generation.name if snapshot.generation is not None else None


def _create(layout: Layout, bundle: str | Path, policy: str, variant: str | None) -> bool:
    """Create an index, unless another process has created it. Returns whether it was this one."""
    if layout.root.exists() and not layout.root.is_dir():
        raise InvalidArgument(f"{layout.root} is a file; give a new or an empty directory for the index")
    with durable.writable(layout.root):
        layout.root.mkdir(parents=True, exist_ok=True)
    with publishing(layout, wait=True):
        if layout.catalog.exists():
            return False
        installed = _install(layout, bundles.load(bundle))
        for path in (layout.blobs, layout.generations, layout.staging):
            path.mkdir(exist_ok=True)
        durable.sync_directory(layout.root)
        # This is the last step, because a directory counts as an index as soon as it has a catalog.
        Catalog.create(layout.catalog, installed.id, variant or installed.default_variant, policy).close()
        return True


def _install(layout: Layout, bundle: Bundle) -> Bundle:
    target = layout.bundles / bundle.id
    if not target.exists():
        with durable.new_directory(target) as directory:
            for name in ("bundle.json", *bundle.files):
                shutil.copyfile(bundle.path / name, directory / name)
    return bundles.load(target)
