"""How a method is trained, whatever it is."""

from dataclasses import dataclass

import torch

from copysight.errors import InvalidArgument, TooFewPictures
from training import distributed
from training.config_field import knob
from training.methods.method import Length


@dataclass(frozen=True)
class Plan:
    """Settings of the loop. ``batch`` counts pictures per optimiser step over all processes."""

    backbone: str = knob("vit_small_patch16_224", "timm name of the network. DINO: ViT-S/16; SwAV: resnet50.")
    image_size: int = knob(
        224,
        "Side of the two global crops in pixels, and of a ViT's position grid. DINO, SwAV: 224.",
        flag="--global-size",
    )
    epochs: float = knob(100.0, "Passes over the pictures; fractions allowed. DINO: 100 to 800; SwAV: 100 to 800.")
    batch: int = knob(64, "Pictures per optimiser step, over all processes. DINO: 1024; SwAV: 256 or 4096.")
    accumulate: int = knob(
        1, "Micro-batches per optimiser step; teacher and centre move once per step. Ours: for small memories."
    )
    clip: float = knob(3.0, "Largest norm of each gradient tensor by itself; 0: none. DINO: 3; SwAV: none.")
    precision: str = knob(
        "fp32", "bf16: autocast. Faster on some processors, slower on others. DINO: fp16; ours: fp32.", ("fp32", "bf16")
    )
    device: str = knob("auto", "auto, cpu, cuda, cuda:1 … Ours: a GPU if there is one.")
    seed: int = knob(0, "Seed of weights, order and crops. DINO: 0.")
    probe_minutes: float = knob(
        15.0, "Minutes between probes; there is one at the start and one at the end, too. Ours."
    )
    checkpoint_minutes: float = knob(5.0, "Minutes between checkpoints. Ours; DINO: once an epoch.")
    log_seconds: float = knob(20.0, "Seconds between progress lines. Ours.")
    stop_after_minutes: float = knob(
        0.0,
        "Stop with a checkpoint after so many minutes; the same command goes on. 0: never. Ours.",
        flag="--stop-after",
    )
    prefetch: bool = knob(
        True, "Make the next step's views in a thread while this one runs; the same views either way. Ours."
    )
    collapse_steps: int = knob(
        2000, "Stop when targets say nothing, or one prototype takes whole batches, for so many steps; 0: never. Ours."
    )
    labelled: bool = knob(
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
