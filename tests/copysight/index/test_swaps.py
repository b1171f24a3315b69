"""Searches stay correct and fast while another process publishes generations, adds and deletes."""

from pathlib import Path

import pytest

from benchmarks import index_swaps
from benchmarks.index_swaps import Load


def test_all_answers_are_correct_while_generations_are_swapped(tmp_path: Path) -> None:
    record = index_swaps.measure(tmp_path, Load(1000, 32, generations=4, rate=500, quiet=0.2, turns=20, lists=8))
    assert record.faults == []
    assert record.memory
    assert record.idle
    assert record.writes
    assert min(record.added, record.deleted, index_swaps.searches(record)) > 0


@pytest.mark.long
def test_a_hundred_swaps_increase_neither_latency_nor_memory(tmp_path: Path) -> None:
    record = index_swaps.measure(tmp_path, Load())
    index_swaps.report(record)
    assert record.faults == []
    assert len(record.memory) >= 95  # a generation that is replaced while it loads is not counted
    assert index_swaps.slowdown(record.loads, record.writes) < 3
    assert index_swaps.slowdown(record.loads, record.idle) < 3
    assert abs(index_swaps.growth(record)) < 0.05
