"""Does attention find the object? The best head's mask against the masks of DAVIS, beside an ellipse in the middle.

The mask of a head is what holds 60 % of its attention (Caron et al. 2021, section 4.2.2); its Jaccard with the object
is averaged over every tenth frame, and the head that is best on average counts. The ellipse has its best size, too.
Untrained networks (ViT-Ti/16 at the same sizes) are the mean over five seeds, each with its own best head.

    COPYSIGHT_DATA=folder python -m benchmarks.attention_masks [SOURCE[@PIXELS] …]     (reads video/ in that folder)

A SOURCE is a bundle, or a run of a ViT, at the input size of its training or at another.
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
from evaluation.figures.region import region
from evaluation.video import davis
from training.export import exportable
from training.export.export import Network

Mask = npt.NDArray[np.bool_]
STEP, MASS = 10, 0.6
SEEDS = 5
SIZES = np.arange(0.1, 1.01, 0.05)


@dataclass(frozen=True)
class Looker:
    """``attend`` gives the attention (H, rows, columns) over what ``preprocess`` shows of a picture."""

    attend: Callable[[Image.Image], npt.NDArray[np.float32]]
    preprocess: Preprocess


def main() -> None:
    """Print one row for each source, one for untrained networks of each input size, and one for the ellipse."""
    sequences = davis.load(Path(os.environ.get("COPYSIGHT_DATA", "")) / "video")
    print(f"{'mean Jaccard':36}" + "".join(f"{sequence.name:>14}" for sequence in sequences))
    sizes = set()
    for source in sys.argv[1:] or ["default"]:
        looker = by_source(source)
        sizes.add(looker.preprocess.size)
        row(Path(source).name, [heads(looker, sequence).max() for sequence in sequences])
    for size in sorted(sizes):
        found = [[heads(untrained(size, seed), one).max() for one in sequences] for seed in range(SEEDS)]
        row(f"untrained, {size} px, mean of {SEEDS}", np.mean(found, axis=0).tolist())
        row(f"untrained, {size} px, best of {SEEDS}", np.max(found, axis=0).tolist())
    row("ellipse, best size", [ellipses(sequence).max() for sequence in sequences])


def row(name: str, values: Sequence[float]) -> None:
    print(f"{name[:36]:36}" + "".join(f"{value:14.3f}" for value in values), flush=True)


def by_source(source: str) -> Looker:
    """A bundle's attention, or that of a run."""
    path, _, pixels = source.partition("@")
    if path == "default" or (Path(path) / bundles.DESCRIPTION).exists():
        embedder = Embedder(bundles.load(path))
        preprocess = embedder.bundle.graphs[embedder.bundle.graph_of("attention")].preprocess
        return Looker(lambda picture: embedder.attention_maps([picture])[0], preprocess)
    return by_torch(exportable.load(path, int(pixels) if pixels else None))


def untrained(size: int, seed: int) -> Looker:
    """ViT-Ti/16 with random weights."""
    torch.manual_seed(seed)
    return by_torch(exportable.load("timm:vit_tiny_patch16_224", size=size, random=True))


def by_torch(network: Network) -> Looker:
    """A network that is not exported."""
    place = network.outputs.index("attention")

    def attend(picture: Image.Image) -> npt.NDArray[np.float32]:
        with torch.inference_mode():
            maps = network.graph(torch.from_numpy(to_batch([picture], network.preprocess)))[place][0]
        return np.asarray(maps.numpy(), np.float32)

    return Looker(attend, network.preprocess)


def heads(looker: Looker, sequence: davis.Sequence) -> npt.NDArray[np.float64]:
    """Mean Jaccard of each head (H,) over the frames, inside what the network sees of them."""
    found = []
    for number in range(0, len(sequence.frames), STEP):
        picture, truth = sequence.frame(number), sequence.mask(number) > 0
        left, top, right, bottom = (round(edge) for edge in crop_box(picture.width, picture.height, looker.preprocess))
        whole = np.zeros_like(truth)
        scores = []
        for mask in mass_masks(looker.attend(picture), MASS):
            grown = Image.fromarray(mask).resize((right - left, bottom - top), Image.Resampling.NEAREST)
            whole[top:bottom, left:right] = np.asarray(grown)
            scores.append(region(whole, truth))
        found.append(scores)
    jaccard: npt.NDArray[np.float64] = np.asarray(found, np.float64).mean(axis=0)
    return jaccard


def ellipses(sequence: davis.Sequence) -> npt.NDArray[np.float64]:
    """Mean Jaccard of centred ellipses that fill each of ``SIZES`` of both sides."""
    truths = [sequence.mask(number) > 0 for number in range(0, len(sequence.frames), STEP)]
    rows, columns = truths[0].shape
    y, x = np.mgrid[-1 : 1 : rows * 1j, -1 : 1 : columns * 1j]
    found = [[region((x / s) ** 2 + (y / s) ** 2 <= 1, truth) for truth in truths] for s in SIZES]
    jaccard: npt.NDArray[np.float64] = np.asarray(found).mean(axis=1)
    return jaccard


if __name__ == "__main__":
    main()
