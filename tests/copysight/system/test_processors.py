"""Processor counts from control-group quotas and the affinity mask."""

import os

import pytest

from copysight.system.processors import available

MASK = len(os.sched_getaffinity(0))


def write(file, text):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


@pytest.mark.parametrize(
    ("line", "processors"),
    [
        ("max 100000", MASK),
        ("100000 100000", 1),
        ("50000 100000", 1),
        ("110000 100000", min(MASK, 2)),
        ("9900000 100000", MASK),
    ],
)
def test_quota_of_version_two(tmp_path, line, processors):
    write(tmp_path / "cpu.max", line + "\n")
    assert available(tmp_path) == processors


@pytest.mark.parametrize(("quota", "processors"), [("-1", MASK), ("100000", 1), ("20000", 1), ("9900000", MASK)])
def test_quota_of_version_one(tmp_path, quota, processors):
    write(tmp_path / "cpu" / "cpu.cfs_quota_us", quota + "\n")
    write(tmp_path / "cpu" / "cpu.cfs_period_us", "100000\n")
    assert available(tmp_path) == processors


def test_no_control_group(tmp_path):
    assert available(tmp_path) == MASK


def test_fewer_processors_by_affinity():
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        assert available() == 1
    finally:
        os.sched_setaffinity(0, before)
