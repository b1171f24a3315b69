"""Pairs of edited views made together on a device: what ``edited_pairs`` makes one by one with Pillow."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from training.data import resident
from training.data.pack import Pack
from training.views.batched import layers
from training.views.batched.planned import View
from training.views.batched.render import render
from training.views.batched.sampling import STRENGTHS, Sampler
from training.views.edited_pairs import PASTE_CANDIDATES, EditRecipe, Ints


class BatchedPairs:
    """Pictures of ``pack`` on ``device``, ``held`` there if they fit, and the drawn layers of a training."""

    def __init__(
        self,
        pack: Pack,
        held: Tensor | None,
        device: torch.device,
        seed: int,
        magnitude: float,
        count: int = layers.COUNT,
    ) -> None:
        self._pack, self._held, self._device = pack, held, device
        strengths = {kind: strength * magnitude for kind, strength in STRENGTHS.items()}
        self._layers = layers.draw(seed, strengths, device, count)
        self._sampler = Sampler(pack.sizes.tolist(), self._layers)

    def views(self, recipe: EditRecipe, indices: Ints, seeds: Sequence[Sequence[int]]) -> list[Tensor]:
        """Two tensors (B, 3, height, width) of the pictures ``indices`` (B,). ``seeds``: one for each picture."""
        first, second, noise = [], [], []
        for index, seed in zip(indices.tolist(), seeds, strict=True):
            rng = np.random.default_rng(seed)
            one, other = self.plan(recipe, index, rng)
            first.append(one)
            second.append(other)
            noise.append(rng.integers(0, 2**62, 2).tolist())
        grain = [one for one, _ in noise] + [other for _, other in noise]
        made = render([*first, *second], self._picture, self._layers, recipe.size, grain)
        mean, std = (made.new_tensor(values)[:, None, None] for values in (recipe.mean, recipe.std))
        made = made.sub_(mean).div_(std).contiguous(memory_format=torch.channels_last)
        return [made[: len(indices)], made[len(indices) :]]

    def plan(self, recipe: EditRecipe, index: int, rng: np.random.Generator) -> tuple[View, View]:
        """The edits of the two views of a picture; random numbers in the order of ``edited_pairs.views``."""
        others = rng.integers(0, len(self._pack), PASTE_CANDIDATES).tolist()
        if rng.random() < recipe.mild:
            first = self._sampler.mild(index, rng, recipe.strength)
        else:
            first = self._sampler.strong(index, rng, others, recipe.strength)
        return first, self._sampler.strong(index, rng, others, recipe.strength)

    def _picture(self, number: int) -> Tensor:
        if self._held is not None:
            return resident.picture(self._held, self._pack, number)
        return torch.from_numpy(self._pack.picture(number)).to(self._device)
