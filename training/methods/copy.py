"""The copy method: descriptors that are similar for edits of one picture and different otherwise (SSCD)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from copysight.pictures.preprocess import Size
from copysight.system.progress import with_progress
from training import distributed
from training.config_field import MEMORY, NOT_NEGATIVE, POSITIVE, WIDTH, Span, config_field
from training.data.neighbour_order import neighbour_order
from training.losses.infonce import copy_loss, matching_loss
from training.methods.descriptor_method import DescriptorConfig, DescriptorMethod
from training.methods.method import Ints, Length, Progress, StepOutput, TrainingData
from training.networks.input_sizes import in_eval
from training.views.edited_pairs import EditRecipe


@dataclass(frozen=True)
class CopyConfig(DescriptorConfig):
    """Config of the copy method; the defaults are those of our pilot on two CPU cores."""

    dimension: int = config_field(512, "Dimension D of the descriptor. SSCD uses 512.", span=WIDTH)
    temperature: float = config_field(0.05, "Temperature of the InfoNCE loss. SSCD uses 0.05.", span=POSITIVE)
    entropy: float = config_field(
        3.0,
        "Weight of the entropy term, which spreads different pictures. SSCD uses 30; use 3 for small batches.",
        span=NOT_NEGATIVE,
    )
    memory: int = config_field(
        0,
        "Number of the last embeddings by the averaged network that each view must be told from, beside those of the "
        "batch. MoCo uses 65536, SSCD has none.",
        span=MEMORY,
    )
    alike: int = config_field(
        1,
        "Number of pictures that stand together in a batch because they are neighbours for the averaged network at the "
        "start of the epoch: different pictures that it can hardly tell apart. 1 shuffles all. The default is ours.",
        span=Span(1, 1000),
    )


class Copy(DescriptorMethod):
    """Copies are told from all other pictures of a batch, and different pictures are spread.

    With a memory a view must find the other view of its picture as the averaged network embeds it (He et al. 2020,
    MoCo, section 3.2). Old embeddings of the trained network itself do not work as negatives: their gradient moves all
    embeddings in one direction, because there are no positives among them.
    """

    name = "copy"
    pictures_in_order: Tensor

    def __init__(self, config: CopyConfig, backbone: str, image_size: Size, recipe: EditRecipe) -> None:
        super().__init__(config, backbone, image_size, recipe)
        self.hold_memory(config.memory, saved=config.memory > 0)  # checkpoints of older versions have none
        self.register_buffer("pictures_in_order", torch.zeros(0, dtype=torch.int64), persistent=config.alike > 1)
        self._seen: list[tuple[Tensor, Tensor]] = []

    def start(self, length: Length) -> None:
        """Make room for the order of the pictures of an epoch, which a resumed training needs."""
        super().start(length)
        if self.config.alike > 1:
            self.pictures_in_order = self.pictures_in_order.new_zeros(length.pictures)

    def order(self, epoch: int, rng: np.random.Generator) -> Ints | None:
        """Neighbours together, with ``alike``."""
        return self.pictures_in_order.cpu().numpy() if self.config.alike > 1 else None

    def begin_round(self, progress: Progress, data: TrainingData) -> Mapping[str, float]:
        """With ``alike``, embed all pictures for the order of the epoch."""
        if self.config.alike > 1:
            rng = np.random.default_rng(int(torch.randint(2**31, ())))
            found = neighbour_order(self._embedded(data).cpu().numpy(), self.config.alike, rng)
            self.pictures_in_order.copy_(
                distributed.broadcast(torch.from_numpy(found).to(self.pictures_in_order.device))
            )
        return {}

    @torch.no_grad()
    def _embedded(self, data: TrainingData) -> Tensor:
        """Embeddings (N, D) of all pictures by the averaged network; each process computes a part."""
        part = -(-data.pictures // distributed.world_size())
        own = np.arange(distributed.rank() * part, (distributed.rank() + 1) * part) % data.pictures
        rows = []
        starts = range(0, part, data.batch)
        shown = with_progress(starts, len(starts), "batches for the order of the epoch")
        for start in starts if distributed.rank() else shown:
            pictures = data.plain(own[start : start + data.batch])
            with data.autocast(), in_eval(self.average):
                rows.append(F.normalize(self.average(pictures).float(), dim=1))
        return distributed.all_gather(torch.cat(rows))[: data.pictures]

    def begin_step(self, progress: Progress) -> None:
        """Set the recipe of the step; forget the embeddings of a step that was skipped."""
        super().begin_step(progress)
        self._seen.clear()

    def after_update(self, progress: Progress) -> None:
        """Update the average, and remember the embeddings of the step."""
        super().after_update(progress)
        for keys, instances in self._seen:
            self.remember(keys, instances)

    def forward(self, crops: Sequence[Tensor], indices: Tensor) -> StepOutput:
        """Loss over the embeddings of all processes: more negatives matter more than speed."""
        views = torch.cat(list(crops))
        own = F.normalize(self.descriptor(views).float(), dim=1)
        embeddings, instances = _gather_embeddings(own), distributed.all_gather(indices.repeat(len(crops)))
        weight = self.config.entropy * min(1.0, self._done / 0.1 + 0.1)
        loss = copy_loss(embeddings, instances, self.config.temperature, weight)
        # DDP averages the gradients of the processes, but each process has only the gradient of its own rows.
        total, infonce = loss.total * distributed.world_size(), loss.infonce.detach()
        if self.config.memory:
            matching = self._infonce_with_memory(views, own, instances)
            total = matching + loss.entropy * distributed.world_size()
            infonce = distributed.all_reduce_sum(matching.detach()) / distributed.world_size()
        return StepOutput(total, {"loss": infonce + loss.entropy.detach(), "infonce": infonce})

    def _infonce_with_memory(self, views: Tensor, own: Tensor, instances: Tensor) -> Tensor:
        """InfoNCE of the embeddings of this process; those of others at this step are negatives, like the memory."""
        with in_eval(self.average):
            keys = F.normalize(self.average(views).float(), dim=1)
        keys = distributed.all_gather(keys.roll(len(keys) // 2, dims=0))  # each row is the other view of its picture
        self._seen.append((keys, instances))
        first, count = distributed.rank() * len(own), len(own)
        keys, pictures = keys.roll(-first, dims=0), instances.roll(-first)  # rows of this process first
        negatives = torch.cat([keys[count:], self.memory]), torch.cat([pictures[count:], self.remembered])
        return matching_loss(own, keys[:count], pictures[:count], *negatives, self.config.temperature)


def _gather_embeddings(embeddings: Tensor) -> Tensor:
    """Embeddings of all W processes (W * B, D). Gradients flow only into the rows of this process."""
    if distributed.world_size() == 1:
        return embeddings
    parts = list(distributed.all_gather(embeddings).chunk(distributed.world_size()))
    parts[distributed.rank()] = embeddings
    return torch.cat(parts)
