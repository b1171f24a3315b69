"""Presets of ``--small``: settings for some ten thousand pictures on one machine, where the papers use many GPUs.

Results on 14,537 photographs with one CPU core are in ``docs/notes/methods.md``. Keys are parameter names of options.
"""

from collections.abc import Mapping

SHARED = {"backbone": "resnet10t", "image_size": 96, "local_size": 48, "local_crops": 4, "batch": 64, "epochs": 10.0}
"""Settings that all presets share."""
SMALL: Mapping[str, Mapping[str, object]] = {
    "swav": {
        **SHARED,
        "prototypes": 128,
        "epsilon": 0.01,
        "koleo": 0.1,
        "optimizer": "adamw",
        "lr": 1.5e-3,
        "min_lr": 1e-5,
        "warmup_epochs": 0.2,
    },
    "dino": {
        **SHARED,
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
        **SHARED,
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
