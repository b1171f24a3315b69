"""Publishing: a new generation from the catalog alone, through the gate, and live by one atomic swap."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from copysight.catalog import VectorSupply
from copysight.errors import IndexCorrupt
from copysight.index.generations import manifest
from copysight.index.generations.clusters import Clusters
from copysight.index.generations.clusters import load as load_clusters
from copysight.index.generations.generation import Generation, open_generation
from copysight.index.generations.index_type import Choice
from copysight.index.generations.publisher_lock import publishing
from copysight.index.index import Index
from copysight.index.publishing import missing_vectors, rollback, writer
from copysight.index.publishing import publish_checks as gates
from copysight.index.publishing.publish_checks import Gate
from copysight.index.publishing.writer import Contents
from copysight.model import bundle as bundles
from copysight.system import durable

USUAL = Gate()
Progress = Callable[[str, int, int], None]
Calibrate = Callable[[Contents], Mapping[str, Any] | None]


def publish(
    index: Index,
    *,
    model: str | None = None,
    variant: str | None = None,
    choice: Choice | None = None,
    clusters: int | None = None,
    calibrate: Calibrate | None = None,
    gate: Gate = USUAL,
    keep: int = 3,
    allow_missing: bool = False,
    supply: VectorSupply | None = None,
    wait: bool = False,
    seed: int = 0,
    progress: Progress | None = None,
    clock: Callable[[], float] = time.time,
) -> Generation:
    """Build a generation of all items with vectors of ``model`` (the live bundle's id), and make it live.

    ``choice`` overrides the table of FAISS types, ``clusters`` the number K; ``calibrate`` is handed
    ids and vectors and gives what becomes ``calibration.json``; ``progress`` is told (stage, done, total). The ``keep``
    latest generations stay. Adds, deletes and searches go on meanwhile.

    Another model than the live one needs vectors of all items: ``supply`` makes those that are missing, also of what is
    added until the swap; ``allow_missing`` leaves out what it cannot. ``wait`` queues behind another publisher.

    Raises ``PublisherBusy``; ``NotWritable``; ``GateFailed`` (the live generation stays); ``BundleMismatch`` when items
    lack a vector of ``model``, unless ``allow_missing``.
    """
    report = progress or _silent
    with durable.writable(index.directory), publishing(index.layout, wait):
        rollback.clean(index)
        model = model or index.catalog.model()
        wanted = writer.Wanted(
            model=model,
            variant=variant or index.catalog.variant(),
            dimension=bundles.load(index.layout.bundles / model, verify=False).dimension,
            choice=choice,
            clusters=clusters,
            before=_clusters_before(index, model),
            gate=gate,
            seed=seed,
            built_at=clock(),
        )
        path = index.layout.generations / index.layout.next_name()
        with durable.new_directory(path) as directory:
            made = writer.write(directory, index.catalog, wanted, calibrate or _nothing, report)
            report("gate", 0, 1)
            gates.check(open_generation(directory), gate, made.count, seed)
        if supply is not None:
            missing_vectors.work_off(index.catalog, model, supply)
        rollback.go_live(index, path, allow_missing, supply)
        rollback.prune_locked(index, keep)
        report("publish", 1, 1)
    index.reload(verified=path.name)  # by the gate
    return open_generation(path, verify=False)


def _clusters_before(index: Index, model: str) -> Clusters | None:
    """Those of the latest generation of the model that can be read: their ids are to be kept."""
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


def _nothing(_contents: Contents) -> None:
    return None


def _silent(_stage: str, _done: int, _total: int) -> None:
    return None
