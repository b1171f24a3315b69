"""How a method is trained, whatever it is."""

from dataclasses import dataclass

import torch

from copysight.errors import InvalidArgument, TooFewPictures
from training import distributed
from training.config_field import config_field
from training.methods.method import Length


@dataclass(frozen=True)
class Plan:
    """Settings of the loop. ``batch`` counts pictures per optimiser step over all processes."""

    backbone: str = config_field("vit_small_patch16_224", "timm name of the network. DINO: ViT-S/16; SwAV: resnet50.")
    image_size: int = config_field(
        224,
        "Side of the two global crops in pixels, and of a ViT's position grid. DINO, SwAV: 224.",
        flag="--global-size",
    )
    epochs: float = config_field(
        100.0, "Passes over the pictures; fractions allowed. DINO: 100 to 800; SwAV: 100 to 800."
    )
    batch: int = config_field(64, "Pictures per optimiser step, over all processes. DINO: 1024; SwAV: 256 or 4096.")
    accumulate: int = config_field(
        1, "Micro-batches per optimiser step; teacher and centre move once per step. Ours: for small memories."
    )
    clip: float = config_field(3.0, "Largest norm of each gradient tensor by itself; 0: none. DINO: 3; SwAV: none.")
    precision: str = config_field(
        "fp32", "bf16: autocast. Faster on some processors, slower on others. DINO: fp16; ours: fp32.", ("fp32", "bf16")
    )
    device: str = config_field("auto", "auto, cpu, cuda, cuda:1 … Ours: a GPU if there is one.")
    seed: int = config_field(0, "Seed of weights, order and crops. DINO: 0.")
    probe_minutes: float = config_field(
        15.0, "Minutes between probes; there is one at the start and one at the end, too. Ours."
    )
    checkpoint_minutes: float = config_field(5.0, "Minutes between checkpoints. Ours; DINO: once an epoch.")
    log_seconds: float = config_field(20.0, "Seconds between progress lines. Ours.")
    stop_after_minutes: float = config_field(
        0.0,
        "Stop with a checkpoint after so many minutes; the same command goes on. 0: never. Ours.",
        flag="--stop-after",
    )
    prefetch: bool = config_field(
        True, "Make the next step's views in a thread while this one runs; the same views either way. Ours."
    )
    collapse_steps: int = config_field(
        2000, "Stop when targets say nothing, or one prototype takes whole batches, for so many steps; 0: never. Ours."
    )
    labelled: bool = config_field(
        False,
        "The folders of DATA are classes: log how clusters agree with them (NMI), as DeepCluster; not learned from.",
    )

    def length(self, pictures: int) -> Length:
        """Steps of the whole training; the incomplete last batch of an epoch is dropped. Raises ``TooFewPictures``."""
        per_epoch = pictures // self.batch
        if per_epoch == 0:
            raise TooFewPictures(f"got {pictures} pictures for a batch of {self.batch}; add pictures or lower --batch")
        return Length(max(1, round(self.epochs * per_epoch)), per_epoch, self.batch, pictures)

    def autocast(self) -> torch.autocast:
        """Where networks run in bf16, if that is the precision."""
        return torch.autocast(torch.device(self.device).type, torch.bfloat16, enabled=self.precision == "bf16")

    @property
    def local_batch(self) -> int:
        """Pictures per step of one process. Raises ``InvalidArgument`` if the batch cannot be shared out."""
        parts = distributed.world_size() * self.accumulate
        if self.batch % parts:
            raise InvalidArgument(
                f"got --batch {self.batch} for {distributed.world_size()} processes and --accumulate "
                f"{self.accumulate}; it must be a multiple of {parts}"
            )
        return self.batch // distributed.world_size()
