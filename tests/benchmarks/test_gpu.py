"""The GPU script: its dry run on a CPU from a clean copy of what is committed, and the pieces of wheels."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from benchmarks.gpu import wheels
from benchmarks.gpu.__main__ import STEPS, TRAININGS
from benchmarks.gpu.shrink import shrink
from copysight.pictures.scan import ORDINARY, scan

ROOT = Path(__file__).parents[2]
FEW = ("search",)
"""Step of the short form; `make test-long` runs all."""


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """The files of the last commit, and nothing else."""
    folder = tmp_path_factory.mktemp("clone")
    archive = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, check=True, capture_output=True).stdout
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive, check=True)
    return folder


def dry_run(clone, *steps):
    command = [sys.executable, "-m", "benchmarks.gpu", *steps, "--device", "cpu", "--tiny"]
    done = subprocess.run(command, cwd=clone, capture_output=True, text=True, check=False)
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return done.returncode, {line["step"]: line for line in lines}


@pytest.mark.parametrize("steps", [FEW, pytest.param(tuple(STEPS), marks=pytest.mark.long)], ids=["few", "all"])
def test_the_script_runs_on_a_cpu(steps, clone):
    status, lines = dry_run(clone, *steps)
    assert list(lines) == list(steps)
    assert [line for line in lines.values() if not line["ok"] or "not_run" in line] == []
    assert status == 0


@pytest.mark.parametrize("names", [TRAININGS[:1], pytest.param(TRAININGS, marks=pytest.mark.long)], ids=["one", "all"])
def test_trainings_go_on_from_what_an_earlier_call_kept(names, clone, tmp_path):
    """From its checkpoint in half precision; without that, from the weights alone."""
    kept, whole, *others = tmp_path / "kept", *names
    training = ("--seconds", "1", "--keep", str(kept), "--since", str(kept))
    status, first = dry_run(clone, *names, *training)
    assert (status, list(first)) == (0, list(names)), first
    expected = {f"{name}.{kind}.000" for name in names for kind in ("pt", "safetensors")}
    assert expected <= {piece.name for piece in kept.iterdir()}
    for name in others:
        (kept / f"{name}.pt.000").unlink()
    _, second = dry_run(clone, *names, *training)
    assert second[whole]["started_from"] == "checkpoint.pt"
    assert second[whole]["from_step"] == first[whole]["to_step"] > 0
    assert second[whole]["to_step"] > second[whole]["from_step"]
    for name in others:
        assert second[name]["started_from"] == f"{name}.safetensors"
        assert second[name]["from_step"] == 0


def test_small_copies_of_pictures_fit_into_the_size_that_is_asked_for(drawn, tmp_path):
    (tmp_path / "pictures").mkdir()
    for seed in range(28):
        drawn(seed).save(tmp_path / "pictures" / f"{seed}.png")
    (tmp_path / "pictures" / "broken.png").write_bytes(b"no picture")
    every = shrink(tmp_path / "pictures", tmp_path / "all.tar", 40, 60, 10**6)
    assert every == 28
    sizes = [entry.decode(ORDINARY.limits).pixels.size for entry in scan(tmp_path / "all.tar", ORDINARY).entries]
    assert len(sizes) == every
    assert {min(size) for size in sizes} == {40}
    few = shrink(tmp_path / "pictures", tmp_path / "few.tar", 40, 60, 30_000)
    assert 0 < few < every
    assert (tmp_path / "few.tar").stat().st_size <= 30_000


def test_a_gpu_that_is_not_there_fails_and_says_so(clone):
    command = [sys.executable, "-m", "benchmarks.gpu", "export", "--tiny"]
    done = subprocess.run(command, cwd=clone, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "cuda" in json.loads(done.stdout.splitlines()[0])["stderr"]


def test_all_steps_together_take_nine_minutes_at_most():
    assert sum(STEPS.values()) <= 540


def test_wheels_in_pieces_are_joined_and_unpacked(tmp_path):
    wheel = tmp_path / "thing-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr("thing/__init__.py", "VALUE = 7\n" + "#" * 5000)
    pieces = wheels.split(wheel, tmp_path / "pieces", piece=100)
    assert len(pieces) > 1
    assert all(one.stat().st_size <= 100 for one in pieces)
    site = wheels.unpack(tmp_path / "pieces", tmp_path / "site")
    assert (site / "thing" / "__init__.py").read_text().startswith("VALUE = 7")
    assert not list(site.glob("*.whl"))
