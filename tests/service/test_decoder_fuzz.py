"""Damaged files through the decoding processes; ``python -m benchmarks.decoder_fuzz`` is the same with a table."""

import pytest

from benchmarks import decoder_fuzz
from service.decoding import Processes

SHORT, LONG = 300, 40_000
"""Inputs of each of five formats: the long form has 200,000."""


def check(kind, inputs, seed):
    processes = Processes(2, decoder_fuzz.LIMITS, decoder_fuzz.MEMORY, decoder_fuzz.SECONDS)
    pids = processes.pids
    try:
        tally = decoder_fuzz.fuzz(processes, kind, inputs, seed, 2)
        assert tally.lost == 0, tally
        assert sorted(processes.pids) == sorted(pids), "a process was replaced"
        assert max(map(decoder_fuzz.peak, pids)) < 512 * 2**20
    finally:
        processes.close()
    print(f"{kind}: {tally.past / tally.inputs:.0%} of {tally.inputs:,} inputs past the header")
    assert tally.inputs == inputs
    assert tally.past >= inputs / 2
    assert 0 < tally.decoded < inputs, "some are only scratched, some are broken"


@pytest.mark.parametrize("kind", decoder_fuzz.HEADER)
def test_damaged_files(kind):
    check(kind, SHORT, seed=1)


@pytest.mark.long
@pytest.mark.parametrize("kind", decoder_fuzz.HEADER)
def test_many_damaged_files(kind):
    check(kind, LONG, seed=2)


def test_the_same_seed_damages_alike():
    first, again = decoder_fuzz.mutants("GIF", 3), decoder_fuzz.mutants("GIF", 3)
    assert [next(first) for _ in range(50)] == [next(again) for _ in range(50)]
    assert next(decoder_fuzz.mutants("GIF", 4)) != next(decoder_fuzz.mutants("GIF", 3))
