"""``evaluate video``: segment objects in videos from the mask of the first frame (DAVIS 2017, semi-supervised)."""

from collections.abc import Iterator, Mapping
from collections.abc import Sequence as Items
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from copysight.errors import InvalidArgument
from copysight.model.attention_maps import colours
from copysight.pictures import video as files
from copysight.system.progress import with_progress
from evaluation.arguments import place_of, sources_and_data
from evaluation.features.frames import shrink_mask
from evaluation.metrics.region import boundary, region
from evaluation.report import Answer, print_answers
from evaluation.sources import reading_sources
from evaluation.video import davis, propagation
from evaluation.video.davis import Sequence
from evaluation.video.frame_features import FrameFeatures, frame_features
from evaluation.video.propagation import LabelledFrame, Propagation

Float = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]
HEADER = ("sequence", "J", "F", "J&F")
MILLISECONDS = 80
WIDTH = 480


@dataclass(frozen=True)
class Quality:
    """Region similarity ``j``, boundary accuracy ``f`` and their mean ``jf``, without the first and last frame."""

    j: float
    f: float
    jf: float


@click.command()
@sources_and_data("bundle", several=False)
@click.option(
    "--tiles",
    type=click.IntRange(1),
    help="Cut frames into so many tiles along the shortest side. By default 2 for a bundle of a fixed input size.",
)
@click.option(
    "--lines",
    type=click.IntRange(64),
    help="Take whole frames with this shortest side. By default about 480, as DINO, for a bundle that takes any size.",
)
@click.option(
    "--frames",
    default=7,
    show_default=True,
    type=click.IntRange(0),
    help="Number of previous frames in the context, besides the first frame.",
)
@click.option(
    "--topk",
    default=5,
    show_default=True,
    type=click.IntRange(1),
    help="Number of context patches that vote for the label of a patch.",
)
@click.option(
    "--radius",
    default=12,
    show_default=True,
    type=click.IntRange(0),
    help="Search radius in patches. 0 searches the whole frame.",
)
@click.option("--pictures", type=click.Path(path_type=Path), help="Folder to write an animation of each sequence to.")
@click.option(
    "--film",
    default="gif",
    show_default=True,
    type=click.Choice(["gif", "webp", "mp4"]),
    help="File format of the animations; mp4 needs the extra `video`.",
)
@reading_sources
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def video(
    sources: Items[str],
    data: Path,
    tiles: int | None,
    lines: int | None,
    frames: int,
    topk: int,
    radius: int,
    pictures: Path | None,
    film: str,
    as_json: bool,
) -> None:
    """Segment the objects of every sequence in DATA, given the mask of the first frame, with the patches of BUNDLE.

    DATA is a folder or tar file in the DAVIS layout. Whole frames of 480 lines are taken if the bundle has patches of
    any size; otherwise each frame is cut into tiles. With --lines, a vision transformer with weights.safetensors
    (`export --weights timm`) runs as in DINO's released evaluation. The last row of the table is a baseline: the first
    mask, copied to all frames. The propagation and its defaults are those of DINO.
    """
    if pictures is not None and film == "mp4":
        files.check_installed()
    answers = []
    for bundle in sources:
        films = Animations(place_of(pictures, bundle, sources), film) if pictures else None
        found = measure(data, frame_features(bundle, tiles, lines), Propagation(frames, topk, radius), films)
        rows = [[name, quality.j, quality.f, quality.jf] for name, quality in found.table_rows()]
        report = found.to_json() if len(sources) == 1 else {"source": bundle, **found.to_json()}
        answers.append(Answer(bundle, report, HEADER, rows))
    print_answers(answers, as_json)


@dataclass(frozen=True)
class VideoResult:
    """Quality of each object by sequence, and that of the copied first mask (the baseline).

    The mean is over all objects of all sequences, as in the benchmark.
    """

    sequences: Mapping[str, Items[Quality]]
    copied: Mapping[str, Items[Quality]]

    def table_rows(self) -> list[tuple[str, Quality]]:
        """Return the rows of the table: each sequence, the mean, and the mean of the baseline."""
        each = [(name, mean(objects)) for name, objects in self.sequences.items()]
        return [*each, ("mean", _overall(self.sequences)), ("first mask copied", _overall(self.copied))]

    def to_json(self) -> dict[str, object]:
        """Return the means and the quality of each sequence."""
        return {
            "mean": asdict(_overall(self.sequences)),
            "first_mask_copied": asdict(_overall(self.copied)),
            "sequences": {name: asdict(mean(objects)) for name, objects in self.sequences.items()},
        }


@dataclass(frozen=True)
class Animations:
    """Output of the animations: a folder, and the file format (``gif``, ``webp`` or ``mp4``)."""

    folder: Path
    kind: str


def measure(
    data: Path, features: FrameFeatures, config: Propagation, animations: Animations | None = None
) -> VideoResult:
    """Segment every sequence of ``data`` and compare with the ground truth; write ``animations`` if given."""
    found: dict[str, list[Quality]] = {}
    copied: dict[str, list[Quality]] = {}
    for sequence in davis.load(data):
        truth = _truth(sequence)
        masks = propagate_masks(sequence, features, config)
        found[sequence.name] = score_masks(masks, truth)
        copied[sequence.name] = score_masks([truth[0]] * len(truth), truth)
        if animations is not None:
            animations.folder.mkdir(parents=True, exist_ok=True)
            _animate(sequence, masks, animations.folder / f"{sequence.name}.{animations.kind}")
    return VideoResult(found, copied)


def propagate_masks(sequence: Sequence, features_of: FrameFeatures, config: Propagation) -> list[Pixels]:
    """Return the mask of every frame at its original size. The first mask is the given one."""
    given = sequence.mask(0)
    grids = (features_of(sequence.frame(number)) for number in range(len(sequence.frames)))
    first = next(grids)
    rows, columns = first.shape[:2]
    small = propagation.one_hot(torch.from_numpy(np.array(shrink_mask(given, rows, columns))))
    features = (torch.from_numpy(grid).flatten(0, 1) for grid in grids)
    soft = propagation.propagate(LabelledFrame(torch.from_numpy(first).flatten(0, 1), small), features, config)
    watched_masks = with_progress(soft, len(sequence.frames) - 1, sequence.name)
    patch = -(-min(given.shape) // min(rows, columns))
    return [given, *(shrink_mask(propagation.labels(masks, patch).numpy(), *given.shape) for masks in watched_masks)]


def score_masks(found: Items[Pixels], truth: Items[Pixels]) -> list[Quality]:
    """Return the quality of each object of the first true mask: means over all frames but the first and the last."""
    qualities = []
    for number in (number for number in np.unique(truth[0]) if number):
        pairs = [(a == number, b == number) for a, b in zip(found[1:-1], truth[1:-1], strict=True)]
        j = float(np.mean([region(a, b) for a, b in pairs]))
        f = float(np.mean([boundary(a, b) for a, b in pairs]))
        qualities.append(Quality(j, f, (j + f) / 2))
    return qualities


def mean(qualities: Items[Quality]) -> Quality:
    """Return the mean of each metric."""
    rows = np.array([[quality.j, quality.f, quality.jf] for quality in qualities]).mean(axis=0)
    return Quality(*(float(value) for value in rows))


def _overall(sequences: Mapping[str, Items[Quality]]) -> Quality:
    return mean([quality for objects in sequences.values() for quality in objects])


def _truth(sequence: Sequence) -> list[Pixels]:
    truth = [sequence.mask(number) for number in range(len(sequence.frames))]
    if not truth[0].any():
        raise InvalidArgument(f"sequence {sequence.name}: the first mask marks no object; it must mark at least one")
    if len(sizes := sorted({mask.shape for mask in truth})) > 1:
        raise InvalidArgument(f"sequence {sequence.name} has masks of several sizes ({sizes}); all must have one size")
    return truth


def _animate(sequence: Sequence, masks: list[Pixels], out: Path) -> None:
    if out.suffix == files.WRITTEN:
        files.write(out, _overlaid(sequence, masks))
        return
    frames = list(_overlaid(sequence, masks))
    frames[0].save(out, save_all=True, append_images=frames[1:], duration=MILLISECONDS, loop=0, quality=75)


def _overlaid(sequence: Sequence, masks: list[Pixels]) -> Iterator[Image.Image]:
    palette = np.array([(0, 0, 0), *colours(int(masks[0].max()) or 1)], np.float32)
    for number, mask in enumerate(masks):
        frame = np.asarray(sequence.frame(number), np.float32)
        weight = 0.5 * (mask > 0)[..., None]
        mixed = Image.fromarray((frame * (1 - weight) + palette[mask] * weight).astype(np.uint8))
        yield mixed.resize((WIDTH, round(WIDTH * mixed.height / mixed.width)))
