"""Fixtures: a small index, and a brute-force search to compare it with."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from copysight.catalog import Added, Item, NewItem
from copysight.index import Index
from copysight.model.bundle import Bundle


@pytest.fixture
def index(tmp_path: Path, graphless: Bundle) -> Iterator[Index]:
    with Index.create(tmp_path / "index", graphless.path) as made:
        yield made


@pytest.fixture
def add(item: Callable[..., NewItem]) -> Callable[..., list[Item]]:
    """Add one item per seed, with the seed as its key."""

    def adding(index: Index, *seeds: int, **more: Any) -> list[Item]:
        new = [item(f"{seed}", seed, **more) for seed in seeds]
        outcomes = index.catalog.add(new, model=index.catalog.model(), replace=True)
        return [outcome.item for outcome in outcomes if isinstance(outcome, Added)]

    return adding


def cosine(vector: np.ndarray, query: np.ndarray) -> float:
    return float(np.float32(np.clip(vector @ query / np.linalg.norm(vector), -1, 1)))


def brute_force(vectors: dict[int, np.ndarray], query: np.ndarray, k: int) -> list[tuple[int, float]]:
    """The k best (id, similarity) of ``vectors`` by id, ordered by falling similarity, then by rising id."""
    unit = query.astype(np.float64) / np.linalg.norm(query.astype(np.float64))
    wide = unit.astype(np.float32).astype(np.float64)  # a query is float32
    wide /= np.linalg.norm(wide)
    scored = [(id_, cosine(vector.astype(np.float64), wide)) for id_, vector in vectors.items()]
    return sorted(scored, key=lambda pair: (-pair[1], pair[0]))[:k]


@pytest.fixture(scope="session")
def nearest() -> Callable[..., list[tuple[int, float]]]:
    return brute_force
