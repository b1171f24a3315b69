"""Marks of running processes: seen by others, gone with the process."""

import subprocess
import sys

import pytest

from copysight.system.locks.held import Held

HOLD = """
import sys, time
from pathlib import Path
from copysight.system.locks.held import Held
with Held(Path(sys.argv[1])).hold(int(sys.argv[2])):
    print("held", flush=True)
    time.sleep(100)
"""


def test_a_mark_is_of_one_number_and_ends_with_its_block(tmp_path):
    marks = Held(tmp_path / "marks")
    assert not marks.is_held(7)
    with marks.hold(7), marks.hold(2**40):
        assert [marks.is_held(number) for number in (6, 7, 8, 2**40)] == [False, True, False, True]
    assert not marks.is_held(7)


def test_an_error_in_the_block_ends_the_mark(tmp_path):
    marks = Held(tmp_path / "marks")
    with pytest.raises(KeyError), marks.hold(1):
        raise KeyError
    assert not marks.is_held(1)


def test_a_killed_process_leaves_no_mark(tmp_path):
    marks = Held(tmp_path / "marks")
    process = subprocess.Popen([sys.executable, "-c", HOLD, tmp_path / "marks", "3"], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"held\n"
    assert marks.is_held(3)
    process.kill()
    process.communicate()
    assert not marks.is_held(3)


def test_two_holders_of_one_number_both_go_on(tmp_path):
    marks = Held(tmp_path / "marks")
    with marks.hold(1):
        with marks.hold(1):
            assert marks.is_held(1)
        assert marks.is_held(1)
