"""Settings for a small collection and one machine; the papers' are for millions of pictures and many GPUs.

What each learned from 14,537 photographs on one core of a CPU: ``docs/notes/methods.md``. Keys are names of options.
"""

from collections.abc import Mapping

SHAPE = {"backbone": "resnet10t", "image_size": 96, "local_size": 48, "local_crops": 4, "batch": 64, "epochs": 10.0}
SMALL: Mapping[str, Mapping[str, object]] = {
    "swav": {
        **SHAPE,
        "prototypes": 128,
        "epsilon": 0.01,
        "koleo": 0.1,
        "optimizer": "adamw",
        "lr": 1.5e-3,
        "min_lr": 1e-5,
        "warmup_epochs": 0.2,
    },
    "dino": {
        **SHAPE,
        "clip": 1.0,
        "prototypes": 128,
        "centring": "sinkhorn",
        "teacher_temperature": 0.02,
        "warmup_teacher_temperature": 0.02,
        "koleo": 0.1,
        "momentum": 0.99,
        "lr": 4e-3,
        "final_weight_decay": 0.04,
        "warmup_epochs": 0.5,
        "freeze_last_layer": 0.0,
        "head_bn": True,
        "hidden": 512,
        "bottleneck": 128,
    },
    "deepcluster": {
        **SHAPE,
        "global_scale": (0.25, 1.0),
        "local_scale": (0.05, 0.4),
        "colours": 0.5,
        "prototypes": 256,
        "freeze_prototypes_steps": 0,
        "refill": True,
        "rounds": 2,
        "head_bn": True,
        "optimizer": "adamw",
        "lr": 1.5e-3,
        "start_lr": 0.0,
        "min_lr": 1e-5,
        "warmup_epochs": 0.1,
    },
}
