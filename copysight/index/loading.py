"""Load the snapshot of an index: its live generation, or what is left if that is damaged, and all changes since."""

import logging
from dataclasses import dataclass

import numpy as np

from copysight.catalog import Catalog
from copysight.errors import BundleMismatch, IndexCorrupt, IndexNotFound, VectorsUnavailable
from copysight.index.generations.engines.opening import Engines
from copysight.index.generations.generation import Generation, open_generation
from copysight.index.generations.layout import Layout
from copysight.index.generations.tombstones import Tombstones
from copysight.index.live.delta import Delta
from copysight.index.live.snapshot import Snapshot
from copysight.index.replicas.published import Published
from copysight.model import bundle as bundles
from copysight.scoring.judge import Judge

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Loaded:
    """A snapshot; why the live generation cannot be used, or None; and the name of that generation, if there is one."""

    snapshot: Snapshot
    fault: str | None
    tried: str | None


class Loader:
    """Loads snapshots of one index."""

    def __init__(self, layout: Layout, catalog: Catalog, engines: Engines, published: Published) -> None:
        self._layout, self._catalog, self._engines, self._published = layout, catalog, engines, published

    def load(self, pause: float = 0.0, verified: str | None = None) -> Loaded:
        """The live generation and all changes since it. If it is damaged, use an older generation, or none.

        ``pause``: seconds to sleep after each block of a file. ``verified``: the generation whose checksums are known.
        """
        live = self._layout.live()
        older = [name for name in reversed(self._layout.names()) if live is not None and name < live]
        fault = snapshot = None
        for name in ([live] if live is not None else []) + older:
            try:
                opened = open_generation(self._layout.generations / name, self._engines, name != verified, pause)
                snapshot = self._snapshot_of(opened, name == live)
            except (IndexCorrupt, IndexNotFound) as error:
                if isinstance(error, IndexNotFound) and name == live:
                    raise  # it is sound, and its server is not named
                log.error("generation %s cannot be used: %s", name, error.message)  # noqa: TRY400 - a state, no defect
                fault = fault or error.message
            if snapshot is not None:
                break
        return Loaded(snapshot if snapshot is not None else self._without_generation(), fault, live)

    def _snapshot_of(self, generation: Generation, live: bool) -> Snapshot | None:
        """A warm snapshot; None if the generation's model is not live, or if tombstones that it needs were removed."""
        made = generation.manifest
        if live and made.bundle != self._catalog.model() and self._published.is_live(generation.name):
            self._finish_go_live(generation)
        if made.bundle != self._catalog.model():
            return None
        bundle = bundles.load(self._layout.bundles / made.bundle)
        empty = Snapshot(
            generation,
            Delta.empty(bundle.dimension),
            Tombstones.none(len(generation)),
            made.sequence,
            bundle,
            made.variant,
            self._catalog,
            Judge.of(bundle, generation.calibration, generation.representatives),
        )
        changes = self._catalog.changes(made.sequence, made.bundle)
        if changes.horizon > made.sequence:
            return None
        snapshot = empty.after(changes)
        if len(generation):
            self._warm(snapshot)
        return snapshot

    def _warm(self, snapshot: Snapshot) -> None:
        """Search once, which loads the memory pages, or opens the connections, that every search needs."""
        try:
            snapshot.search(np.ones((1, snapshot.bundle.dimension), np.float32), 1)
        except VectorsUnavailable as error:
            log.warning("the vectors of the index cannot be searched yet: %s", error.message)

    def _finish_go_live(self, generation: Generation) -> None:
        """Complete the work of a publisher that was killed after it swapped the pointer and before it committed.

        If its last vectors were lost with the commit, the previous model stays live, and the next rebuild repairs the
        pointer; then this raises ``IndexCorrupt``.
        """
        made = generation.manifest
        try:
            swapped = lambda: self._published.is_live(generation.name)  # noqa: E731 - called under the write lock
            self._catalog.models.go_live(made.bundle, made.variant, swapped, allow_missing=False)
        except BundleMismatch as error:
            raise IndexCorrupt(
                f"{generation.path} could not go live because its publisher was stopped: {error.message}",
                generation=generation.name,
            ) from error

    def _without_generation(self) -> Snapshot:
        model = self._catalog.model()
        bundle = bundles.load(self._layout.bundles / model)
        delta, tombstones, variant = Delta.empty(bundle.dimension), Tombstones.none(0), self._catalog.variant()
        nothing = Snapshot(None, delta, tombstones, 0, bundle, variant, self._catalog, Judge.of(bundle))
        return nothing.after(self._catalog.changes(0, model))
