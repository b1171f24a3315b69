"""What the network is fed: which pictures come when, and their views. All of it follows from seed and step alone."""

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from training import distributed
from training.data.pack import Pack
from training.methods.method import Length, Method
from training.run.plan import Plan
from training.views import edited_pairs, multi_crop
from training.views.edited_pairs import EditRecipe
from training.views.multi_crop import Draw, Recipe

Ints = npt.NDArray[np.int64]
# Streams of random numbers; with the seed and a number they give each its own generator.
ORDER, VIEWS, EXTRA = 1, 2, 3


@dataclass(frozen=True)
class Views:
    """``crops``: V tensors (B, 3, S, S), global ones first; ``numbers`` (B,): which pictures they show."""

    crops: list[Tensor]
    numbers: Tensor


class Feed:
    """Pictures of one process. A resumed training sees the same views, and so does one with more processes.

    With ``plan.prefetch`` a thread makes the next views while a step runs: torch releases the GIL for the most of it.
    """

    def __init__(self, pack: Pack, method: Method, plan: Plan, length: Length, device: torch.device) -> None:
        self.pack, self.method, self.plan, self.length, self.device = pack, method, plan, length, device
        self.batch = plan.local_batch
        self._order = (-1, np.empty(0, np.int64))
        self._thread = ThreadPoolExecutor(1, "views") if plan.prefetch else None
        self._ahead: tuple[tuple[int, int], Future[Views]] | None = None

    @property
    def pictures(self) -> int:
        """Number N of training pictures."""
        return len(self.pack)

    @property
    def labels(self) -> Tensor | None:
        """Which folder each picture is in (N,), if the folders are classes."""
        if not self.plan.labelled:
            return None
        folders = [str(PurePosixPath(name).parent) for name in self.pack.names]
        return torch.from_numpy(np.unique(folders, return_inverse=True)[1])

    def take(self, step: int, part: int = 0) -> Views:
        """``views``, made ahead if they were foreseen; those that come after them are begun."""
        ahead, self._ahead = self._ahead, None
        foreseen = ahead[1] if ahead is not None and ahead[0] == (step, part) else None
        taken = foreseen.result() if foreseen else self.views(step, part)
        following = divmod(step * self.plan.accumulate + part + 1, self.plan.accumulate)
        # Not beyond the epoch: what the next one shows may follow from a pass at its beginning.
        if self._thread is not None and (following[0] % self.length.per_epoch or following[1]):
            self._ahead = (following, self._thread.submit(self.views, *following))
        return taken

    def views(self, step: int, part: int = 0) -> Views:
        """Views of micro-batch ``part`` of a step.

        Everything is drawn for the global batch, of which each process takes its rows.
        """
        share = self.batch // self.plan.accumulate
        start = distributed.rank() * self.batch + part * share
        batch = self._global_batch(step)
        numbers = batch[start : start + share]
        if isinstance(self.method.recipe, EditRecipe):
            seeds = [(self.plan.seed, VIEWS, step, row) for row in range(start, start + share)]
            crops = edited_pairs.views(self.method.recipe, self.pack, numbers, seeds)
            return Views([crop.to(self.device) for crop in crops], torch.from_numpy(numbers).to(self.device))
        rng = np.random.default_rng([self.plan.seed, VIEWS, step])
        drawn = multi_crop.draw(self._recipe, self.pack.sizes[batch], rng)
        crops = self._apply(self._recipe, numbers, [draw.rows(start, start + share) for draw in drawn])
        return Views(crops, torch.from_numpy(numbers).to(self.device))

    def autocast(self) -> torch.autocast:
        """The precision of the training."""
        return self.plan.autocast()

    def order(self, epoch: int) -> Ints:
        """The pictures that this process will see in ``epoch``, in order."""
        shape = (self.length.per_epoch, distributed.world_size(), self.batch)
        mine: Ints = self._whole_order(epoch)[: int(np.prod(shape))].reshape(shape)[:, distributed.rank()].reshape(-1)
        return mine

    def crops(self, numbers: Ints, seed: int) -> list[Tensor]:
        """Augmented views of pictures ``numbers``, apart from those of the training."""
        rng = np.random.default_rng([self.plan.seed, EXTRA, seed])
        return self._apply(self._recipe, numbers, multi_crop.draw(self._recipe, self.pack.sizes[numbers], rng))

    def plain(self, numbers: Ints) -> Tensor:
        """Central squares of 7/8 of the shortest side at the size of a global crop, normalised: (B, 3, S, S)."""
        recipe, sizes = self._recipe, self.pack.sizes[numbers]
        side = np.rint(sizes.min(axis=1) * 7 / 8).astype(np.int64)
        boxes = np.stack([(sizes[:, 0] - side) // 2, (sizes[:, 1] - side) // 2, side, side], axis=-1)[None]
        return self._apply(replace(recipe, crops=recipe.crops[:1]), numbers, [multi_crop.still(boxes)])[0]

    def _apply(self, recipe: Recipe, numbers: Ints, drawn: list[Draw]) -> list[Tensor]:
        crops = multi_crop.apply(recipe, self._pixels(numbers), drawn, self.device)
        return [crop.contiguous(memory_format=torch.channels_last) for crop in crops]

    @property
    def _recipe(self) -> Recipe:
        """The multi-crop recipe; a method that learns from edits asks for nothing but ``views``."""
        if not isinstance(self.method.recipe, Recipe):
            raise TypeError(f"{self.method.name} has no multi-crop recipe")
        return self.method.recipe

    def _pixels(self, numbers: Ints) -> list[Tensor]:
        return [torch.from_numpy(self.pack.picture(int(number))) for number in numbers]

    def _global_batch(self, step: int) -> Ints:
        start = step % self.length.per_epoch * self.plan.batch
        return self._whole_order(step // self.length.per_epoch)[start : start + self.plan.batch]

    def _whole_order(self, epoch: int) -> Ints:
        if self._order[0] != epoch:
            rng = np.random.default_rng([self.plan.seed, ORDER, epoch])
            chosen = self.method.order(epoch, rng)
            self._order = (epoch, rng.permutation(len(self.pack)) if chosen is None else chosen)
        return self._order[1]
