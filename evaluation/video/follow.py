"""``evaluate video``: objects followed through a video from their first mask (DAVIS 2017, semi-supervised)."""

from collections.abc import Callable, Iterator, Mapping
from collections.abc import Sequence as Items
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from copysight.errors import InvalidArgument
from copysight.model import bundle as bundles
from copysight.model.attention_maps import colours
from copysight.model.bundle import Bundle
from copysight.model.embedder import Embedder
from copysight.pictures.preprocess import to_tensor
from copysight.system.progress import watched
from evaluation.features import backbone
from evaluation.features.frames import shrink_mask
from evaluation.figures.region import boundary, region
from evaluation.report import show
from evaluation.video import davis, propagation
from evaluation.video.davis import Sequence
from evaluation.video.propagation import Labelled, Propagation

Float = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]
FrameFeatures = Callable[[Image.Image], Float]
"""A frame to patch features (rows, columns, D)."""
HEADER = ("sequence", "J", "F", "J&F")
MILLISECONDS = 80
WIDE = 480


@dataclass(frozen=True)
class Quality:
    """Region ``j``, boundary ``f`` and their mean ``jf``: means over frames, the first and last left out."""

    j: float
    f: float
    jf: float


@click.command()
@click.argument("bundle")
@click.argument("data", type=click.Path(exists=True, path_type=Path))
@click.option("--tiles", default=2, show_default=True, type=click.IntRange(1), help="Tiles along the shortest side.")
@click.option(
    "--lines", type=click.IntRange(64), help="Whole frames of so many lines, by the bundle's weights; DINO: 480."
)
@click.option("--frames", default=7, show_default=True, type=click.IntRange(0), help="Past frames besides the first.")
@click.option("--topk", default=5, show_default=True, type=click.IntRange(1), help="Patches that vote for one.")
@click.option(
    "--radius", default=12, show_default=True, type=click.IntRange(0), help="Reach in patches; 0: everywhere."
)
@click.option("--pictures", type=click.Path(path_type=Path), help="Folder for a film of each sequence.")
@click.option("--film", default="gif", show_default=True, type=click.Choice(["gif", "webp"]), help="Kind of the films.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def video(
    bundle: str,
    data: Path,
    tiles: int,
    lines: int | None,
    frames: int,
    topk: int,
    radius: int,
    pictures: Path | None,
    film: str,
    as_json: bool,
) -> None:
    """Follow the objects of every sequence in DATA (DAVIS's layout, a folder or a tar) by the patches of BUNDLE.

    A bundle has a fixed input size, so a frame is cut into tiles of it; with --lines whole frames go through its
    weights.safetensors (`export --weights timm`), as in the released evaluation. Beside each result stands
    what the first mask gives when it is simply copied. Propagation and its defaults are those of DINO's evaluation.
    """
    frame_features = tiled(bundle, tiles) if lines is None else whole(bundle, lines)
    found = measure(
        data, frame_features, Propagation(frames, topk, radius), Films(pictures, film) if pictures else None
    )
    rows = [[name, quality.j, quality.f, quality.jf] for name, quality in found.lines()]
    show(found.to_json(), HEADER, rows, as_json)


@dataclass(frozen=True)
class Followed:
    """Quality of each object of each sequence by name, and what the first mask gives there when it is copied.

    The mean is over all objects of all sequences, as the benchmark has it.
    """

    sequences: Mapping[str, Items[Quality]]
    copied: Mapping[str, Items[Quality]]

    def lines(self) -> list[tuple[str, Quality]]:
        """Each sequence, the mean, and the mean of the copied masks."""
        each = [(name, mean(objects)) for name, objects in self.sequences.items()]
        return [*each, ("mean", _overall(self.sequences)), ("first mask copied", _overall(self.copied))]

    def to_json(self) -> dict[str, object]:
        """The means, and each sequence."""
        return {
            "mean": asdict(_overall(self.sequences)),
            "first_mask_copied": asdict(_overall(self.copied)),
            "sequences": {name: asdict(mean(objects)) for name, objects in self.sequences.items()},
        }


@dataclass(frozen=True)
class Films:
    """Where films of the followed masks go, and of what ``kind``: ``gif`` or ``webp``."""

    folder: Path
    kind: str


def tiled(source: str, tiles: int) -> FrameFeatures:
    """Patches of frames cut into tiles, by the bundle itself. Raises ``OutputMissing`` if it gives none."""
    embedder = Embedder(bundles.load(source))
    if embedder.bundle.patches is None:
        raise embedder.bundle.missing("patches")
    return lambda frame: patches(frame, embedder, tiles)


def whole(source: str, lines: int) -> FrameFeatures:
    """Patches of whole frames of ``lines`` lines, by the bundle's weights. Raises ``InvalidArgument`` without them."""
    network = backbone.load(source)
    return lambda frame: network.patches(frame, lines)


def measure(data: Path, frame_features: FrameFeatures, how: Propagation, films: Films | None = None) -> Followed:
    """Follow every sequence of ``data`` by the patches that ``look`` sees; draws each if there are to be ``films``."""
    found: dict[str, list[Quality]] = {}
    copied: dict[str, list[Quality]] = {}
    for sequence in davis.load(data):
        truth = _truth(sequence)
        masks = follow(sequence, frame_features, how)
        found[sequence.name] = judge(masks, truth)
        copied[sequence.name] = judge([truth[0]] * len(truth), truth)
        if films is not None:
            films.folder.mkdir(parents=True, exist_ok=True)
            _animate(sequence, masks, films.folder / f"{sequence.name}.{films.kind}")
    return Followed(found, copied)


def follow(sequence: Sequence, frame_features: FrameFeatures, how: Propagation) -> list[Pixels]:
    """The mask of every frame at its own size; the first is the given one."""
    given = sequence.mask(0)
    grids = (frame_features(sequence.frame(number)) for number in range(len(sequence.frames)))
    first = next(grids)
    rows, columns = first.shape[:2]
    small = propagation.one_hot(torch.from_numpy(np.array(shrink_mask(given, rows, columns))))
    features = (torch.from_numpy(grid).flatten(0, 1) for grid in grids)
    soft = propagation.propagate(Labelled(torch.from_numpy(first).flatten(0, 1), small), features, how)
    watched_masks = watched(soft, len(sequence.frames) - 1, sequence.name)
    patch = -(-min(given.shape) // min(rows, columns))
    return [given, *(shrink_mask(propagation.labels(masks, patch).numpy(), *given.shape) for masks in watched_masks)]


def patches(frame: Image.Image, embedder: Embedder, tiles: int) -> Float:
    """Patch features (rows, columns, D) of a frame that is cut into ``tiles`` input squares along its shortest side."""
    down, across = _tiling(frame, tiles)
    grid_rows, grid_columns = _grid(embedder.bundle)
    graph = embedder.bundle.graph_of("patches")
    # Each tile fills the input: nothing of it may be cut away.
    preprocess = replace(embedder.bundle.graphs[graph].preprocess, resize="squash")
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
        {graph: to_tensor(frame.resize((preprocess.size,) * 2, Image.Resampling.BICUBIC, box=box), preprocess)}
        for box in boxes
    ]
    found = embedder.run(inputs, ("patches",)).patches
    if found is None:
        raise embedder.bundle.missing("patches")
    grid = found.reshape(down, across, grid_rows, grid_columns, -1).transpose(0, 2, 1, 3, 4)
    return np.ascontiguousarray(grid.reshape(down * grid_rows, across * grid_columns, -1))


def judge(found: Items[Pixels], truth: Items[Pixels]) -> list[Quality]:
    """Of each object of the first true mask: means over frames but the first (given) and the last."""
    qualities = []
    for number in (number for number in np.unique(truth[0]) if number):
        pairs = [(a == number, b == number) for a, b in zip(found[1:-1], truth[1:-1], strict=True)]
        j = float(np.mean([region(a, b) for a, b in pairs]))
        f = float(np.mean([boundary(a, b) for a, b in pairs]))
        qualities.append(Quality(j, f, (j + f) / 2))
    return qualities


def mean(qualities: Items[Quality]) -> Quality:
    """Each figure's mean."""
    rows = np.array([[quality.j, quality.f, quality.jf] for quality in qualities]).mean(axis=0)
    return Quality(*(float(value) for value in rows))


def _overall(sequences: Mapping[str, Items[Quality]]) -> Quality:
    return mean([quality for objects in sequences.values() for quality in objects])


def _truth(sequence: Sequence) -> list[Pixels]:
    truth = [sequence.mask(number) for number in range(len(sequence.frames))]
    if not truth[0].any():
        raise InvalidArgument(f"sequence {sequence.name}: the first mask marks no object, and there is none to follow")
    if len(sizes := sorted({mask.shape for mask in truth})) > 1:
        raise InvalidArgument(f"sequence {sequence.name} has masks of several sizes ({sizes}); make them of one size")
    return truth


def _tiling(frame: Image.Image, tiles: int) -> tuple[int, int]:
    shortest = min(frame.size)
    return round(tiles * frame.height / shortest), round(tiles * frame.width / shortest)


def _grid(bundle: Bundle) -> tuple[int, int]:
    if bundle.patches is None:
        raise bundle.missing("patches")
    return bundle.patches.grid


def _animate(sequence: Sequence, masks: list[Pixels], out: Path) -> None:
    frames = list(_overlaid(sequence, masks))
    frames[0].save(out, save_all=True, append_images=frames[1:], duration=MILLISECONDS, loop=0, quality=75)


def _overlaid(sequence: Sequence, masks: list[Pixels]) -> Iterator[Image.Image]:
    palette = np.array([(0, 0, 0), *colours(int(masks[0].max()) or 1)], np.float32)
    for number, mask in enumerate(masks):
        frame = np.asarray(sequence.frame(number), np.float32)
        weight = 0.5 * (mask > 0)[..., None]
        mixed = Image.fromarray((frame * (1 - weight) + palette[mask] * weight).astype(np.uint8))
        yield mixed.resize((WIDE, round(WIDE * mixed.height / mixed.width)))
