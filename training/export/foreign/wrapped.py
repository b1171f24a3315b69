"""A foreign file with everything that is settled about it: how pictures go in, and which output is the embedding."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from copysight.errors import InvalidArgument
from copysight.pictures.preprocess import Preprocess, to_batch
from training.export.foreign import adapt, choices, graph_file
from training.export.foreign.choices import Choices, Wishes
from training.export.foreign.graph_file import GraphFile
from training.export.foreign.session import FileSession, choose_output, takes_batches, vectors_of
from training.export.numerics import synthetic_picture
from training.export.whitening import Whitening

Float = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Wrapped:
    """A file, how it is run, and its output ``output`` with ``rank`` axes, of which vectors (B, dimension) are made.

    ``batch`` is 1 if the graph takes one picture at a time, as the embedder runs it on a CPU, else None.
    """

    file: GraphFile
    session: FileSession
    choices: Choices
    output: str
    recipe: str | None
    rank: int
    dimension: int
    batch: int | None = None

    def graph(self, whitening: Whitening | None) -> bytes:
        """The ONNX graph of a bundle around the file, see `adapt.wrap`."""
        pooling = self.recipe if self.rank == 3 else None
        size, layout = self.choices.preprocess.size, self.choices.layout
        model = adapt.wrap(self.file, layout, size, self.output, pooling, self.rank, whitening, self.batch)
        data: bytes = model.SerializeToString()
        return data

    def vectors(self, pictures: Sequence[Image.Image]) -> Float:
        """L2-normalised vectors (B, dimension) from the file itself, in ONNX Runtime."""
        return vectors_of(self.session.run(pictures)[self.output], self.recipe)

    def with_preprocess(self, preprocess: Preprocess) -> "Wrapped":
        """The same file with another preprocessing."""
        changed = replace(self.choices, preprocess=preprocess)
        return replace(self, choices=changed, session=FileSession(self.file, changed))


def wrap(path: Path, wishes: Wishes) -> Wrapped:
    """Read a file, settle what is open, and run it on two pictures. Raises ``InvalidArgument``."""
    if wishes.recipe not in {None, "cls", "pool"}:
        raise InvalidArgument(f"got the recipe {wishes.recipe!r}; for an ONNX file choose one of cls, pool")
    file = graph_file.read(path)
    settled = choices.settle(file, wishes)
    session = FileSession(file, settled)
    pictures = [synthetic_picture(0), synthetic_picture(1)]
    outputs = session.run(pictures)
    output = choose_output(file, outputs, wishes.output, wishes.recipe)
    value = outputs[output]
    expected = vectors_of(value, wishes.recipe)
    found = Wrapped(file, session, settled, output, wishes.recipe, value.ndim, expected.shape[1])
    if takes_batches(found.graph(None), to_batch(pictures, settled.preprocess), expected):
        return found
    if file.batch in {None, 1}:
        return replace(found, batch=1)
    raise InvalidArgument(
        f"{path} takes {file.batch} pictures at a time only; convert the network again with a free size of the batch"
    )
