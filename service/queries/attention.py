"""The maps of pictures: of the attention heads, or of the object. For ``POST /attention``."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from copysight.errors import InvalidArgument, PictureError
from copysight.index import Snapshot
from copysight.model.attention_source import OBJECT, head_names
from copysight.model.bundle import Bundle
from copysight.model.embedder import Embedder
from copysight.pictures.preprocess import crop_box
from service.intake.url_fetch import PictureSource
from service.queries import inference
from service.queries.inference import PictureFeatures
from service.runtime import threads
from service.state import State

Float = npt.NDArray[np.float32]
Method = Literal["heads", "objects"]


@dataclass(frozen=True)
class PictureMaps:
    """Maps (H, rows, columns) of one picture and their names (H,).

    ``box``: left, top, right, bottom of the part of the picture that they cover, in pixels of the file. ``picture`` is
    that part as it was decoded, which may be at a smaller scale.
    """

    names: tuple[str, ...]
    maps: Float
    box: tuple[float, float, float, float]
    picture: Image.Image


def check(bundle: Bundle, method: Method, head: int | None) -> None:
    """Raise ``OutputMissing`` or ``InvalidArgument`` if there are no such maps."""
    if method == "objects":
        if not bundle.any_size:
            raise bundle.missing("patches of any size")
        if head is not None:
            raise InvalidArgument(f"got head {head} and the method objects, which has one map; leave head out")
        return
    if bundle.attention is None:
        raise bundle.missing("attention")
    if head is not None and head >= bundle.attention.heads:
        raise InvalidArgument(
            f"got head {head}; it must be from 0 to {bundle.attention.heads - 1}, or left out for all heads"
        )


async def find(
    state: State, snapshot: Snapshot, pictures: Sequence[PictureSource], method: Method, head: int | None
) -> list[PictureMaps | PictureError]:
    """The maps of each picture, or its error. ``check`` must have passed."""
    embedder = await threads.run(state.searchers, state.embedder, snapshot)
    objects = method == "objects"
    results = await inference.infer(state, embedder, pictures, () if objects else ("attention",), objects=objects)
    return [one if isinstance(one, PictureError) else _maps(embedder, one, head) for one in results]


def _maps(embedder: Embedder, one: PictureFeatures, head: int | None) -> PictureMaps:
    if one.object_map is not None:
        whole = (0.0, 0.0, float(one.picture.width), float(one.picture.height))
        return PictureMaps((OBJECT,), one.object_map[None], whole, one.picture.pixels)
    found, pixels = np.asarray(one.features.attention, np.float32), one.picture.pixels
    numbers = range(len(found)) if head is None else [head]
    preprocess = embedder.bundle.graphs[embedder.bundle.graph_of("attention")].preprocess
    left, top, right, bottom = (round(value) for value in crop_box(pixels.width, pixels.height, preprocess))
    return PictureMaps(
        head_names(numbers),
        found[list(numbers)],
        crop_box(one.picture.width, one.picture.height, preprocess),
        pixels.crop((left, top, right, bottom)),
    )
