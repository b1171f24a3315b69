"""Fuzz the decoding processes with damaged files. ``python -m benchmarks.decoder_fuzz`` also prints a table."""

import os
import signal

import pytest

from benchmarks import decoder_fuzz
from service.intake.decoding import ProcessDecoder

SHORT, LONG = 300, 40_000
"""Inputs for each format. A format comes in after 200,000 of `python -m benchmarks.decoder_fuzz --formats …`."""


def check(kind, inputs, seed):
    processes = ProcessDecoder(2, decoder_fuzz.LIMITS, decoder_fuzz.MEMORY, decoder_fuzz.SECONDS)
    pids = set(processes.pids)
    try:
        tally = decoder_fuzz.fuzz(processes, kind, inputs, seed, 2)
        assert tally.lost == 0, tally
        assert len(pids - set(processes.pids)) <= tally.overran, "a process was replaced"
        assert max(map(decoder_fuzz.peak, processes.pids)) < 512 * 2**20
    finally:
        processes.close()
    print(f"{kind}: {tally.past / tally.inputs:.0%} of {tally.inputs:,} inputs past the header")
    assert tally.inputs == inputs
    assert tally.past >= inputs / 2
    assert 0 < tally.decoded < inputs, "some inputs still decode, some do not"


@pytest.mark.parametrize("kind", decoder_fuzz.LIMITS.formats)
def test_damaged_files(kind):
    check(kind, SHORT, seed=1)


@pytest.mark.long
@pytest.mark.parametrize("kind", decoder_fuzz.LIMITS.formats)
def test_many_damaged_files(kind):
    check(kind, LONG, seed=2)


def test_an_overrun_counts_only_if_the_input_itself_is_slow(monkeypatch, drawn, jpeg):
    """A stopped process simulates an overloaded machine: the input itself takes almost no time."""
    processes = ProcessDecoder(1, decoder_fuzz.LIMITS, decoder_fuzz.MEMORY, 0.5)
    data = jpeg(drawn(1))
    assert decoder_fuzz.attempt(processes, data).work is None
    os.kill(processes.pids[0], signal.SIGSTOP)
    outcome = decoder_fuzz.attempt(processes, data)
    processes.close()
    tally = decoder_fuzz.Tally()
    decoder_fuzz.count(tally, outcome)
    assert (outcome.error.code, tally.overran, tally.lost) == ("decoder_too_slow", 1, 0)
    monkeypatch.setattr(decoder_fuzz, "SECONDS", outcome.work - 0.01)
    decoder_fuzz.count(tally, outcome)
    assert (tally.overran, tally.lost) == (2, 1)


def test_the_same_seed_gives_the_same_inputs():
    first, again = decoder_fuzz.mutants("GIF", 3), decoder_fuzz.mutants("GIF", 3)
    assert [next(first) for _ in range(50)] == [next(again) for _ in range(50)]
    assert next(decoder_fuzz.mutants("GIF", 4)) != next(decoder_fuzz.mutants("GIF", 3))
