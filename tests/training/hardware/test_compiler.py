"""Compiled networks train as plain ones do; a machine without a compiler says so and trains."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from training.hardware import compiler

TRAIN = (
    "train", "dino", "--backbone", "test_resnet", "--global-size", "32", "--local-crops", "2", "--local-size", "16",
    "--prototypes", "16", "--hidden", "32", "--bottleneck", "16", "--batch", "8", "--epochs", "2", "--warmup-epochs",
    "0", "--device", "cpu", "--threads", "1", "--log-seconds", "0",
)  # fmt: skip


def trained(photos: Path, out: Path, *options: str, **environment: str) -> tuple[list[float], str]:
    """The losses of a training, and what it printed."""
    command = [sys.executable, "-m", "cli", *TRAIN, str(photos), "--out", str(out), "--cache", str(out), *options]
    own = {"TORCHINDUCTOR_CACHE_DIR": str(out / "compiled"), "TORCHINDUCTOR_COMPILE_THREADS": "1", **environment}
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **own}, check=False)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return [line["loss"] for line in lines if line["kind"] == "step"], done.stdout


def test_without_a_compiler_the_training_says_why_and_goes_on(photos, tmp_path):
    losses, said = trained(photos, tmp_path / "run", "--compile", "default", CXX=str(tmp_path / "no-compiler"))
    assert "--compile default: this machine cannot compile for cpu" in said
    assert "no-compiler" in said
    assert losses == trained(photos, tmp_path / "plain")[0]


@pytest.mark.long
@pytest.mark.parametrize("mode", ["default", "graphs"])
def test_compiled_networks_learn_as_plain_ones(mode, photos, tmp_path):
    losses, said = trained(photos, tmp_path / "run", "--compile", mode)
    assert "cannot compile" not in said
    expected, _ = trained(photos, tmp_path / "plain")
    assert losses == pytest.approx(expected, rel=0.01)


def test_every_choice_of_the_option_is_a_mode():
    from dataclasses import fields

    from training.run.plan import Plan

    [field] = [one for one in fields(Plan) if one.name == "compiled"]
    assert field.metadata["choices"] == tuple(compiler.MODES)
