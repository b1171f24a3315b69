"""Writing a generation's files into a directory that is being made."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from copysight.catalog import Catalog, Vectors
from copysight.index.generations import clusters as clustering
from copysight.index.generations import faiss_index, manifest
from copysight.index.generations import generation as files
from copysight.index.generations import index_type as choices
from copysight.index.generations.clusters import Clusters
from copysight.index.generations.generation import Generation, mapped
from copysight.index.generations.index_type import Choice
from copysight.index.generations.manifest import Manifest
from copysight.index.publishing import publish_checks as gates
from copysight.index.publishing.publish_checks import Gate
from copysight.system import durable

SPARE_RECALL = 0.01  # the search is widened until recall is so far above the gate's least

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Wanted:
    """What the generation shall be; ``choice`` and ``clusters`` None: as the tables say."""

    model: str
    variant: str
    dimension: int
    choice: Choice | None
    clusters: int | None
    before: Clusters | None
    gate: Gate
    seed: int
    built_at: float


@dataclass(frozen=True)
class Exported:
    """What came from the catalog: ``ids (N,)``, names of collections, and the sequence that all of it is of."""

    ids: npt.NDArray[np.int64]
    codes: npt.NDArray[np.int32]
    collections: tuple[str, ...]
    sequence: int


@dataclass(frozen=True)
class Contents:
    """What a calibration is made from: ids ``(N,)`` and vectors ``(N,D)``, row by row, of a model in one precision."""

    model: str
    variant: str
    ids: npt.NDArray[np.int64]
    vectors: Floats


def write(
    directory: Path,
    catalog: Catalog,
    wanted: Wanted,
    calibrate: Callable[[Contents], Mapping[str, Any] | None],
    report: Callable[[str, int, int], None],
) -> Manifest:
    """Write vectors, FAISS index, clusters, calibration and manifest, in this order."""
    exported = _export(directory, catalog, wanted.model, report)
    vectors = mapped(directory / files.VECTORS, len(exported.ids), wanted.dimension)
    report("index", 0, 1)
    choice = wanted.choice or choices.choose(len(vectors), wanted.dimension)
    faiss = faiss_index.build(choice, vectors, wanted.seed)
    if faiss is not None:
        faiss_index.write(faiss, str(directory / files.FAISS))
    report("clusters", 0, 1)
    count = wanted.clusters or clustering.usual_count(len(vectors))
    made = clustering.make(vectors, count, wanted.seed, wanted.before)
    clustering.save(directory, made)
    report("calibration", 0, 1)
    calibration = calibrate(Contents(wanted.model, wanted.variant, exported.ids, vectors))
    if calibration is not None:
        (directory / files.CALIBRATION).write_text(json.dumps(calibration, indent=1) + "\n")
    report("recall", 0, 1)
    draft = _describe(directory, wanted, exported, choice, len(made.ids))
    trial = Generation(
        directory.name, directory, draft, exported.ids, vectors, exported.codes, faiss, made, calibration
    )
    described = _tuned(trial, wanted)
    manifest.write(directory, described)
    return described


def _export(directory: Path, catalog: Catalog, model: str, report: Callable[[str, int, int], None]) -> Exported:
    total, done, sequence = catalog.count(), 0, 0
    ids: list[npt.NDArray[np.int64]] = [np.empty(0, np.int64)]
    codes: list[npt.NDArray[np.int32]] = [np.empty(0, np.int32)]
    names: dict[str, int] = {}
    with (directory / files.VECTORS).open("wb") as file:
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


def _describe(directory: Path, wanted: Wanted, exported: Exported, choice: Choice, clusters: int) -> Manifest:
    return Manifest(
        bundle=wanted.model,
        variant=wanted.variant,
        sequence=exported.sequence,
        count=len(exported.ids),
        dimension=wanted.dimension,
        choice=choice,
        recall=0.0,
        clusters=clusters,
        collections=exported.collections,
        built_at=wanted.built_at,
        files={path.name: durable.sha256(path) for path in sorted(directory.iterdir())},
    )


def _tuned(trial: Generation, wanted: Wanted) -> Manifest:
    """The manifest with its measured recall; unless the user chose, the search is widened until that suffices."""
    described = trial.manifest
    while True:
        recall = gates.measure(replace(trial, manifest=described), wanted.gate.sample, wanted.seed)
        described = replace(described, recall=recall)
        wider = choices.widened(described.choice) if wanted.choice is None else None
        if recall >= min(1.0, wanted.gate.recall + SPARE_RECALL) or wider is None:
            return described
        described = replace(described, choice=wider)
