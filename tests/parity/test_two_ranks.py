"""Two real processes give the same as the released code in two processes, and for Sinkhorn the same as one."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from training.losses.sinkhorn import sinkhorn

SCRIPT = Path(__file__).with_name("two_ranks.py")


def run_ranks(golden, tmp_path):
    outs = [tmp_path / f"{rank}.npz" for rank in range(golden["world_size"])]
    running = [
        subprocess.Popen([sys.executable, SCRIPT, golden.path, str(rank), tmp_path / "meet", out])
        for rank, out in enumerate(outs)
    ]
    try:
        assert [process.wait(timeout=600) for process in running] == [0] * len(outs)
    finally:
        for process in running:
            process.kill()
            process.wait()
    return [dict(np.load(out, allow_pickle=False)) for out in outs]


def test_two_ranks_dino_loss(golden, tmp_path):
    for rank, found in enumerate(run_ranks(golden, tmp_path)):
        for number in range(golden["n_calls"]):
            call = golden.below(f"rank{rank}/call{number}")
            assert float(found[f"call{number}/loss"]) == pytest.approx(call["loss"], abs=1e-5)
            assert found[f"call{number}/center_after"] == pytest.approx(call["center_after"], abs=1e-6)


def test_two_ranks_sinkhorn(golden, tmp_path):
    ranks = run_ranks(golden, tmp_path)
    for number, case in enumerate(golden.numbered("case")):
        parts = case.numbered("rank")
        alone = sinkhorn(torch.cat([part.tensor("scores") for part in parts]), case["epsilon"], case["iterations"])
        together = np.concatenate([found[f"case{number}/assignments"] for found in ranks])
        assert together == pytest.approx(np.concatenate([part["assignments"] for part in parts]), abs=5e-6)
        assert together == pytest.approx(alone.numpy(), abs=5e-6)
