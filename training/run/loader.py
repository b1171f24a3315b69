"""Load training batches: order of pictures and their views, determined by seed and step alone."""

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import PurePosixPath

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from copysight.pictures.preprocess import sides
from training import distributed
from training.data import resident
from training.data.pack import Pack
from training.hardware.streams import SideStream
from training.methods.method import Length, Method
from training.run.plan import Plan
from training.views import edited_pairs, multi_crop
from training.views.batched import layers
from training.views.batched.pairs import BatchedPairs
from training.views.edited_pairs import EditRecipe
from training.views.multi_crop import CropParameters, Recipe

Ints = npt.NDArray[np.int64]
# Streams of random numbers: seed, stream and a number give each generator its own seed.
ORDER, VIEWS, EXTRA = 1, 2, 3


@dataclass(frozen=True)
class Views:
    """``crops``: V tensors (B, 3, S, S), global crops first; ``indices`` (B,): the pictures that they show.

    Of pairs of edits, ``indices`` are the first pictures with these pixels: the loss takes equal pictures for one.
    """

    crops: list[Tensor]
    indices: Tensor


class Loader:
    """Load the pictures of one process. Views are the same after a resume and with any number of processes.

    With ``plan.prefetch`` a thread makes the next views while a step runs; torch releases the GIL most of the time. On
    a GPU it uses a stream of its own.
    """

    def __init__(self, pack: Pack, method: Method, plan: Plan, length: Length, device: torch.device) -> None:
        self.pack, self.method, self.plan, self.length, self.device = pack, method, plan, length, device
        self.batch = plan.local_batch
        self._held = resident.held(pack, device)
        self._edits = self._batched_edits()
        self._stream = SideStream(device)
        self._order = (-1, np.empty(0, np.int64))
        self._thread = ThreadPoolExecutor(1, "views") if plan.prefetch else None
        self._prefetched: tuple[tuple[int, int], Future[Views]] | None = None

    @property
    def pictures(self) -> int:
        """Number N of training pictures."""
        return len(self.pack)

    @property
    def labels(self) -> Tensor | None:
        """Index of the folder of each picture (N,), if the folders are classes; else ``None``."""
        if not self.plan.labelled:
            return None
        folders = [str(PurePosixPath(name).parent) for name in self.pack.names]
        return torch.from_numpy(np.unique(folders, return_inverse=True)[1])

    def load(self, step: int, part: int = 0) -> Views:
        """Return the views of micro-batch ``part`` of a step, prefetched if possible; prefetch the next ones."""
        prefetched, self._prefetched = self._prefetched, None
        future = prefetched[1] if prefetched is not None and prefetched[0] == (step, part) else None
        if future:
            loaded = future.result()
            self._stream.take([*loaded.crops, loaded.indices])
        else:
            loaded = self.make_views(step, part)
        upcoming = divmod(step * self.plan.accumulate + part + 1, self.plan.accumulate)
        # Not beyond the epoch: the order of the next one may depend on a pass at its start.
        if self._thread is not None and (upcoming[0] % self.length.per_epoch or upcoming[1]):
            making = partial(self.make_views, *upcoming)
            self._prefetched = (upcoming, self._thread.submit(self._stream.run, making))
        return loaded

    def make_views(self, step: int, part: int = 0) -> Views:
        """Make the views of micro-batch ``part`` of a step.

        Random parameters are sampled for the global batch; each process takes its rows.
        """
        share = self.batch // self.plan.accumulate
        start = distributed.rank() * self.batch + part * share
        batch = self._global_batch(step)
        indices = batch[start : start + share]
        recipe = self.method.recipe_at(step)
        if isinstance(recipe, EditRecipe):
            seeds = [(self.plan.seed, VIEWS, step, row) for row in range(start, start + share)]
            if self._edits is not None:
                crops = self._edits.views(recipe, indices, seeds)
            else:
                crops = edited_pairs.views(recipe, self.pack, indices, seeds)
            shown = torch.from_numpy(self.pack.firsts[indices]).to(self.device)
            return Views([crop.to(self.device) for crop in crops], shown)
        rng = np.random.default_rng([self.plan.seed, VIEWS, step])
        parameters = multi_crop.sample(self._recipe, self.pack.sizes[batch], rng)
        crops = self._apply(self._recipe, indices, [group.rows(start, start + share) for group in parameters])
        return Views(crops, torch.from_numpy(indices).to(self.device))

    def autocast(self) -> torch.autocast:
        """Context in which networks run at the precision of the training."""
        return self.plan.autocast()

    def order(self, epoch: int) -> Ints:
        """Indices of the pictures that this process uses in ``epoch``, in order."""
        shape = (self.length.per_epoch, distributed.world_size(), self.batch)
        local: Ints = self._global_order(epoch)[: int(np.prod(shape))].reshape(shape)[:, distributed.rank()].reshape(-1)
        return local

    def crops(self, indices: Ints, seed: int) -> list[Tensor]:
        """Augmented views of the pictures ``indices``, with a random stream of their own."""
        rng = np.random.default_rng([self.plan.seed, EXTRA, seed])
        return self._apply(self._recipe, indices, multi_crop.sample(self._recipe, self.pack.sizes[indices], rng))

    def plain(self, indices: Ints) -> Tensor:
        """Central parts of the shape of a global crop, 7/8 of the largest that fit, at its size, normalised.

        Shape (B, 3, height, width). Of squares: 7/8 of the shortest side. Of a method that edits pictures: all of them.
        """
        edited = self.method.recipe
        if isinstance(edited, EditRecipe):
            return edited_pairs.unedited(edited, self.pack, indices).to(self.device)
        recipe, sizes = self._recipe, self.pack.sizes[indices]
        rows, columns = sides(recipe.crops[0].size)
        height = np.rint(np.minimum(sizes[:, 0], sizes[:, 1] * rows / columns) * 7 / 8).astype(np.int64).clip(1)
        width = np.rint(np.minimum(sizes[:, 1], sizes[:, 0] * columns / rows) * 7 / 8).astype(np.int64).clip(1)
        boxes = np.stack([(sizes[:, 0] - height) // 2, (sizes[:, 1] - width) // 2, height, width], axis=-1)[None]
        return self._apply(replace(recipe, crops=recipe.crops[:1]), indices, [multi_crop.fixed(boxes)])[0]

    def _batched_edits(self) -> BatchedPairs | None:
        """What edits pictures on the device; ``None`` if Pillow does, or if the views are no edits."""
        recipe = self.method.recipe
        where = ("cpu" if self.device.type == "cpu" else "device") if self.plan.edits == "auto" else self.plan.edits
        if not isinstance(recipe, EditRecipe) or where == "cpu":
            return None
        count = layers.enough(self.length.steps * self.length.batch)
        return BatchedPairs(self.pack, self._held, self.device, self.plan.seed, recipe.strength.magnitude, count)

    def _apply(self, recipe: Recipe, indices: Ints, parameters: list[CropParameters]) -> list[Tensor]:
        crops = multi_crop.apply(recipe, self._pixels(indices), parameters, self.device)
        return [crop.contiguous(memory_format=torch.channels_last) for crop in crops]

    @property
    def _recipe(self) -> Recipe:
        """The multi-crop recipe. Methods with an ``EditRecipe`` only use ``make_views``."""
        if not isinstance(self.method.recipe, Recipe):
            raise TypeError(f"{self.method.name} has no multi-crop recipe")
        return self.method.recipe

    def _pixels(self, indices: Ints) -> list[Tensor]:
        if self._held is not None:
            return [resident.picture(self._held, self.pack, int(index)) for index in indices]
        return [torch.from_numpy(self.pack.picture(int(index))) for index in indices]

    def _global_batch(self, step: int) -> Ints:
        start = step % self.length.per_epoch * self.plan.batch
        return self._global_order(step // self.length.per_epoch)[start : start + self.plan.batch]

    def _global_order(self, epoch: int) -> Ints:
        if self._order[0] != epoch:
            rng = np.random.default_rng([self.plan.seed, ORDER, epoch])
            chosen = self.method.order(epoch, rng)
            self._order = (epoch, rng.permutation(len(self.pack)) if chosen is None else chosen)
        return self._order[1]
