"""Run somebody else's ONNX file itself, without this project's embedder: the yardstick of the numerics check."""

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
from PIL import Image

from copysight.errors import InvalidArgument
from copysight.pictures.preprocess import in_words, to_batch
from training.export.foreign.choices import Choices
from training.export.foreign.graph_file import GraphFile
from training.export.numerics import MIN_COSINE, smallest_cosine

Float = npt.NDArray[np.float32]
Array = npt.NDArray[np.generic]
USUAL = ("embedding", "embeddings", "image_embeds", "image_embedding", "image_features", "pooler_output", "features")
"""Names of the output that is taken if several would do, the first of them that is there."""


class FileSession:
    """A file in ONNX Runtime, on one thread. Raises ``InvalidArgument`` if it cannot be loaded."""

    def __init__(self, file: GraphFile, choices: Choices) -> None:
        self._file, self._choices = file, choices
        try:
            self._session = _session(str(file.path))
        except Exception as error:
            # ONNX Runtime's errors have no common base class below Exception.
            raise InvalidArgument(f"ONNX Runtime cannot load {file.path} ({_first_line(error)})") from error

    def run(self, pictures: Sequence[Image.Image]) -> dict[str, Array]:
        """All outputs for the pictures, in batches of the size that the file takes. Raises ``InvalidArgument``."""
        count = self._file.batch or 1
        padded = [*pictures, *[pictures[-1]] * (-len(pictures) % count)]
        parts = [self._run(padded[start : start + count]) for start in range(0, len(padded), count)]
        return {name: np.concatenate([part[name] for part in parts])[: len(pictures)] for name in parts[0]}

    def _run(self, pictures: Sequence[Image.Image]) -> dict[str, Array]:
        batch: Array = to_batch(pictures, self._choices.preprocess)
        if self._choices.layout == "NHWC":
            batch = np.ascontiguousarray(batch.transpose(0, 2, 3, 1))
        batch = np.rint(batch).astype(np.uint8) if self._file.dtype == "uint8" else batch.astype(self._file.dtype)
        names = [one.name for one in self._session.get_outputs()]
        try:
            found = self._session.run(names, {self._file.input: batch})
        except Exception as error:
            raise InvalidArgument(
                f"{self._file.path} does not take pictures of {in_words(self._choices.preprocess.size)} px "
                f"({_first_line(error)}); choose another --size"
            ) from error
        return {name: value for name, value in zip(names, found, strict=True) if isinstance(value, np.ndarray)}


def takes_batches(graph: bytes, pictures: Float, expected: Float) -> bool:
    """Whether a wrapped graph gives pictures (B, 3, height, width) in one batch their vectors ``expected`` (B, D)."""
    try:
        (found,) = _session(graph).run(["embedding"], {"pictures": pictures})
    except Exception:  # noqa: BLE001 - ONNX Runtime's errors have no common base class below it
        return False
    return bool(found.shape == expected.shape and smallest_cosine(found, expected) >= MIN_COSINE)


def choose_output(file: GraphFile, outputs: dict[str, Array], name: str | None, recipe: str | None) -> str:
    """The output that becomes the embedding: the given one, or the only one that is a vector for each picture.

    ``recipe`` (``cls``, ``pool``) makes vectors of outputs (B, T, D). Raises ``InvalidArgument`` if none will do, or
    several.
    """
    shown = ", ".join(f"{one} {'x'.join(map(str, value.shape))} {value.dtype}" for one, value in outputs.items())
    if name is not None and name not in outputs:
        raise InvalidArgument(f"got --output {name}, and {file.path} has {shown} (for {_count(outputs)})")
    considered = outputs if name is None else {name: outputs[name]}
    vectors = [one for one, value in considered.items() if _is_vector(value, recipe)]
    if not vectors:
        tokens = [one for one, value in considered.items() if value.ndim == 3 and _is_float(value)]
        remedy = (
            f"give --recipe cls (the first token of {tokens[0]}) or --recipe pool (the mean of all)"
            if tokens and recipe is None
            else "choose a file whose output is one vector for each picture"
        )
        raise InvalidArgument(f"no output of {file.path} is an array (pictures, dimensions): it has {shown}; {remedy}")
    if len(vectors) > 1 and not (usual := [one for one in USUAL if one in vectors]):
        raise InvalidArgument(f"several outputs of {file.path} could be the embedding: {shown}; choose one by --output")
    return vectors[0] if len(vectors) == 1 else usual[0]


def vectors_of(value: Array, recipe: str | None) -> Float:
    """One L2-normalised vector (B, D) for each picture, from an output (B, D), (B, T, D) or (B, D, 1, 1)."""
    rows = value.astype(np.float32)
    if rows.ndim == 3:
        rows = rows[:, 0] if recipe == "cls" else rows.mean(axis=1)
    rows = rows.reshape(len(rows), -1)
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12), np.float32)


def _is_vector(value: Array, recipe: str | None) -> bool:
    if not _is_float(value) or value.ndim < 2 or value.shape[1] < 2:
        return False
    if recipe is not None:
        return value.ndim == 3
    return value.ndim == 2 or (value.ndim == 4 and value.shape[2:] == (1, 1))


def _is_float(value: Array) -> bool:
    return np.issubdtype(value.dtype, np.floating)


def _count(outputs: dict[str, Array]) -> str:
    number = len(next(iter(outputs.values())))
    return f"{number} picture{'s' * (number != 1)}"


def _session(graph: str | bytes) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 4
    return ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def _first_line(error: Exception) -> str:
    return re.sub(r"^\[ONNXRuntimeError\] : \d+ : ", "", str(error).strip().splitlines()[0])[:300]
