"""The exported model at work. The only home of ONNX Runtime."""

import json
import logging
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
"""Name of a graph -> its (3, S, S) input: one picture, prepared."""

log = logging.getLogger(__name__)
PROVIDERS = {
    "cuda": "CUDAExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "cpu": "CPUExecutionProvider",
}
"""ONNX Runtime's names, in the order in which ``first_provider`` tries them."""
BUCKETS = {"cpu": (1,), "openvino": (1,), "cuda": (1, 4, 16, 64)}
"""Batch sizes a session sees. On a CPU a batch buys no throughput, and one picture at a time makes an embedding
independent, bit for bit, of its neighbours. On a GPU a few fixed sizes keep the memory arena flat."""
OPENVINO: dict[str, Any] = {
    "device_type": "CPU",
    "load_config": json.dumps({"CPU": {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": "1"}}),
}
"""float32 as in ONNX Runtime, and a thread a call. Graphs in 8 bits are left to ONNX Runtime's own kernels: OpenVINO
reads them otherwise (a cosine of .998 to float32 where those keep .9995, and at the speed of float32)."""


@dataclass(frozen=True)
class Runtime:
    """Where and how the graphs run: threads of one call, the precision, the processor."""

    threads: int = 1
    variant: str = "fp32"
    provider: str = "cpu"


@dataclass(frozen=True)
class Features:
    """Outputs for B pictures; what was not asked for is ``None``. ``prototypes`` and ``activations`` are logits."""

    embedding: Float | None = None
    attention: Float | None = None
    prototypes: Float | None = None
    patches: Float | None = None
    activations: Float | None = None


class Embedder:
    """A bundle's graphs, ready to run. Thread-safe: sessions and their weights are shared by all callers."""

    def __init__(self, bundle: Bundle, runtime: Runtime = Runtime()) -> None:
        self.bundle = bundle
        self.runtime = runtime
        self._sessions = {name: _session(bundle, name, runtime) for name in bundle.graphs}
        # Without this, ONNX Runtime computes the whole graph whatever is fetched.
        self._options = ort.RunOptions()
        self._options.only_execute_path_to_fetches = True

    def prepare(self, picture: Image.Image, outputs: Sequence[str] = ("embedding",)) -> Inputs:
        """Resize and normalise one RGB picture for every graph that ``outputs`` need; pure CPU work, thread-safe."""
        names = {self.bundle.graph_of(output) for output in outputs}
        return {name: to_tensor(picture, self.bundle.graphs[name].preprocess) for name in sorted(names)}

    def run(self, inputs: Sequence[Inputs], outputs: Sequence[str] = ("embedding",)) -> Features:
        """Run the graphs that ``outputs`` need over prepared pictures. Raises ``OutputMissing``."""
        return Features(**self._outputs(inputs, outputs))

    def embed(self, pictures: Sequence[Image.Image]) -> Float:
        """RGB pictures to (B, D) float32, L2-normalised."""
        return self._only("embedding", pictures)

    def embed_each(self, pictures: Sequence[Image.Image]) -> Float:
        """As ``embed``, with every processor at work on a picture of its own: for jobs, not for a service's loop."""
        with ThreadPoolExecutor(processors.available()) as pool:
            return np.concatenate(list(pool.map(lambda picture: self.embed([picture]), pictures)))

    def attend(self, pictures: Sequence[Image.Image]) -> Float:
        """RGB pictures to (B, H, rows, columns): last block's [CLS] attention per head. Raises ``OutputMissing``."""
        return self._only("attention", pictures)

    def assign(self, pictures: Sequence[Image.Image]) -> Float:
        """RGB pictures to (B, K) probabilities over the prototypes. Raises ``OutputMissing``."""
        return probabilities(self._only("prototypes", pictures), self.bundle)

    def activate(self, pictures: Sequence[Image.Image]) -> Float:
        """RGB pictures to (B, K, rows, columns): logits of the prototypes at each place. Raises ``OutputMissing``."""
        return self._only("activations", pictures)

    def _only(self, output: str, pictures: Sequence[Image.Image]) -> Float:
        inputs = [self.prepare(picture, (output,)) for picture in pictures]
        return self._outputs(inputs, (output,))[output]

    def _outputs(self, inputs: Sequence[Inputs], outputs: Sequence[str]) -> dict[str, Float]:
        if not inputs:
            raise InvalidArgument("got no picture; send at least one")
        wanted: dict[str, list[str]] = {}
        for output in outputs:
            wanted.setdefault(self.bundle.graph_of(output), []).append(output)
        found: dict[str, Float] = {}
        for graph, names in wanted.items():
            batch = np.stack([item[graph] for item in inputs])
            found |= dict(zip(names, self._run_graph(graph, names, batch), strict=True))
        return found

    def _run_graph(self, graph: str, names: Sequence[str], batch: Float) -> list[Float]:
        rows: list[list[Float]] = []
        for chunk, count in _chunks(batch, BUCKETS[self.runtime.provider]):
            outputs = self._sessions[graph].run(names, {"pictures": chunk}, self._options)
            rows.append([output[:count] for output in outputs])
        return [np.concatenate(parts) for parts in zip(*rows, strict=True)]


def first_provider(bundle: Bundle) -> str:
    """The first of CUDA, OpenVINO and the CPU on which the graphs of ``bundle`` start here.

    A wheel names what it was built for, whether or not the machine has it: so they are loaded once, to see.
    """
    for name in [name for name, full in PROVIDERS.items() if full in ort.get_available_providers() and name != "cpu"]:
        try:
            Embedder(bundle, Runtime(provider=name))
        except (InvalidArgument, BundleCorrupt) as error:
            log.warning("the provider %s cannot start: %s", name, error.message)
        else:
            return name
    return "cpu"


def probabilities(logits: Float, bundle: Bundle) -> Float:
    """Prototype logits (B, K) to probabilities: softmax at the bundle's temperature. Raises ``OutputMissing``."""
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
    # Spinning threads of several sessions burn the processor that the others need (measured: 97-111 ms against 61).
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    graph = bundle.graphs[name]
    path = bundle.path / _file(graph, runtime, bundle)
    provider = _provider(runtime, path.name != graph.variants["fp32"].file)
    settings = OPENVINO if provider == PROVIDERS["openvino"] else {}
    try:
        session = ort.InferenceSession(str(path), options, providers=[(provider, settings)])
    except Exception as error:
        # ONNX Runtime's errors share no base class below Exception.
        raise BundleCorrupt(f"{path} cannot be loaded ({error}); export the bundle again") from error
    if provider not in session.get_providers():
        raise _no_provider(runtime)
    return session


def _provider(runtime: Runtime, in_8_bits: bool) -> str:
    """ONNX Runtime's name of the processor. Raises ``InvalidArgument`` where its wheel cannot run on that one."""
    provider = PROVIDERS[runtime.provider]
    if provider not in ort.get_available_providers():
        raise _no_provider(runtime)
    if runtime.provider == "openvino" and in_8_bits:
        return PROVIDERS["cpu"]
    if runtime.provider == "cuda":
        # CUDA and cuDNN come in wheels of their own, which no search path of the loader names.
        ort.preload_dlls()
    return provider


def _no_provider(runtime: Runtime) -> InvalidArgument:
    # ONNX Runtime itself would fall back to the CPU, a hundred times slower, with no more than a line on stderr.
    needed = {
        "cuda": "install the `gpu` extra on a machine with an NVIDIA driver (lines above name what is missing)",
        "openvino": "install `onnxruntime-openvino` in the place of `onnxruntime`",
    }.get(runtime.provider, "install ONNX Runtime anew")
    return InvalidArgument(
        f"got the provider {runtime.provider!r}, which ONNX Runtime cannot start here; {needed}, or take the provider "
        "'cpu'"
    )


def _file(graph: Graph, runtime: Runtime, bundle: Bundle) -> str:
    if runtime.variant not in graph.variants:
        # A graph without this precision runs in fp32: a bundle may reduce only the graph that gives the embedding.
        if not any(runtime.variant in other.variants for other in bundle.graphs.values()):
            known = sorted({variant for other in bundle.graphs.values() for variant in other.variants})
            raise InvalidArgument(
                f"the bundle {bundle.name!r} has no variant {runtime.variant!r}; choose one of {known}"
            )
        return graph.variants["fp32"].file
    return graph.variants[runtime.variant].file


def _chunks(batch: Float, buckets: Sequence[int]) -> list[tuple[Float, int]]:
    """Cut (B, ...) into pieces of bucket sizes, the last one padded with zeros; with the count of real rows in each."""
    pieces = []
    for start in range(0, len(batch), buckets[-1]):
        rows = batch[start : start + buckets[-1]]
        size = next(bucket for bucket in buckets if bucket >= len(rows))
        padding = np.zeros((size - len(rows), *rows.shape[1:]), np.float32)
        pieces.append((np.concatenate([rows, padding]) if len(padding) else rows, len(rows)))
    return pieces
