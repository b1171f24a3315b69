"""Fixtures for catalog, blobs and index: bundles without graphs, unit vectors, new items."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from copysight.catalog import NewItem
from copysight.model import bundle as bundles
from copysight.model.bundle import Bundle

D = 16


def unit_vector(seed: int, dimension: int = D) -> np.ndarray:
    vector = np.random.default_rng(seed).normal(size=dimension)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def sha_of(seed: int) -> str:
    return hashlib.sha256(str(seed).encode()).hexdigest()


def new_item(key: str, seed: int, **more: Any) -> NewItem:
    return NewItem(
        **{"key": key, "sha256": sha_of(seed), "width": 20, "height": 10, "vector": unit_vector(seed), **more}
    )


def written_bundle(path: Path, name: str, dimension: int = D) -> Bundle:
    """A bundle that describes embeddings but has no graph, which is enough for an index."""
    manifest = {
        "name": name,
        "method": "none",
        "backbone": "none",
        "training": {},
        "licence": "Apache-2.0",
        "graphs": {},
        "embedding": {"graph": "main", "dimension": dimension, "recipe": "cls", "whitening": False},
        "attention": None,
        "prototypes": None,
        "patches": None,
        "numerics": {"largest_difference": 0.0, "cosine": 1.0},
        "calibration": None,
    }
    return bundles.write(path, manifest, {"MODEL_CARD.md": b"# none\n"})


@pytest.fixture(scope="session")
def unit() -> Callable[..., np.ndarray]:
    return unit_vector


@pytest.fixture(scope="session")
def sha() -> Callable[[int], str]:
    return sha_of


@pytest.fixture(scope="session")
def item() -> Callable[..., NewItem]:
    return new_item


@pytest.fixture(scope="session")
def make_bundle() -> Callable[..., Bundle]:
    return written_bundle


@pytest.fixture(scope="session")
def graphless(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return written_bundle(tmp_path_factory.mktemp("graphless") / "first", "first")
