"""Run each golden case file through the test of its kind: ``dino_loss_2.npz`` through ``test_dino_loss``.

Case files are in ``tests/golden``, or in the folder COPYSIGHT_GOLDEN. See ``tests/golden/README.md``.
"""

import os
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from timm.models.vision_transformer import VisionTransformer

from training.networks.backbones import DinoTransformer

HERE = Path(__file__).parent
DIRECTORY = Path(os.environ.get("COPYSIGHT_GOLDEN", HERE.parent / "golden"))


class Golden:
    """Arrays of a case file whose names have a common prefix."""

    def __init__(self, path: Path, arrays: dict[str, np.ndarray] | None = None) -> None:
        self.path = path
        if arrays is None:
            with np.load(path, allow_pickle=False) as data:
                arrays = {name: data[name] for name in data.files}
        self.arrays = arrays

    def __getitem__(self, name: str):
        """An array; scalars and strings as Python values."""
        array = self.arrays[name]
        return array if array.ndim else array.item()

    def __contains__(self, name: str) -> bool:
        return name in self.arrays

    def below(self, prefix: str) -> "Golden":
        start = prefix + "/"
        return Golden(self.path, {k.removeprefix(start): v for k, v in self.arrays.items() if k.startswith(start)})

    def numbered(self, name: str) -> list["Golden"]:
        """The parts name0, name1 … up to the first that is missing."""
        parts = []
        while any(key.startswith(f"{name}{len(parts)}/") for key in self.arrays):
            parts.append(self.below(f"{name}{len(parts)}"))
        return parts

    def sequence(self, name: str) -> list[torch.Tensor]:
        """The tensors name0, name1 … up to the first that is missing."""
        found: list[torch.Tensor] = []
        while f"{name}{len(found)}" in self.arrays:
            found.append(self.tensor(f"{name}{len(found)}"))
        return found

    def tensor(self, name: str) -> torch.Tensor:
        return torch.from_numpy(np.array(self.arrays[name]))

    def tensors(self, prefix: str) -> dict[str, torch.Tensor]:
        return {name: torch.from_numpy(np.array(value)) for name, value in self.below(prefix).arrays.items()}

    @property
    def config(self) -> "Golden":
        return self.below("config")


def kind(path: Path) -> str:
    """``dino_vit_p16.npz`` and ``dino_loss_0.npz`` to ``dino_vit`` and ``dino_loss``."""
    return re.sub(r"(_p?\d+)?$", "", path.stem, count=1)


def tested() -> set[str]:
    """The kinds that have a test in this folder."""
    return {
        name for file in HERE.glob("test_*.py") for name in re.findall(r"def test_(\w+)\(golden\b", file.read_text())
    }


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "golden" in metafunc.fixturenames:
        wanted = metafunc.function.__name__.removeprefix("test_")
        files = [path for path in sorted(DIRECTORY.glob("*.npz")) if kind(path) == wanted]
        metafunc.parametrize("golden", files, ids=[path.stem for path in files], indirect=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect kinds without a case file; ``test_kinds`` checks that ``tests/golden`` has all kinds."""
    without = [item for item in items if item.path.parent == HERE and item.name.endswith("[NOTSET]")]
    if without:
        config.hook.pytest_deselected(items=without)
        items[:] = [item for item in items if item not in without]


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    return Golden(request.param)


@pytest.fixture(scope="session")
def case_files() -> dict[Path, str]:
    return {path: kind(path) for path in sorted(DIRECTORY.glob("*.npz"))}


@pytest.fixture(scope="session")
def tested_kinds() -> set[str]:
    return tested()


@pytest.fixture
def transformer() -> Callable[..., VisionTransformer]:
    return build


def build(config: Golden, state: dict[str, torch.Tensor] | None = None) -> VisionTransformer:
    """Build the small ViT of a case as training does, in eval mode. Released tensor names load strictly."""
    network = VisionTransformer(
        img_size=config["train_img_size"],
        patch_size=config["patch_size"],
        embed_dim=config["embed_dim"],
        depth=config["depth"],
        num_heads=config["num_heads"],
        mlp_ratio=config["mlp_ratio"],
        num_classes=0,
        dynamic_img_size=True,
    )
    network.__class__ = DinoTransformer
    network.patch_embed.img_size = None
    for module in network.modules():
        if isinstance(module, torch.nn.LayerNorm):
            assert module.eps == config["layernorm_eps"]
    if state is not None:
        network.load_state_dict(state)
    return network.eval()
