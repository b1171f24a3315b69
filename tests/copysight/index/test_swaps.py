"""Generations published under a stream of searches, adds and deletes, by two real processes."""

from argparse import Namespace
from pathlib import Path

import pytest

from benchmarks import index_swaps


def test_no_answer_is_wrong_while_generations_are_swapped(tmp_path: Path) -> None:
    record = index_swaps.measured(tmp_path, Namespace(count=1000, dimension=32, generations=4))
    assert record.faults == []
    assert len(record.memory) >= 3
    assert len(record.gone) == 400


@pytest.mark.long
def test_a_hundred_swaps_cost_neither_latency_nor_memory(tmp_path: Path) -> None:
    record = index_swaps.measured(tmp_path, Namespace(count=100_000, dimension=384, generations=100))
    index_swaps.report(record)
    assert record.faults == []
    assert index_swaps.slowdown(record) < 3
    assert abs(index_swaps.growth(record)) < 0.05
