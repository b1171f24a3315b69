"""Generations published under a stream of searches, adds and deletes, by two real processes."""

from pathlib import Path

import pytest

from benchmarks import index_swaps
from benchmarks.index_swaps import Load


def test_no_answer_is_wrong_while_generations_are_swapped(tmp_path: Path) -> None:
    record = index_swaps.measure(tmp_path, Load(1000, 32, generations=4, rate=500, quiet=0.2, turns=20, lists=8))
    assert record.faults == []
    assert record.memory
    assert record.idle
    assert record.writes
    assert min(record.added, record.deleted, index_swaps.searches(record)) > 0


@pytest.mark.long
def test_a_hundred_swaps_cost_neither_latency_nor_memory(tmp_path: Path) -> None:
    record = index_swaps.measure(tmp_path, Load())
    index_swaps.report(record)
    assert record.faults == []
    assert len(record.memory) >= 95  # one that is replaced while it loads is not seen
    assert index_swaps.slowdown(record.loads, record.writes) < 3
    assert index_swaps.slowdown(record.loads, record.idle) < 3
    assert abs(index_swaps.growth(record)) < 0.05
