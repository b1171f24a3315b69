"""Features of the places of a video frame: of whole frames where the bundle takes them, else of tiles."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from PIL import Image

from copysight.errors import InvalidArgument
from copysight.model import bundle as bundles
from copysight.model.bundle import Bundle
from copysight.model.embedder import Embedder
from copysight.pictures.preprocess import to_tensor
from evaluation.features import backbone, frames
from evaluation.features.extract import Extractor, check_finite

Float = npt.NDArray[np.float32]
FrameFeatures = Callable[[Image.Image], Float]
"""Maps a frame to patch features (rows, columns, D)."""
LINES = 480
"""Shortest side of whole frames in pixels, as in DINO's evaluation."""
TILES = 2


def frame_features(source: str, tiles: int | None = None, lines: int | None = None) -> FrameFeatures:
    """Features of frames by the bundle ``source``, as `evaluate video` takes them.

    ``lines``: whole frames with this shortest side, by ``weights.safetensors`` of a vision transformer as in DINO's
    released evaluation, otherwise by the bundle's graph for any size. ``tiles``: frames cut into so many tiles along
    the shortest side. Without either: whole frames of 480 lines if the bundle has such a graph, else 2 tiles.

    Raises ``OutputMissing`` if the bundle has no patches, ``InvalidArgument`` if frames with so many lines do not fit.
    """
    bundle = bundles.load(source)
    any_size = bundle.patches is not None and bundle.patches.any_size is not None
    if lines is not None:
        if any_size and not backbone.has_tokens(bundle):
            return by_any_size(bundle, lines)
        return backbone.load(source).whole_frames(lines)
    if any_size and tiles is None:
        return by_any_size(bundle)
    return by_tiles(bundle, tiles or TILES)


def by_any_size(bundle: Bundle, lines: int | None = None) -> FrameFeatures:
    """Features of whole frames by the bundle's graph for any size; ``lines`` defaults to about 480.

    Raises ``InvalidArgument`` if ``lines`` is no multiple of the stride.
    """
    about = bundle.patches
    if about is None or about.stride is None:
        raise bundle.missing("patches of any size")
    stride = about.stride
    shortest = max(LINES // stride, 1) * stride if lines is None else lines
    if shortest % stride:
        fitting = f"{shortest // stride * stride} or {-(-shortest // stride) * stride}"
        raise InvalidArgument(
            f"got --lines {lines} for patches of {stride} px ({bundle.name}); use a multiple, such as {fitting}"
        )
    embedder, preprocess = Embedder(bundle), bundle.graphs[about.graph].preprocess
    multiple = frames.MULTIPLE if frames.MULTIPLE % stride == 0 else stride
    mean, std = np.asarray(preprocess.mean, np.float32), np.asarray(preprocess.std, np.float32)

    def features(frame: Image.Image) -> Float:
        return embedder.places(frames.prepare(np.asarray(frame), shortest, multiple, mean, std))

    check_finite(Extractor(bundle.name, bundle.at_least, features))
    return features


def by_tiles(bundle: Bundle, tiles: int) -> FrameFeatures:
    """Features of frames cut into tiles. Raises ``OutputMissing`` if the bundle has no patches."""
    embedder = Embedder(bundle)
    if bundle.patches is None:
        raise bundle.missing("patches")

    def features(frame: Image.Image) -> Float:
        return tile_patches(frame, embedder, tiles)

    check_finite(Extractor(bundle.name, bundle.at_least, features))
    return features


def tile_patches(frame: Image.Image, embedder: Embedder, tiles: int) -> Float:
    """Return patch features (rows, columns, D) of a frame that is cut into ``tiles`` along its shortest side."""
    down, across = _tiling(frame, tiles)
    grid_rows, grid_columns = _grid(embedder.bundle)
    graph = embedder.bundle.graph_of("patches")
    # "squash" keeps the whole tile; the usual resize would crop it.
    preprocess = embedder.bundle.graphs[graph].preprocess
    preprocess = replace(preprocess, resize="squash", resize_to=preprocess.size)
    boxes = [
        (
            x * frame.width / across,
            y * frame.height / down,
            (x + 1) * frame.width / across,
            (y + 1) * frame.height / down,
        )
        for y in range(down)
        for x in range(across)
    ]
    inputs = [
        {
            graph: to_tensor(
                frame.resize((preprocess.width, preprocess.height), Image.Resampling.BICUBIC, box=box), preprocess
            )
        }
        for box in boxes
    ]
    found = embedder.run(inputs, ("patches",)).patches
    if found is None:
        raise embedder.bundle.missing("patches")
    grid = found.reshape(down, across, grid_rows, grid_columns, -1).transpose(0, 2, 1, 3, 4)
    return np.ascontiguousarray(grid.reshape(down * grid_rows, across * grid_columns, -1))


def _tiling(frame: Image.Image, tiles: int) -> tuple[int, int]:
    shortest = min(frame.size)
    return round(tiles * frame.height / shortest), round(tiles * frame.width / shortest)


def _grid(bundle: Bundle) -> tuple[int, int]:
    if bundle.patches is None:
        raise bundle.missing("patches")
    return bundle.patches.grid
