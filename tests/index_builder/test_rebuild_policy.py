"""A rebuild is due if enough items have changed, or if the generation is damaged."""

from dataclasses import replace

import pytest

from copysight.index import Index
from index_builder import rebuild_policy


@pytest.fixture
def status(tiny_bundle, tmp_path):
    with Index.create(tmp_path / "index", tiny_bundle.path) as index:
        yield index.status()


@pytest.mark.parametrize(
    ("count", "delta", "tombstones", "due"),
    [
        (0, 0, 0, False),
        (5000, 600, 400, False),
        (5000, 600, 401, True),
        (20_000, 1000, 1000, False),
        (20_000, 2001, 0, True),
    ],
)
def test_a_rebuild_is_due_beyond_both_limits(status, count, delta, tombstones, due):
    decision = rebuild_policy.decide(replace(status, count=count, delta=delta, tombstones=tombstones, fault=None))
    assert decision.due is due
    assert f"{delta + tombstones:,} changes, {'more than' if due else 'within'}" in decision.reason


def test_a_damaged_generation_is_always_rebuilt(status):
    decision = rebuild_policy.decide(replace(status, fault="checksum"))
    assert decision.due
    assert "checksum" in decision.reason
