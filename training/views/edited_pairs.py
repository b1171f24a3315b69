"""Make pairs of views for the copy method: each picture edited twice."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from copysight.pictures import edits
from copysight.pictures.edits import Strength
from copysight.pictures.preprocess import Preprocess, Size, to_batch
from training.data.pack import Pack

Ints = npt.NDArray[np.int64]
PASTE_CANDIDATES = 2
"""Other pictures that an edit may paste in or paste onto."""


@dataclass(frozen=True)
class EditRecipe:
    """Two views per picture: the first has mild edits with probability ``mild``, else strong; the second strong edits.

    ``strength`` scales the edits of both. Views are squashed to ``size`` and normalised by ``mean`` and ``std``.
    """

    size: Size
    mild: float = 0.6
    strength: Strength = field(default_factory=Strength)
    mean: tuple[float, float, float] = (0.45, 0.45, 0.45)
    std: tuple[float, float, float] = (0.25, 0.25, 0.25)

    @property
    def preprocess(self) -> Preprocess:
        """The preprocessing of the exported network."""
        return Preprocess(self.size, "squash", self.size, "bicubic", self.mean, self.std)

    def at(self, size: Size, often: float) -> "EditRecipe":
        """The same recipe at another size and with another frequency of edits."""
        return replace(self, size=size, strength=replace(self.strength, probability=often))


def views(recipe: EditRecipe, pack: Pack, indices: Ints, seeds: Sequence[Sequence[int]]) -> list[Tensor]:
    """Two tensors (B, 3, height, width) of the pictures ``indices`` (B,). ``seeds``: one for each picture."""
    first: list[Image.Image] = []
    second: list[Image.Image] = []
    for index, seed in zip(indices, seeds, strict=True):
        rng = np.random.default_rng(seed)
        picture = Image.fromarray(pack.picture(int(index)))
        others = [Image.fromarray(pack.picture(int(other))) for other in rng.integers(0, len(pack), PASTE_CANDIDATES)]
        is_mild = rng.random() < recipe.mild
        mild_view = edits.mild(picture, rng, recipe.strength) if is_mild else None
        first.append(mild_view or edits.strong(picture, rng, others, recipe.strength))
        second.append(edits.strong(picture, rng, others, recipe.strength))
    return [_batch(recipe, first), _batch(recipe, second)]


def unedited(recipe: EditRecipe, pack: Pack, indices: Ints) -> Tensor:
    """The pictures ``indices`` (B,) as they are: (B, 3, height, width)."""
    return _batch(recipe, [Image.fromarray(pack.picture(int(index))) for index in indices])


def _batch(recipe: EditRecipe, pictures: Sequence[Image.Image]) -> Tensor:
    return torch.from_numpy(to_batch(pictures, recipe.preprocess)).contiguous(memory_format=torch.channels_last)
