"""Run a bundle's graphs with ONNX Runtime, which is imported only here."""

import json
import logging
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
from PIL import Image

from copysight.errors import BundleCorrupt, InvalidArgument
from copysight.model.bundle import Bundle, Graph
from copysight.pictures.preprocess import to_tensor
from copysight.system import processors

Float = npt.NDArray[np.float32]
Inputs = Mapping[str, Float]
"""Name of a graph -> its input (3, S, S): one preprocessed picture."""

log = logging.getLogger(__name__)
PROVIDERS = {
    "cuda": "CUDAExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "cpu": "CPUExecutionProvider",
}
"""ONNX Runtime's names of the providers, in the order in which ``first_provider`` tries them."""
BUCKETS = {"cpu": (1,), "openvino": (1,), "cuda": (1, 4, 16, 64)}
"""Batch sizes. On a CPU a batch gives no more throughput, and with one picture at a time an embedding does not depend,
bit for bit, on the other pictures. On a GPU a few fixed sizes keep the memory arena from growing."""
OPENVINO: dict[str, Any] = {
    "device_type": "CPU",
    "load_config": json.dumps({"CPU": {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": "1"}}),
}
"""float32, as ONNX Runtime computes, and one thread per call. 8-bit graphs run on ONNX Runtime's own kernels: OpenVINO
runs them less exactly (cosine to float32 of 0.998 instead of 0.9995) and no faster than float32."""


@dataclass(frozen=True)
class Runtime:
    """How the graphs run: threads per call, precision (variant), and execution provider."""

    threads: int = 1
    variant: str = "fp32"
    provider: str = "cpu"


@dataclass(frozen=True)
class Features:
    """Outputs for B pictures; ``None`` if not requested. ``prototypes`` and ``activations`` are logits."""

    embedding: Float | None = None
    attention: Float | None = None
    prototypes: Float | None = None
    patches: Float | None = None
    activations: Float | None = None
    contributions: Float | None = None


ON_DEMAND = frozenset({"patches", "contributions"})
"""A graph that gives nothing but these is loaded when it is first run: a service that searches never needs it, and it
would take the memory of a second network."""


class Embedder:
    """A bundle's graphs, loaded and ready to run. Thread-safe: all callers share the sessions and their weights."""

    def __init__(self, bundle: Bundle, runtime: Runtime = Runtime()) -> None:
        self.bundle = bundle
        self.runtime = runtime
        at_once = [name for name, graph in bundle.graphs.items() if not ON_DEMAND.issuperset(graph.outputs)]
        self._sessions = {name: _session(bundle, name, runtime) for name in at_once}
        self._loading = threading.Lock()
        # Without this, ONNX Runtime computes the whole graph even if only one output is fetched.
        self._options = ort.RunOptions()
        self._options.only_execute_path_to_fetches = True

    def prepare(self, picture: Image.Image, outputs: Sequence[str] = ("embedding",)) -> Inputs:
        """Preprocess one RGB picture for every graph that ``outputs`` need. Runs on the CPU; thread-safe."""
        names = {self.bundle.graph_of(output) for output in outputs}
        return {name: to_tensor(picture, self.bundle.graphs[name].preprocess) for name in sorted(names)}

    def run(self, inputs: Sequence[Inputs], outputs: Sequence[str] = ("embedding",)) -> Features:
        """Run the graphs that ``outputs`` need on preprocessed pictures. Raises ``OutputMissing``."""
        return Features(**self._outputs(inputs, outputs))

    def embed(self, pictures: Sequence[Image.Image]) -> Float:
        """Embed RGB pictures: (B, D) float32, L2-normalised."""
        return self._single("embedding", pictures)

    def embed_parallel(self, pictures: Sequence[Image.Image]) -> Float:
        """As ``embed``, on all processors, one picture on each. For jobs; the service has its own scheduling."""
        with ThreadPoolExecutor(processors.available()) as pool:
            return np.concatenate(list(pool.map(lambda picture: self.embed([picture]), pictures)))

    def attention_maps(self, pictures: Sequence[Image.Image]) -> Float:
        """[CLS] attention of the last block, per head: (B, H, rows, columns). Raises ``OutputMissing``."""
        return self._single("attention", pictures)

    def assign(self, pictures: Sequence[Image.Image]) -> Float:
        """Probabilities of the prototypes: (B, K). Raises ``OutputMissing``."""
        return probabilities(self._single("prototypes", pictures), self.bundle)

    def prototype_maps(self, pictures: Sequence[Image.Image]) -> Float:
        """Prototype logits at each position: (B, K, rows, columns). Raises ``OutputMissing``."""
        return self._single("activations", pictures)

    def places(self, pixels: Float) -> Float:
        """Patches (rows, columns, D) of one preprocessed picture (3, height, width) of any size.

        Height and width are multiples of the stride of ``bundle.patches``. Raises ``OutputMissing`` for a bundle whose
        patches have a fixed size, or that has none, and ``InvalidArgument`` for another size.
        """
        about = self.bundle.patches
        if about is None or about.any_size is None or about.stride is None:
            raise self.bundle.missing("patches of any size" if about else "patches")
        height, width = pixels.shape[1:]
        if height % about.stride or width % about.stride or not min(height, width):
            raise InvalidArgument(
                f"got a picture of {height} x {width} px for patches of {about.stride} px; resize it to multiples of "
                f"{about.stride}"
            )
        [patches] = self._run_graph(about.any_size, ("patches",), pixels[None])
        return np.asarray(patches[0].reshape(height // about.stride, width // about.stride, -1), np.float32)

    def _single(self, output: str, pictures: Sequence[Image.Image]) -> Float:
        inputs = [self.prepare(picture, (output,)) for picture in pictures]
        return self._outputs(inputs, (output,))[output]

    def _outputs(self, inputs: Sequence[Inputs], outputs: Sequence[str]) -> dict[str, Float]:
        if not inputs:
            raise InvalidArgument("got no picture; send at least one")
        by_graph: dict[str, list[str]] = {}
        for output in outputs:
            by_graph.setdefault(self.bundle.graph_of(output), []).append(output)
        found: dict[str, Float] = {}
        for graph, names in by_graph.items():
            batch = np.stack([item[graph] for item in inputs])
            found |= dict(zip(names, self._run_graph(graph, names, batch), strict=True))
        return found

    def _run_graph(self, graph: str, names: Sequence[str], batch: Float) -> list[Float]:
        rows: list[list[Float]] = []
        for chunk, count in _chunks(batch, BUCKETS[self.runtime.provider]):
            outputs = self._session(graph).run(names, {"pictures": chunk}, self._options)
            rows.append([output[:count] for output in outputs])
        return [np.concatenate(parts) for parts in zip(*rows, strict=True)]

    def _session(self, graph: str) -> ort.InferenceSession:
        if graph not in self._sessions:
            with self._loading:
                if graph not in self._sessions:
                    self._sessions[graph] = _session(self.bundle, graph, self.runtime)
        return self._sessions[graph]


def first_provider(bundle: Bundle) -> str:
    """The first of CUDA, OpenVINO and CPU on which the graphs of ``bundle`` start on this machine.

    ONNX Runtime lists the providers that it was built for, even if the machine lacks them. So the graphs are loaded
    once to find out.
    """
    for name in [name for name, full in PROVIDERS.items() if full in ort.get_available_providers() and name != "cpu"]:
        try:
            Embedder(bundle, Runtime(provider=name))
        except (InvalidArgument, BundleCorrupt) as error:
            log.warning("The provider %s cannot start: %s", name, error.message)
        else:
            return name
    return "cpu"


def probabilities(logits: Float, bundle: Bundle) -> Float:
    """Convert prototype logits (B, K) to probabilities, at the bundle's temperature. Raises ``OutputMissing``."""
    if bundle.prototypes is None:
        raise bundle.missing("prototypes")
    scaled = logits / np.float32(bundle.prototypes.temperature)
    weights = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float32)


def _session(bundle: Bundle, name: str, runtime: Runtime) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = runtime.threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    # Threads that spin while waiting take processor time from other sessions (measured: 97-111 ms; 61 ms without).
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    graph = bundle.graphs[name]
    path = bundle.path / _file(graph, runtime, bundle)
    provider = _provider(runtime, path.name != graph.variants["fp32"].file)
    settings = OPENVINO if provider == PROVIDERS["openvino"] else {}
    try:
        session = ort.InferenceSession(str(path), options, providers=[(provider, settings)])
    except Exception as error:
        # ONNX Runtime's errors have no common base class below Exception.
        raise BundleCorrupt(f"{path} cannot be loaded ({error}); export the bundle again") from error
    if provider not in session.get_providers():
        raise _no_provider(runtime)
    return session


def _provider(runtime: Runtime, in_8_bits: bool) -> str:
    """ONNX Runtime's name of the provider. Raises ``InvalidArgument`` if ONNX Runtime was built without it."""
    provider = PROVIDERS[runtime.provider]
    if provider not in ort.get_available_providers():
        raise _no_provider(runtime)
    if runtime.provider == "openvino" and in_8_bits:
        return PROVIDERS["cpu"]
    if runtime.provider == "cuda":
        # CUDA and cuDNN are installed as separate wheels, outside the loader's search path.
        ort.preload_dlls()
    return provider


def _no_provider(runtime: Runtime) -> InvalidArgument:
    # ONNX Runtime would fall back to the CPU, a hundred times slower, and print only a line on stderr.
    remedy = {
        "cuda": "install the `gpu` extra on a machine with an NVIDIA driver (the lines above show what is missing)",
        "openvino": "install `onnxruntime-openvino` instead of `onnxruntime`",
    }.get(runtime.provider, "install ONNX Runtime again")
    return InvalidArgument(
        f"got the provider {runtime.provider!r}, which ONNX Runtime cannot start here; {remedy}, or use the provider "
        "'cpu'"
    )


def _file(graph: Graph, runtime: Runtime, bundle: Bundle) -> str:
    if runtime.variant not in graph.variants:
        # A graph without this precision runs in fp32. A bundle may have int8 only for the graph of the embedding.
        if not any(runtime.variant in other.variants for other in bundle.graphs.values()):
            known = sorted({variant for other in bundle.graphs.values() for variant in other.variants})
            raise InvalidArgument(
                f"the bundle {bundle.name!r} has no variant {runtime.variant!r}; choose one of {known}"
            )
        return graph.variants["fp32"].file
    return graph.variants[runtime.variant].file


def _chunks(batch: Float, buckets: Sequence[int]) -> list[tuple[Float, int]]:
    """Split (B, ...) into chunks of bucket sizes, padded with zeros, each with its number of real rows."""
    chunks = []
    for start in range(0, len(batch), buckets[-1]):
        rows = batch[start : start + buckets[-1]]
        size = next(bucket for bucket in buckets if bucket >= len(rows))
        padding = np.zeros((size - len(rows), *rows.shape[1:]), np.float32)
        chunks.append((np.concatenate([rows, padding]) if len(padding) else rows, len(rows)))
    return chunks
