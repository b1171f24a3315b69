"""Compare attention masks with the object masks of DAVIS, with untrained networks and an ellipse as baselines.

The mask of a head holds 60 % of its attention (Caron et al. 2021, section 4.2.2). Its Jaccard index with the object is
averaged over every tenth frame, and the head with the best average counts. The ellipse is centred and has the size
with the best average. Untrained networks (ViT-Ti/16 at the same input sizes) are the mean over five seeds, each with
its own best head.

    COPYSIGHT_DATA=folder python -m benchmarks.attention_masks [SOURCE[@PIXELS] …]     (reads video/ in that folder)

SOURCE is a bundle or the run folder of a ViT training. @PIXELS sets another input size for a run.
"""

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from copysight.model import bundle as bundles
from copysight.model.attention_maps import mass_masks
from copysight.model.embedder import Embedder
from copysight.pictures.preprocess import Preprocess, crop_box, to_batch
from evaluation.metrics.region import region
from evaluation.video import davis
from training.export import exportable
from training.export.export import Network

Mask = npt.NDArray[np.bool_]
STEP, MASS = 10, 0.6
SEEDS = 5
SIZES = np.arange(0.1, 1.01, 0.05)


@dataclass(frozen=True)
class AttentionModel:
    """A network: ``attend`` returns the attention (H, rows, columns) on the crop that ``preprocess`` makes."""

    attend: Callable[[Image.Image], npt.NDArray[np.float32]]
    preprocess: Preprocess


def main() -> None:
    """Print one row per source, two rows of untrained networks per input size, and one row for the ellipse."""
    sequences = davis.load(Path(os.environ.get("COPYSIGHT_DATA", "")) / "video")
    print(f"{'mean Jaccard':36}" + "".join(f"{sequence.name:>14}" for sequence in sequences))
    sizes = set()
    for source in sys.argv[1:] or ["default"]:
        model = load_model(source)
        sizes.add(model.preprocess.height)
        print_row(Path(source).name, [head_jaccard(model, sequence).max() for sequence in sequences])
    for size in sorted(sizes):
        found = [[head_jaccard(untrained(size, seed), one).max() for one in sequences] for seed in range(SEEDS)]
        print_row(f"untrained, {size} px, mean of {SEEDS}", np.mean(found, axis=0).tolist())
        print_row(f"untrained, {size} px, best of {SEEDS}", np.max(found, axis=0).tolist())
    print_row("ellipse, best size", [ellipse_jaccard(sequence).max() for sequence in sequences])


def print_row(name: str, values: Sequence[float]) -> None:
    print(f"{name[:36]:36}" + "".join(f"{value:14.3f}" for value in values), flush=True)


def load_model(source: str) -> AttentionModel:
    """Load a bundle or the network of a run."""
    path, _, pixels = source.partition("@")
    if path == "default" or (Path(path) / bundles.DESCRIPTION).exists():
        embedder = Embedder(bundles.load(path))
        preprocess = embedder.bundle.graphs[embedder.bundle.graph_of("attention")].preprocess
        return AttentionModel(lambda picture: embedder.attention_maps([picture])[0], preprocess)
    return from_network(exportable.load(path, int(pixels) if pixels else None))


def untrained(size: int, seed: int) -> AttentionModel:
    """Return a ViT-Ti/16 with random weights."""
    torch.manual_seed(seed)
    return from_network(exportable.load("timm:vit_tiny_patch16_224", size=size, random=True))


def from_network(network: Network) -> AttentionModel:
    """Return the attention of a network that is not exported."""
    place = network.outputs.index("attention")

    def attend(picture: Image.Image) -> npt.NDArray[np.float32]:
        with torch.inference_mode():
            maps = network.graph(torch.from_numpy(to_batch([picture], network.preprocess)))[place][0]
        return np.asarray(maps.numpy(), np.float32)

    return AttentionModel(attend, network.preprocess)


def head_jaccard(model: AttentionModel, sequence: davis.Sequence) -> npt.NDArray[np.float64]:
    """Return the mean Jaccard index of each head (H,) over the frames. Outside the input crop the mask is empty."""
    found = []
    for number in range(0, len(sequence.frames), STEP):
        picture, truth = sequence.frame(number), sequence.mask(number) > 0
        left, top, right, bottom = (round(edge) for edge in crop_box(picture.width, picture.height, model.preprocess))
        whole = np.zeros_like(truth)
        scores = []
        for mask in mass_masks(model.attend(picture), MASS):
            grown = Image.fromarray(mask).resize((right - left, bottom - top), Image.Resampling.NEAREST)
            whole[top:bottom, left:right] = np.asarray(grown)
            scores.append(region(whole, truth))
        found.append(scores)
    jaccard: npt.NDArray[np.float64] = np.asarray(found, np.float64).mean(axis=0)
    return jaccard


def ellipse_jaccard(sequence: davis.Sequence) -> npt.NDArray[np.float64]:
    """Return the mean Jaccard index of centred ellipses that cover each share in ``SIZES`` of both sides."""
    truths = [sequence.mask(number) > 0 for number in range(0, len(sequence.frames), STEP)]
    rows, columns = truths[0].shape
    y, x = np.mgrid[-1 : 1 : rows * 1j, -1 : 1 : columns * 1j]
    found = [[region((x / s) ** 2 + (y / s) ** 2 <= 1, truth) for truth in truths] for s in SIZES]
    jaccard: npt.NDArray[np.float64] = np.asarray(found).mean(axis=1)
    return jaccard


if __name__ == "__main__":
    main()
