"""Views for learning copies: each picture twice, as people edit it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from copysight.pictures import edits
from copysight.pictures.edits import Strength
from copysight.pictures.preprocess import Preprocess, to_batch
from training.data.pack import Pack

Ints = npt.NDArray[np.int64]
OTHERS = 2


@dataclass(frozen=True)
class EditRecipe:
    """Two views a picture: the first is mildly edited with probability ``mild``, else strongly; the second strongly.

    ``strength`` scales both; views are squashed to ``size`` pixels and normalised by ``mean`` and ``std``.
    """

    size: int
    mild: float = 0.6
    strength: Strength = field(default_factory=Strength)
    mean: tuple[float, float, float] = (0.45, 0.45, 0.45)
    std: tuple[float, float, float] = (0.25, 0.25, 0.25)

    @property
    def preprocess(self) -> Preprocess:
        """What the exported network will do to pictures."""
        return Preprocess(self.size, "squash", self.size, "bicubic", self.mean, self.std)

    def at(self, size: int, often: float) -> "EditRecipe":
        """The same at another size, with edits made more or less ``often``."""
        return replace(self, size=size, strength=replace(self.strength, often=often))


def views(recipe: EditRecipe, pack: Pack, numbers: Ints, seeds: Sequence[Sequence[int]]) -> list[Tensor]:
    """Two tensors (B, 3, S, S) of pictures ``numbers`` (B,); all that is random comes from ``seeds``, one a picture."""
    first: list[Image.Image] = []
    second: list[Image.Image] = []
    for number, seed in zip(numbers, seeds, strict=True):
        rng = np.random.default_rng(seed)
        picture = Image.fromarray(pack.picture(int(number)))
        others = [Image.fromarray(pack.picture(int(other))) for other in rng.integers(0, len(pack), OTHERS)]
        gently = rng.random() < recipe.mild
        mildly = edits.mild(picture, rng, recipe.strength) if gently else None
        first.append(mildly or edits.strong(picture, rng, others, recipe.strength))
        second.append(edits.strong(picture, rng, others, recipe.strength))
    batches = (to_batch(pictures, recipe.preprocess) for pictures in (first, second))
    return [torch.from_numpy(batch).contiguous(memory_format=torch.channels_last) for batch in batches]
