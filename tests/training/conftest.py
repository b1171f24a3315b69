"""Fixtures of the training tests: drawn pictures in folders and packs, and short runs on them."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.conftest import drawn_picture
from training.data import pack as packs
from training.data.pack import Pack
from training.export import exportable
from training.export.export import Network
from training.methods.copy import Copy, CopyConfig
from training.methods.deepcluster import DeepCluster, DeepClusterConfig
from training.methods.deepcluster_v1 import DeepClusterV1, DeepClusterV1Config
from training.methods.dino import Dino, DinoConfig
from training.methods.swav import Swav, SwavConfig
from training.run.plan import Plan
from training.run.run import Run
from training.run.training_log import TrainingLog
from training.views import multi_crop
from training.views.edited_pairs import EditRecipe

PLAN = Plan(backbone="test_resnet", image_size=32, epochs=2, batch=8, device="cpu", log_seconds=1e9, clip=3.0)
DINO = DinoConfig(prototypes=24, hidden=32, bottleneck=16, warmup_epochs=0.5, lr=0.01, freeze_last_layer=0.25)
SWAV = SwavConfig(
    prototypes=8, hidden=32, output=16, queue_length=16, queue_from_epoch=0, freeze_prototypes_steps=2, koleo=0.1
)
DEEP = DeepClusterConfig(prototypes=6, prototype_heads=3, hidden=32, output=16, warmup_epochs=0.5, lr=0.5)
COPY = CopyConfig(dimension=8, first_size=32)
DEEP_V1 = DeepClusterV1Config(clusters=6, pca=12)


def make_method(name: str, backbone: str = "test_resnet", **changes: Any) -> Any:
    """Build a tiny method by name, with seed 0."""
    torch.manual_seed(0)
    swav = multi_crop.swav_recipe(32, 16, 2)
    if name == "dino":
        recipe = multi_crop.dino_recipe(32, 16, 2)
        return Dino(dataclasses.replace(DINO, **changes), backbone, 32, recipe)
    if name == "swav":
        return Swav(dataclasses.replace(SWAV, **changes), backbone, 32, swav)
    if name == "copy":
        return Copy(dataclasses.replace(COPY, **changes), backbone, 32, EditRecipe(32))
    if name == "deepcluster":
        return DeepCluster(dataclasses.replace(DEEP, **changes), backbone, 32, swav)
    return DeepClusterV1(dataclasses.replace(DEEP_V1, **changes), backbone, 32, multi_crop.plain_recipe(32))


def short_vit(size: int) -> Network:
    """timm's test ViT with random weights and two of its six blocks, which take less time to export."""
    network = exportable.load("timm:test_vit", size=size, random=True)
    network.graph.backbone.blocks = network.graph.backbone.blocks[:2]
    return network


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Use one thread: with tiny networks more threads only wait for each other."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder tree of 28 drawn JPEGs of two shapes."""
    folder = tmp_path_factory.mktemp("photos")
    for seed in range(28):
        inner = folder / f"part{seed % 2}"
        inner.mkdir(exist_ok=True)
        drawn_picture(seed, (72, 56) if seed % 3 else (48, 80)).save(inner / f"{seed:02d}.jpg")
    return folder


@pytest.fixture(scope="session")
def pack(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Pack:
    return packs.pack(photos, tmp_path_factory.mktemp("cache"))


@pytest.fixture
def new_run(pack: Pack, tmp_path: Path) -> Callable[..., Run]:
    """Make a run of a tiny method: ``new_run("dino", batch=4)`` changes the plan, ``settings`` change the method."""

    def make(name: str, out: Path | None = None, settings: dict[str, Any] | None = None, **changes: Any) -> Run:
        plan = dataclasses.replace(PLAN, **changes)
        method = make_method(name, plan.backbone, **(settings or {}))
        folder = out or tmp_path
        folder.mkdir(exist_ok=True)
        return Run(method, plan, pack, [], folder, TrainingLog(folder, lambda _: None))

    return make
