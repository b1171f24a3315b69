"""Publish: build a new generation from the catalog, check it, and make it live with one atomic swap."""

import time
from collections.abc import Callable
from contextlib import suppress

from copysight.catalog import VectorSupply
from copysight.errors import IndexCorrupt, VectorsUnavailable
from copysight.index.generations import manifest
from copysight.index.generations.clusters import Clusters
from copysight.index.generations.clusters import load as load_clusters
from copysight.index.generations.engines.engine import Engine
from copysight.index.generations.generation import Generation, open_generation
from copysight.index.generations.index_type import IndexType
from copysight.index.index import Index
from copysight.index.publishing import missing_vectors, publish_checks, rollback, writer
from copysight.index.publishing.publish_checks import Gate
from copysight.index.publishing.writer import Calibrate, CalibrationInput
from copysight.model import bundle as bundles
from copysight.system import durable

DEFAULT_GATE = Gate()
Progress = Callable[[str, int, int], None]


def publish(
    index: Index,
    *,
    model: str | None = None,
    variant: str | None = None,
    engine: Engine | None = None,
    choice: IndexType | None = None,
    clusters: int | None = None,
    calibrate: Calibrate | None = None,
    gate: Gate = DEFAULT_GATE,
    keep: int = 3,
    allow_missing: bool = False,
    supply: VectorSupply | None = None,
    wait: bool = False,
    seed: int = 0,
    progress: Progress | None = None,
    clock: Callable[[], float] = time.time,
) -> Generation:
    """Build a generation of all items with vectors of ``model`` (the live bundle's id), and make it live.

    ``engine`` holds its vectors; the default is that of COPYSIGHT_VECTORS. ``choice`` overrides the default index type,
    ``clusters`` the default number of clusters K. ``calibrate`` takes the ids and vectors and returns a calibration.
    ``progress`` is called with (stage, done, total). The ``keep`` latest generations are kept.
    Adds, deletes and searches are possible at the same time.

    If ``model`` is not the live one, all items need vectors of it. ``supply`` computes missing vectors, including those
    of items that are added until the swap; ``allow_missing`` leaves out items that it cannot embed. ``wait``: wait for
    another publisher instead of raising ``PublisherBusy``.

    Raises ``PublisherBusy``; ``NotWritable``; ``GateFailed`` (the live generation stays live); ``BundleMismatch`` if
    items have no vector of ``model``, unless ``allow_missing``; ``VectorsUnavailable``, also with no change.
    """
    report, holder = progress or _no_progress, engine or index.engines.for_new
    index.check_place()
    with durable.writable(index.directory), index.publishing(wait) as lock:
        rollback.clean(index)
        model = model or index.catalog.model()
        options = writer.GenerationOptions(
            model=model,
            variant=variant or index.catalog.variant(),
            dimension=bundles.load(index.layout.bundles / model, verify=False).dimension,
            choice=choice,
            clusters=clusters,
            previous_clusters=_previous_clusters(index, model),
            gate=gate,
            seed=seed,
            built_at=clock(),
        )
        path = index.layout.generations / index.layout.next_name(index.published.names())
        try:
            with durable.new_directory(path) as directory:
                made = writer.write(
                    directory, path.name, holder, index.catalog, options, calibrate or _no_calibration, report
                )
                report("gate", 0, 1)
                checked = open_generation(directory, index.engines, name=path.name)
                publish_checks.check(checked, gate, made.count, seed)
        except BaseException:
            with suppress(VectorsUnavailable):  # the next publisher removes what is left
                index.engines.drop(path.name)
            raise
        if supply is not None:
            missing_vectors.fill(index.catalog, model, supply)
        rollback.go_live(index, path, lock, allow_missing, supply)
        rollback.prune_locked(index, keep)
        report("publish", 1, 1)
    index.reload(verified=path.name)  # the checks have verified the checksums
    return open_generation(path, index.engines, verify=False)


def _previous_clusters(index: Index, model: str) -> Clusters | None:
    """The clusters of the latest readable generation of the model; their ids are kept."""
    for name in reversed(index.layout.names()):
        directory = index.layout.generations / name
        try:
            described = manifest.read(directory)
            if described.bundle == model:
                manifest.verify(directory, described)
                return load_clusters(directory)
        except IndexCorrupt:
            continue
    return None


def _no_calibration(_contents: CalibrationInput) -> None:
    return None


def _no_progress(_stage: str, _done: int, _total: int) -> None:
    return None
