"""Make a new generation: ids and vectors, their index in an engine, clusters, calibration and manifest."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from copysight.catalog import Catalog, Vectors
from copysight.index.generations import clusters as clustering
from copysight.index.generations import generation as files
from copysight.index.generations import index_type as index_types
from copysight.index.generations import manifest
from copysight.index.generations.clusters import Clusters
from copysight.index.generations.engines.engine import Contents, Engine
from copysight.index.generations.engines.files.engine import VECTORS, map_vectors
from copysight.index.generations.generation import Generation
from copysight.index.generations.index_type import IndexType
from copysight.index.generations.manifest import Manifest
from copysight.index.publishing import publish_checks
from copysight.index.publishing.publish_checks import Gate
from copysight.system import durable
from copysight.vectors.representatives import Representatives

RECALL_MARGIN = 0.01  # the search is widened until recall exceeds the gate's minimum by this much

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class GenerationOptions:
    """Parameters of a new generation. None for ``choice`` or ``clusters`` means the default."""

    model: str
    variant: str
    dimension: int
    choice: IndexType | None
    clusters: int | None
    previous_clusters: Clusters | None
    gate: Gate
    seed: int
    built_at: float


@dataclass(frozen=True)
class Exported:
    """The rows read from the catalog at ``sequence``: ``ids (N,)``, and ``codes (N,)`` into ``collections``."""

    ids: npt.NDArray[np.int64]
    codes: npt.NDArray[np.int32]
    collections: tuple[str, ...]
    sequence: int


@dataclass(frozen=True)
class CalibrationInput:
    """The input of a calibration: ``ids (N,)`` and ``vectors (N,D)``, row by row, of one model and variant."""

    model: str
    variant: str
    ids: npt.NDArray[np.int64]
    vectors: Floats


@dataclass(frozen=True)
class Calibrated:
    """What a calibration found: the contents of ``calibration.json``, and what it normalised scores with."""

    settings: Mapping[str, Any]
    representatives: Representatives | None = None


Calibrate = Callable[[CalibrationInput], Calibrated | None]


def write(
    directory: Path,
    name: str,
    engine: Engine,
    catalog: Catalog,
    options: GenerationOptions,
    calibrate: Calibrate,
    report: Callable[[str, int, int], None],
) -> Manifest:
    """Make the generation ``name`` in ``directory``, which does not have its name yet. Returns the manifest.

    Raises ``InvalidArgument`` for an index type that the engine does not have, ``VectorsUnavailable``.
    """
    exported = _export(directory, catalog, options.model, report)
    vectors = map_vectors(directory / VECTORS, len(exported.ids), options.dimension)
    report("index", 0, 1)
    choice = options.choice or engine.choose(len(vectors), options.dimension)
    engine.check(choice, options.dimension)
    searcher = engine.build(directory, name, Contents(exported.ids, vectors), choice, options.seed)
    report("clusters", 0, 1)
    count = options.clusters or clustering.default_count(len(vectors))
    made = clustering.make(vectors, count, options.seed, options.previous_clusters)
    clustering.save(directory, made)
    report("calibration", 0, 1)
    calibrated = calibrate(CalibrationInput(options.model, options.variant, exported.ids, vectors))
    if calibrated is not None:
        (directory / files.CALIBRATION).write_text(json.dumps(calibrated.settings, indent=1) + "\n")
        if calibrated.representatives is not None:
            files.save_representatives(directory, calibrated.representatives)
    report("recall", 0, 1)
    collection = engine.seal(directory, name)
    draft = replace(_describe(directory, options, exported, choice, len(made.ids)), collection=collection)
    trial = Generation(name, directory, draft, exported.ids, exported.codes, searcher, made, None)
    described = _tune_search(trial, vectors, options)
    manifest.write(directory, described)
    return described


def _export(directory: Path, catalog: Catalog, model: str, report: Callable[[str, int, int], None]) -> Exported:
    total, done, sequence = catalog.count(), 0, 0
    ids: list[npt.NDArray[np.int64]] = [np.empty(0, np.int64)]
    codes: list[npt.NDArray[np.int32]] = [np.empty(0, np.int32)]
    names: dict[str, int] = {}
    with (directory / VECTORS).open("wb") as file:
        for part in catalog.stream(model):
            if not isinstance(part, Vectors):
                sequence = part
                continue
            file.write(part.vectors.astype("<f4", copy=False).tobytes())
            ids.append(part.ids)
            codes.append(np.asarray([names.setdefault(name, len(names)) for name in part.collections], np.int32))
            done += len(part.ids)
            report("vectors", done, total)
    exported = Exported(np.concatenate(ids), np.concatenate(codes), tuple(names), sequence)
    exported.ids.astype("<i8").tofile(directory / files.IDS)
    exported.codes.astype("<i4").tofile(directory / files.CODES)
    return exported


def _describe(
    directory: Path, options: GenerationOptions, exported: Exported, choice: IndexType, clusters: int
) -> Manifest:
    return Manifest(
        bundle=options.model,
        variant=options.variant,
        sequence=exported.sequence,
        count=len(exported.ids),
        dimension=options.dimension,
        choice=choice,
        recall=0.0,
        clusters=clusters,
        collections=exported.collections,
        built_at=options.built_at,
        files={path.name: durable.sha256(path) for path in sorted(directory.iterdir())},
    )


def _tune_search(trial: Generation, vectors: Floats, options: GenerationOptions) -> Manifest:
    """The manifest with the measured recall. Unless ``choice`` is given, widen the search until recall suffices."""
    described = trial.manifest
    while True:
        recall = publish_checks.measure(replace(trial, manifest=described), vectors, options.gate.sample, options.seed)
        described = replace(described, recall=recall)
        wider = index_types.widened(described.choice) if options.choice is None else None
        if recall >= min(1.0, options.gate.recall + RECALL_MARGIN) or wider is None:
            return described
        described = replace(described, choice=wider)
