"""Train DINO with lightly (PyPI, 1.6) as its documentation does: transform, dataset, head, loss, momentum update.

Only the backbone is ours, so that both sides train the same network. There is one forward pass per crop, as in the
examples of lightly.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from lightly.data import LightlyDataset
from lightly.loss import DINOLoss
from lightly.models.modules import DINOProjectionHead
from lightly.models.utils import deactivate_requires_grad, update_momentum
from lightly.transforms.dino_transform import DINOTransform
from torch import Tensor, nn
from torch.utils.data import DataLoader

from benchmarks.training_steps import Setting
from training.methods.dino import DinoConfig
from training.networks import backbones


def transform(global_size: int, local_size: int, local_crops: int) -> DINOTransform:
    """Return the transform to 2 global and ``local_crops`` local views, with lightly's default strengths."""
    return DINOTransform(global_crop_size=global_size, local_crop_size=local_size, n_local_views=local_crops)


class Lightly:
    """A running training. ``steps_forever`` yields after every step and has its own loader processes."""

    def __init__(self, setting: Setting, config: DinoConfig, pictures: Path) -> None:
        self.setting, self.device = setting, torch.device(setting.device)
        self.student = _network(setting, config, config.drop_path).to(self.device)
        # The examples use a deep copy, but torch 2.15 cannot deep-copy a layer with weight norm.
        self.teacher = _network(setting, config, 0.0).to(self.device)
        self.teacher.load_state_dict(self.student.state_dict())
        deactivate_requires_grad(self.teacher)
        self.loss = DINOLoss(output_dim=config.prototypes).to(self.device)
        self.optimizer = torch.optim.AdamW(self.student.parameters(), lr=1e-4, weight_decay=config.weight_decay)
        views = transform(setting.global_size, setting.local_size, setting.local_crops)
        self.loader: DataLoader[Any] = DataLoader(
            LightlyDataset(str(pictures), transform=views),
            batch_size=setting.batch,
            shuffle=True,
            drop_last=True,
            num_workers=setting.workers,
            pin_memory=self.device.type == "cuda",
        )

    def steps_forever(self) -> Iterator[None]:
        """Run steps without end, with a new loader."""
        while True:
            for views, *_ in self.loader:
                self.step([view.to(self.device, non_blocking=True) for view in views])
                yield

    def step(self, views: list[Tensor]) -> None:
        """Run one optimiser step on views (B, 3, S, S), global crops first."""
        update_momentum(self.student, self.teacher, m=0.996)
        self.optimizer.zero_grad(set_to_none=True)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.setting.precision == "bf16"):
            with torch.no_grad():
                target = [self.teacher(view) for view in views[:2]]
            loss = self.loss(target, [self.student(view) for view in views], epoch=0)
        loss.backward()
        nn.utils.clip_grad_norm_(self.student.parameters(), 3.0)
        self.optimizer.step()


def _network(setting: Setting, config: DinoConfig, drop_path: float) -> nn.Sequential:
    body = backbones.build(setting.backbone, setting.global_size, drop_path)
    width = backbones.dimension(body, setting.global_size)
    return nn.Sequential(body, DINOProjectionHead(width, config.hidden, config.bottleneck, config.prototypes))
