"""An opened index: the catalog, the blobs, and a snapshot that follows them."""

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
from copysight.errors import BundleMismatch, IndexCorrupt, InvalidArgument
from copysight.index.generations.generation import Generation, open_generation
from copysight.index.generations.layout import Layout
from copysight.index.generations.publisher_lock import publishing
from copysight.index.live.delta import Delta
from copysight.index.live.snapshot import Snapshot
from copysight.index.live.tombstones import Tombstones
from copysight.model import bundle as bundles
from copysight.model.bundle import Bundle
from copysight.scoring.judge import Judge
from copysight.system import durable

log = logging.getLogger(__name__)
REST = 0.0005
"""Seconds that a load beside searches sleeps after each block of a file: it takes half as long again, and the slowest
searches meanwhile wait less for a processor."""


@dataclass(frozen=True)
class Status:
    """How an index stands; ``delta`` and ``tombstones`` are what a rebuild would fold in.

    ``fault`` says why the generation that should be live is not; ``bytes`` is the size of the generation's files;
    ``coming`` is the bundle that a re-embedding leads to, under way or stopped.
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

    def rebuild_due(self, share: float = 0.1, least: int = 1000) -> bool:
        """Whether delta and tombstones have outgrown a share of the items, so that a rebuild pays."""
        return self.fault is not None or self.delta + self.tombstones > max(least, share * self.count)


class Index:
    """Thread-safe. Other processes may write to the catalog and publish generations at the same time."""

    def __init__(self, directory: Path) -> None:
        self.layout = Layout(directory)
        self.directory = directory
        self.catalog = Catalog.open(self.layout.catalog)
        self.blobs = Blobs(self.layout.blobs, self.catalog.policy())
        self._lock = threading.Lock()
        self._loading = threading.Lock()
        self._fault: str | None = None
        self._tried: str | None = None
        try:
            self._snapshot = self._load()
        except BaseException:
            self.catalog.close()
            raise

    @classmethod
    def create(
        cls, directory: Path, bundle: str | Path = "default", policy: str = "keep", variant: str | None = None
    ) -> Self:
        """Make an empty index with its own copy of ``bundle``; vectors will be of its usual variant, or of ``variant``.

        Raises ``InvalidArgument`` if there is one.
        """
        layout = Layout(directory)
        if layout.catalog.exists():
            raise InvalidArgument(f"{directory} holds an index already; open it, or choose another directory")
        directory.mkdir(parents=True, exist_ok=True)
        installed = _install(layout, bundles.load(bundle))
        for path in (layout.blobs, layout.generations, layout.staging):
            path.mkdir(exist_ok=True)
        durable.sync_directory(directory)
        # Last, because a directory is an index from the moment that it has a catalog.
        Catalog.create(layout.catalog, installed.id, variant or installed.default_variant, policy).close()
        return cls(directory)

    @classmethod
    def open(cls, directory: Path) -> Self:
        """Open an index. Raises ``IndexNotFound`` or ``IndexCorrupt``.

        If the live generation is damaged an older one serves, or the catalog alone; `status` says so.
        """
        return cls(directory)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the catalog; snapshots that were taken can still search, except by filter."""
        with self._loading:
            self.catalog.close()

    @property
    def bundle(self) -> Bundle:
        """The bundle that is live now."""
        return self.snapshot().bundle

    @property
    def variant(self) -> str:
        """The precision that made the live vectors."""
        return self.snapshot().variant

    @property
    def staging(self) -> Path:
        """Where a build keeps its work under way."""
        return self.layout.staging

    def snapshot(self) -> Snapshot:
        """The index as it is now: every write that was acknowledged before this call is in it.

        A new generation is loaded in the background; until it is there, the old one and a longer delta answer. Only
        when something has been added that the old one's model cannot see, the call waits for the new one.
        """
        if (same := self.unchanged()) is not None:
            return same
        current, sequence = self._snapshot, self.catalog.sequence()
        if self.layout.live() not in {_name(current), self._tried}:
            self._load_in_background()
        if sequence != current.sequence:
            with self._lock:
                current = self._refreshed()
        return current if current.complete else self.reload()

    def unchanged(self) -> Snapshot | None:
        """The snapshot at hand, if nothing has changed since it was taken: two reads, 25 us, that wait for nobody.

        SQLite's readers wait neither for writers nor for each other, so an event loop may ask this itself.
        """
        current = self._snapshot
        same = self.layout.live() in {_name(current), self._tried} and self.catalog.sequence() == current.sequence
        return current if same and current.complete else None

    def reload(self, verified: str | None = None) -> Snapshot:
        """Like `snapshot`, but waits until the live generation is loaded.

        ``verified`` names a generation whose files the caller has just compared with their checksums.
        """
        with self._loading:
            loaded = self._fault is None and self.layout.live() == _name(self._snapshot)
            fresh = None if loaded else self._load(verified=verified)
            with self._lock:
                self._snapshot = self._snapshot if fresh is None else fresh
                return self._refreshed()

    def install(self, bundle: str | Path) -> Bundle:
        """Copy another bundle into the index, for re-embedding; it becomes live when a generation of it does.

        Waits for a publisher that is at work: each clears away bundles that nobody needs, and copies that were stopped.
        """
        with publishing(self.layout, wait=True):
            return _install(self.layout, bundles.load(bundle))

    def delete(self, ids: Iterable[int]) -> int:
        """Delete items, and the blobs that no item shows any more; returns how many items were there."""
        count = self.catalog.delete(ids)
        self.sweep(wait=False)
        return count

    def sweep(self, wait: bool = True) -> int:
        """Remove the blobs that the catalog lists as orphans; returns how many there were.

        Without ``wait`` they are left for the next sweep where somebody is just adding.
        """
        if not self.catalog.orphans():
            return 0
        with self.blobs.sweep(wait) as free:
            # Read again: whoever held the blobs may have named them by now.
            gone = self.catalog.orphans() if free else []
            for sha256 in gone:
                self.blobs.delete(sha256)
            self.catalog.clear_orphans(gone)
        return len(gone)

    def status(self) -> Status:
        """How the index stands now."""
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
        )

    def _refreshed(self) -> Snapshot:
        current = self._snapshot
        changes = self.catalog.changes(current.sequence, current.bundle.id)
        if changes.horizon > current.sequence:  # tombstones that this snapshot needs are forgotten
            self._snapshot = self._load()
        elif changes.sequence != current.sequence:
            self._snapshot = current.after(changes)
        return self._snapshot

    def _load_in_background(self) -> None:
        if self._loading.acquire(blocking=False):
            threading.Thread(target=self._load_and_swap, name="index-load", daemon=True).start()

    def _load_and_swap(self) -> None:
        try:
            fresh = self._load(REST)
            with self._lock:
                before, self._snapshot = self._snapshot, fresh
                self._refreshed()
            del before  # here, and not while searches wait for the lock: freeing a generation takes milliseconds
        except Exception:
            log.exception("the live generation of %s could not be loaded", self.directory)
        finally:
            self._loading.release()

    def _load(self, rest: float = 0.0, verified: str | None = None) -> Snapshot:
        """The live generation and all changes since; an older generation, or none, where it is damaged."""
        live = self.layout.live()
        older = [name for name in reversed(self.layout.names()) if live is not None and name < live]
        fault = snapshot = None
        for name in ([live] if live is not None else []) + older:
            try:
                opened = open_generation(self.layout.generations / name, name != verified, rest)
                snapshot = self._on(opened, name == live)
            except IndexCorrupt as error:
                log.error("generation %s cannot serve: %s", name, error.message)  # noqa: TRY400 - a state, no defect
                fault = fault or error.message
            if snapshot is not None:
                break
        self._fault, self._tried = fault, live
        return snapshot if snapshot is not None else self._without_generation()

    def _on(self, generation: Generation, live: bool) -> Snapshot | None:
        """A warm snapshot; None when the generation's model is not live, or its tombstones are forgotten."""
        made = generation.manifest
        if live and made.bundle != self.catalog.model():
            self._complete(generation)
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
            snapshot.search(generation.vectors[:1], 1)  # touches the pages that every search touches
        return snapshot

    def _complete(self, generation: Generation) -> None:
        """Finish for a publisher that died between the swap of the pointer and its commit.

        Its last vectors may have gone with the commit: then the model before stays, and the next rebuild of it repairs
        the pointer. Raises ``IndexCorrupt``.
        """
        made = generation.manifest
        try:
            swapped = lambda: self.layout.live() == generation.name  # noqa: E731 - by the time that it is our turn
            self.catalog.models.go_live(made.bundle, made.variant, swapped, allow_missing=False)
        except BundleMismatch as error:
            raise IndexCorrupt(
                f"{generation.path} was about to go live when its publisher was stopped, and {error.message}",
                generation=generation.name,
            ) from error

    def _without_generation(self) -> Snapshot:
        model = self.catalog.model()
        bundle = bundles.load(self.layout.bundles / model)
        delta, tombstones, variant = Delta.empty(bundle.dimension), Tombstones.none(0), self.catalog.variant()
        nothing = Snapshot(None, delta, tombstones, 0, bundle, variant, self.catalog, Judge.of(bundle))
        return nothing.after(self.catalog.changes(0, model))


def _name(snapshot: Snapshot) -> str | None:
    return snapshot.generation.name if snapshot.generation is not None else None


def _install(layout: Layout, bundle: Bundle) -> Bundle:
    target = layout.bundles / bundle.id
    if not target.exists():
        with durable.new_directory(target) as directory:
            for name in ("bundle.json", *bundle.files):
                shutil.copyfile(bundle.path / name, directory / name)
    return bundles.load(target)
