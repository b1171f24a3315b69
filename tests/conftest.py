"""Fixtures for all tests: drawn pictures, and tiny bundles with real exported models."""

import os
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
from hypothesis import settings
from PIL import Image, ImageDraw

from copysight.model.bundle import Bundle
from tests.cluster.servers import MISSING as MILVUS_MISSING
from tests.cluster.servers import Milvus, MilvusLite
from tests.postgresql import MISSING, PostgresServer, binaries
from tests.seaweedfs import MISSING as NO_SEAWEED
from tests.seaweedfs import SeaweedServer
from tests.seaweedfs import binary as seaweed_binary

pytest_plugins = ["tests.reported.verdicts"]

# No test is timed: the machine may be busy with others.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")


T = TypeVar("T")


def drawn_picture(seed: int, size: tuple[int, int] = (160, 120)) -> Image.Image:
    """A picture of random shapes on a plain background, different for every seed."""
    rng = np.random.default_rng(seed)
    picture = Image.new("RGB", size, tuple(rng.integers(0, 256, 3).tolist()))
    draw = ImageDraw.Draw(picture)
    for _ in range(int(rng.integers(6, 14))):
        x, y = (int(rng.integers(0, side)) for side in size)
        w, h = (int(rng.integers(8, side // 2)) for side in size)
        colour = tuple(rng.integers(0, 256, 3).tolist())
        shape = draw.ellipse if rng.random() < 0.5 else draw.rectangle
        shape((x - w // 2, y - h // 2, x + w // 2, y + h // 2), fill=colour)
    return picture


def encoded(picture: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    """Encode a picture."""
    out = BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def _needed(found: T | None, missing: str) -> T:
    if found is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(missing)
    return found


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresServer]:
    """A PostgreSQL server. Without one, tests on it fail where CI is set, and are skipped with a reason elsewhere."""
    server = PostgresServer(_needed(binaries(), MISSING))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def seaweedfs() -> Iterator[SeaweedServer]:
    """An S3 server. Without one, tests on it fail where CI is set, and are skipped with a reason elsewhere."""
    server = SeaweedServer(_needed(seaweed_binary(), NO_SEAWEED))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def milvus_lite() -> Iterator[MilvusLite]:
    """A milvus-lite server, which no test may kill."""
    server = MilvusLite()
    yield server
    server.stop()


@pytest.fixture
def on_s3(seaweedfs: SeaweedServer, monkeypatch: pytest.MonkeyPatch) -> SeaweedServer:
    """New indexes have their blobs on S3."""
    for name, value in seaweedfs.environment.items():
        monkeypatch.setenv(name, value)
    return seaweedfs


@pytest.fixture(scope="session")
def milvus() -> Iterator[Milvus]:
    """A real Milvus, which no test may kill. Without its package, tests on it fail: they are run by their name only."""
    if not Milvus.is_there():
        pytest.fail(MILVUS_MISSING)
    server = Milvus()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def drawn() -> Callable[..., Image.Image]:
    return drawn_picture


@pytest.fixture(scope="session")
def jpeg() -> Callable[..., bytes]:
    return encoded


def exported_vit(
    directory: Path, name: str, side: int, width: int, depth: int, prototypes: int, heads: int = 2
) -> Bundle:
    """Export a ViT with 8-pixel patches and random weights."""
    import torch
    from timm.models.vision_transformer import VisionTransformer

    from copysight.pictures.preprocess import Preprocess
    from training.export.export import Network, export
    from training.networks.export_graphs import TransformerGraph

    torch.manual_seed(0)
    backbone = VisionTransformer(
        img_size=side, patch_size=8, embed_dim=width, depth=depth, num_heads=heads, num_classes=0, global_pool="token"
    )
    for parameter in backbone.parameters():
        torch.nn.init.normal_(parameter, std=0.2) if parameter.ndim > 1 else None
    head = torch.nn.Linear(width, prototypes) if prototypes else None
    graph = TransformerGraph(backbone, "cls", head).eval()
    preprocess = Preprocess(side, "squash", side, "bicubic", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    network = Network(graph, preprocess, name, "random", f"vit_{name}_test", "cls", 0.1, {"epochs": 0})
    return export([network], directory / name, places=False)


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A ViT bundle: 2 blocks, 32 px, D=32, H=2, 4 x 4 patches, K=16 prototypes."""
    return exported_vit(tmp_path_factory.mktemp("bundles"), "tiny", 32, 32, 2, 16)


@pytest.fixture(scope="session")
def resnet_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A ResNet bundle: 64 px, a SwAV head of K=12 prototypes, a last feature map of 2 x 2, no attention, no patches."""
    import timm
    import torch

    from copysight.pictures.preprocess import Preprocess
    from training.export.export import Network, export
    from training.networks.export_graphs import PooledGraph
    from training.networks.heads import SwavHead

    torch.manual_seed(0)
    body = timm.create_model("test_resnet", num_classes=0)
    graph = PooledGraph(body, SwavHead(body.num_features, (12,), 32, 16)).eval()
    preprocess = Preprocess(64, "squash", 64, "bicubic", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    network = Network(graph, preprocess, "resnet", "swav", "test_resnet", "pool", 0.1, {})
    return export([network], tmp_path_factory.mktemp("bundles") / "resnet", places=False)


@pytest.fixture(scope="session")
def other_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A second ViT bundle, for changes of the model: 1 block, 24 px, D=24, no prototypes."""
    return exported_vit(tmp_path_factory.mktemp("bundles"), "other", 24, 24, 1, 0)


@pytest.fixture(scope="session")
def calibrated_index(tmp_path_factory: pytest.TempPathFactory, tiny_bundle: Bundle) -> Path:
    """An index of 120 drawn pictures, which is enough for a calibration. Only read it, or change a copy of it."""
    from index_builder.build import build
    from index_builder.progress import Progress
    from index_builder.stages.plan import Plan

    root = tmp_path_factory.mktemp("calibrated")
    (root / "pictures").mkdir()
    for seed in range(120):
        (root / "pictures" / f"{seed}.jpg").write_bytes(encoded(drawn_picture(seed)))
    build(Plan(root / "pictures", root / "index", bundle=str(tiny_bundle.path), threads=1), Progress(quiet=True))
    return root / "index"


@pytest.fixture
def folder(tmp_path: Path, drawn: Callable, jpeg: Callable) -> Path:
    """Six pictures of several formats in a folder tree, and one file that is not a picture."""
    root = tmp_path / "pictures"
    (root / "holiday" / "beach").mkdir(parents=True)
    for number in range(4):
        (root / f"{number}.jpg").write_bytes(jpeg(drawn(number)))
    (root / "holiday" / "beach" / "dune.PNG").write_bytes(jpeg(drawn(4), "PNG"))
    (root / "holiday" / "sea.webp").write_bytes(jpeg(drawn(5), "WEBP"))
    (root / "notes.txt").write_text("no picture")
    return root
