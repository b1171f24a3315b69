"""Settings of the training loop that all methods share."""

from dataclasses import dataclass

import torch

from copysight.errors import InvalidArgument, TooFewPictures
from copysight.pictures.preprocess import Size
from training import distributed
from training.config_field import NOT_NEGATIVE, SIDE, Span, config_field
from training.methods.method import Length


@dataclass(frozen=True)
class Plan:
    """Settings of the loop. ``batch`` counts pictures per optimiser step over all processes."""

    backbone: str = config_field(
        "vit_small_patch16_224",
        "Name of the network in timm. DINO uses ViT-S/16, SwAV uses resnet50.",
        group="Common",
    )
    image_size: Size = config_field(
        224,
        "Side of the two global crops in pixels, or height and width as in 224x160; also the size of a ViT's position "
        "grid. DINO and SwAV use 224.",
        flag="--global-size",
        group="Common",
        span=SIDE,
    )
    epochs: float = config_field(
        100.0,
        "Number of passes over the pictures; fractions are allowed. DINO and SwAV use 100 to 800.",
        group="Common",
        span=Span(0, 100_000, above=True),
    )
    extend: bool = config_field(
        False,
        "Continue a run with more --epochs than it had. Its schedules become those of the new length, and the log says "
        "what changes. The default is ours.",
        group="Common",
    )
    batch: int = config_field(
        64,
        "Number of pictures per optimiser step, over all processes. DINO uses 1024, SwAV uses 256 or 4096.",
        group="Common",
        span=Span(1, 1_000_000),
    )
    accumulate: int = config_field(
        1,
        "Number of micro-batches per optimiser step, for small memories. Teacher and centre are updated once per step. "
        "The default is ours.",
        group="Machine",
        span=Span(1, 1_000_000),
    )
    clip: float = config_field(
        3.0,
        "Largest norm of each gradient tensor; 0 does not clip. DINO uses 3, SwAV does not clip.",
        group="Schedule",
        span=NOT_NEGATIVE,
    )
    precision: str = config_field(
        "fp32",
        "Precision of the networks. bf16 uses autocast, which is faster on some processors and slower on others. DINO "
        "uses fp16.",
        ("fp32", "bf16"),
        group="Machine",
    )
    device: str = config_field(
        "auto",
        "Device to train on: auto, cpu, cuda, or one GPU such as cuda:1. auto uses a GPU if there is one. The default "
        "is ours.",
        group="Machine",
    )
    compiled: str = config_field(
        "off",
        "Compile the networks with torch.compile: default, or graphs, which also records CUDA graphs. It takes a "
        "minute or more at the start, and for each size of crops; without a compiler the training goes on as it is. "
        "The default is ours.",
        ("off", "default", "graphs"),
        flag="--compile",
        group="Machine",
    )
    edits: str = config_field(
        "auto",
        "Where the edits of copy and distil are made: cpu (one by one, by Pillow) or device (in batches). auto takes "
        "the device if it is a GPU. Both have the same distribution. The default is ours.",
        ("auto", "cpu", "device"),
        group="Machine",
    )
    seed: int = config_field(
        0, "Seed of weights, order of pictures and crops. DINO uses 0.", group="Common", span=Span(0, 2**63 - 1)
    )
    probe_minutes: float = config_field(
        15.0,
        "Minutes between probes. Each training also probes at its start and end. The default is ours.",
        group="Common",
        span=NOT_NEGATIVE,
    )
    checkpoint_minutes: float = config_field(
        5.0,
        "Minutes between checkpoints. The default is ours; DINO saves once per epoch.",
        group="Machine",
        span=NOT_NEGATIVE,
    )
    log_seconds: float = config_field(
        20.0, "Seconds between log lines. The default is ours.", group="Machine", span=NOT_NEGATIVE
    )
    stop_after_minutes: float = config_field(
        0.0,
        "Save a checkpoint and stop after this many minutes; the same command resumes. 0 never stops early. The "
        "default is ours.",
        flag="--stop-after",
        group="Machine",
        span=NOT_NEGATIVE,
    )
    prefetch: bool = config_field(
        True,
        "Make the views of the next step in a thread while a step runs. The views are the same either way. The default "
        "is ours.",
        group="Machine",
    )
    collapse_steps: int = config_field(
        2000,
        "Stop after this many steps with uniform or constant targets, or with one prototype for whole batches; 0 never "
        "stops. The default is ours.",
        group="Schedule",
        span=NOT_NEGATIVE,
    )
    labelled: bool = config_field(
        False,
        "The folders of DATA are classes: log how clusters agree with them (NMI), as DeepCluster does. They are not "
        "used for training.",
        group="Common",
    )

    def length(self, pictures: int) -> Length:
        """Length of the training. The incomplete last batch of an epoch is dropped. Raises ``TooFewPictures``."""
        per_epoch = pictures // self.batch
        if per_epoch == 0:
            raise TooFewPictures(f"got {pictures} pictures for a batch of {self.batch}; add pictures or lower --batch")
        return Length(max(1, round(self.epochs * per_epoch)), per_epoch, self.batch, pictures)

    def autocast(self) -> torch.autocast:
        """Context in which networks run in bf16, if that is the precision."""
        return torch.autocast(torch.device(self.device).type, torch.bfloat16, enabled=self.precision == "bf16")

    @property
    def local_batch(self) -> int:
        """Pictures per step of one process. Raises ``InvalidArgument`` if the batch cannot be divided evenly."""
        parts = distributed.world_size() * self.accumulate
        if self.batch % parts:
            raise InvalidArgument(
                f"got --batch {self.batch} for {distributed.world_size()} processes and --accumulate "
                f"{self.accumulate}; it must be a multiple of {parts}"
            )
        return self.batch // distributed.world_size()
