"""Read and write a model bundle: an exported model as an immutable directory (docs/reference/bundle.md)."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from copysight.errors import BundleCorrupt, BundleNotFound, InvalidArgument, OutputMissing
from copysight.model.outputs import (
    Activations,
    Attention,
    Contributions,
    Embedding,
    Patches,
    PlaceGrid,
    Prototypes,
)
from copysight.pictures.preprocess import Preprocess
from copysight.system import durable
from copysight.vectors.score_normalisation import ScoreNormalisation

FORMAT = 1
DESCRIPTION = "bundle.json"
MIN_DISPLAY_SIDE = 256
"""Minimum shortest side, in pixels, of pictures for thumbnails and drawings."""
MIN_COSINE, MIN_LEAST = 0.999, 0.97
"""Another precision may replace fp32 if the mean cosine of its embeddings to fp32, on real pictures, is at least the
first, and the least the second. The least alone tells of the oddest picture, such as a window that is nearly blank."""
DEFAULT = Path(__file__).parent.parent / "models" / "default"
T = TypeVar("T")


@dataclass(frozen=True)
class Variant:
    """One precision of a graph: its file, and the least and mean cosine of its embeddings to fp32, on real pictures.

    Bundles of older versions state no mean; the least stands for it.
    """

    file: str
    cosine: float
    mean: float | None = None

    @property
    def agreement(self) -> float:
        """The mean cosine to fp32; 0 if the least is too low to replace it."""
        mean = self.cosine if self.mean is None else self.mean
        return mean if self.cosine >= MIN_LEAST else 0.0


@dataclass(frozen=True)
class Graph:
    """One network: its preprocessing, its outputs, and its precisions by name."""

    preprocess: Preprocess
    outputs: tuple[str, ...]
    variants: Mapping[str, Variant]


@dataclass(frozen=True)
class Background:
    """Embeddings of ``count`` unrelated pictures for score normalisation: a NumPy file, float16, L2-normalised rows.

    ``nearest`` and ``weight`` are those of `ScoreNormalisation`; older bundles, which do not have them, use 3 and 1.
    """

    file: str
    count: int
    nearest: int = 3
    weight: float = 1.0


@dataclass(frozen=True)
class Numerics:
    """Agreement of the exported fp32 graphs with PyTorch: largest absolute difference, smallest cosine."""

    largest_difference: float
    cosine: float


@dataclass(frozen=True)
class Bundle:
    """A verified bundle. ``id`` is the sha256 of ``bundle.json``, which holds the sha256 of every other file."""

    path: Path
    id: str
    name: str
    method: str
    backbone: str
    training: Mapping[str, Any]
    licence: str
    graphs: Mapping[str, Graph]
    embedding: Embedding
    attention: Attention | None
    prototypes: Prototypes | None
    patches: Patches | None
    activations: Activations | None
    contributions: Contributions | None
    numerics: Numerics
    calibration: Mapping[str, Any] | None
    background: Background | None
    files: Mapping[str, str]

    @property
    def dimension(self) -> int:
        """D, the length of an embedding."""
        return self.embedding.dimension

    @property
    def at_least(self) -> int:
        """Minimum shortest side, in pixels, of a scaled decode: enough for every graph, thumbnails and drawings."""
        return max(MIN_DISPLAY_SIDE, *(graph.preprocess.at_least for graph in self.graphs.values()))

    @property
    def any_size(self) -> bool:
        """Whether there are patches of pictures of any size."""
        return self.patches is not None and self.patches.any_size is not None

    @property
    def default_variant(self) -> str:
        """The precision of new indexes: int8, which is twice as fast, if its embeddings agree with fp32; else fp32."""
        reduced = [graph.variants.get("int8") for graph in self.graphs.values() if "embedding" in graph.outputs]
        good = any(variant is not None and variant.agreement >= MIN_COSINE for variant in reduced)
        return "int8" if good else "fp32"

    def background_vectors(self) -> npt.NDArray[np.float32]:
        """Background vectors (M, D) for score normalisation, L2-normalised; M is 0 if the bundle has none."""
        if self.background is None:
            return np.empty((0, self.dimension), np.float32)
        rows = np.load(self.path / self.background.file).astype(np.float32)
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)

    def score_normalisation(self) -> ScoreNormalisation:
        """The score normalisation of the bundle; it changes nothing if the bundle has no background."""
        vectors = self.background_vectors()
        if self.background is None:
            return ScoreNormalisation(vectors)
        return ScoreNormalisation(vectors, self.background.nearest, self.background.weight)

    def graph_of(self, output: str) -> str:
        """Name of the graph that has ``output``. Raises ``OutputMissing``."""
        if output == "patches" and self.patches is not None:
            return self.patches.graph  # a graph for any size may give them as well
        for name, graph in self.graphs.items():
            if output in graph.outputs:
                return name
        raise self.missing(output)

    def missing(self, output: str) -> OutputMissing:
        """The error for a bundle without ``output``."""
        return OutputMissing(
            f"the bundle {self.name!r} ({self.backbone}) gives no {output}; use a bundle "
            "that does (vision transformers give attention and patches; a bundle exported with its head, prototypes)",
            output=output,
        )


def load(path: str | Path, verify: bool = True) -> Bundle:
    """Read a bundle. The path ``default`` is the bundle that comes with the package.

    ``verify`` compares every file with its sha256. Raises ``BundleNotFound`` or ``BundleCorrupt``.
    """
    directory = DEFAULT if str(path) == "default" else Path(path)
    description = directory / DESCRIPTION
    if not description.is_file():
        raise BundleNotFound(f"there is no bundle at {directory} (no {DESCRIPTION}); make one with `copysight export`")
    data = description.read_bytes()
    bundle = _parse(directory, data)
    if verify:
        _verify(bundle)
    return bundle


def write(path: Path, manifest: Mapping[str, Any], files: Mapping[str, Path | bytes]) -> Bundle:
    """Write a bundle atomically: temporary name, fsync, rename. Raises ``InvalidArgument`` if ``path`` exists.

    ``manifest`` is ``bundle.json`` without ``format`` and ``files``, which are added here.
    """
    if path.exists():
        raise InvalidArgument(f"{path} exists already, and a bundle never changes; choose another path or remove it")
    with durable.new_directory(path) as directory:
        for name, content in files.items():
            (directory / name).write_bytes(content if isinstance(content, bytes) else content.read_bytes())
        sums = {name: durable.sha256(directory / name) for name in sorted(files)}
        text = json.dumps({"format": FORMAT, **manifest, "files": sums}, indent=1)
        (directory / DESCRIPTION).write_text(text + "\n")
    return load(path)


def _parse(directory: Path, data: bytes) -> Bundle:
    try:
        manifest = json.loads(data)
        _check_format(manifest)
        return Bundle(
            path=directory,
            id=hashlib.sha256(data).hexdigest(),
            **{key: manifest[key] for key in ("name", "method", "backbone", "training", "licence", "calibration")},
            graphs={name: _graph(graph) for name, graph in manifest["graphs"].items()},
            embedding=Embedding(**manifest["embedding"]),
            attention=_optional(Attention, manifest["attention"]),
            prototypes=_optional(Prototypes, manifest["prototypes"]),
            patches=_optional(Patches, manifest["patches"]),
            activations=_optional(Activations, manifest.get("activations")),
            contributions=_contributions(manifest.get("contributions")),
            numerics=Numerics(**manifest["numerics"]),
            background=_optional(Background, manifest.get("background")),
            files=manifest["files"],
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BundleCorrupt(
            f"{directory / DESCRIPTION} is not a valid bundle description ({error!r}); export the bundle again"
        ) from error


def _check_format(manifest: Mapping[str, Any]) -> None:
    if manifest["format"] != FORMAT:
        raise ValueError(f"got format {manifest['format']}; this version reads format {FORMAT}")
    if any("/" in name or name.startswith(".") for name in manifest["files"]):
        raise ValueError("a file name contains a path")


def _graph(data: Mapping[str, Any]) -> Graph:
    return Graph(
        preprocess=Preprocess.from_json(data["preprocess"]),
        outputs=tuple(data["outputs"]),
        variants={name: Variant(**variant) for name, variant in data["variants"].items()},
    )


def _optional(kind: type[T], data: Mapping[str, Any] | None) -> T | None:
    if data is None:
        return None
    return kind(**{key: tuple(value) if key == "grid" else value for key, value in data.items()})


def _contributions(data: Mapping[str, Any] | None) -> Contributions | None:
    if data is None:
        return None
    grids = (PlaceGrid(**{**grid, "box": tuple(grid["box"])}) for grid in data["grids"])
    return Contributions(data["graph"], tuple(grids))


def _verify(bundle: Bundle) -> None:
    for name, expected in bundle.files.items():
        file = bundle.path / name
        if not file.is_file() or durable.sha256(file) != expected:
            raise BundleCorrupt(f"{file} is missing or differs from its checksum; export or copy the bundle again")
    used = {variant.file for graph in bundle.graphs.values() for variant in graph.variants.values()}
    used |= {bundle.background.file} if bundle.background else set()
    if missing := used - bundle.files.keys():
        raise BundleCorrupt(f"{bundle.path} has files without a checksum: {sorted(missing)}; export the bundle again")
