"""Does attention find the object? The best head's mask against the masks of DAVIS, beside an ellipse in the middle.

The mask of a head is what holds 60 % of its attention (Caron et al. 2021, section 4.2.2); its Jaccard with the object
is averaged over every tenth frame, and the head that is best on average counts. The ellipse has its best size, too.

    COPYSIGHT_DATA=folder python -m benchmarks.attention_masks [BUNDLE …]     (reads video/ in that folder)
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from copysight import bundle as bundles
from copysight.attention import mass_masks
from copysight.embedder import Embedder
from copysight.preprocess import seen
from evaluation import davis
from evaluation.region import region

Mask = npt.NDArray[np.bool_]
STEP, MASS = 10, 0.6
SIZES = np.arange(0.1, 1.01, 0.05)


def main() -> None:
    """Print one row for each bundle, and one for the ellipse."""
    sequences = davis.load(Path(os.environ.get("COPYSIGHT_DATA", "")) / "video")
    print(f"{'mean Jaccard':30}" + "".join(f"{sequence.name:>14}" for sequence in sequences))
    for source in sys.argv[1:] or ["default"]:
        embedder = Embedder(bundles.load(source))
        row(source, [heads(embedder, sequence).max() for sequence in sequences])
    row("ellipse, best size", [ellipses(sequence).max() for sequence in sequences])


def row(name: str, values: Sequence[float]) -> None:
    print(f"{Path(name).name[:30]:30}" + "".join(f"{value:14.3f}" for value in values), flush=True)


def heads(embedder: Embedder, sequence: davis.Sequence) -> npt.NDArray[np.float64]:
    """Mean Jaccard of each head (H,) over the frames, inside what the network sees of them."""
    found = []
    for number in range(0, len(sequence.frames), STEP):
        picture, truth = sequence.frame(number), sequence.mask(number) > 0
        preprocess = embedder.bundle.graphs[embedder.bundle.graph_of("attention")].preprocess
        left, top, right, bottom = (round(edge) for edge in seen(picture.width, picture.height, preprocess))
        masks = mass_masks(embedder.attend([picture])[0], MASS)
        whole = np.zeros_like(truth)
        scores = []
        for mask in masks:
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
