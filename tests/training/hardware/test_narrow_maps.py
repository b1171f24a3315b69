"""Gradients in bf16 of convolutions on maps that are narrower than their stride, in memory that is full of rubbish."""

import os
import subprocess
import sys

import pytest

POISON = "glibc.malloc.perturb=128:glibc.malloc.tcache_count=0"
"""glibc fills what it hands out with bytes 0x7f, so that memory which nobody wrote is a float of about 3e38."""
PROGRAM = """
import sys, torch
from training.hardware import narrow_maps
torch.manual_seed(0)
side, stride = int(sys.argv[1]), int(sys.argv[2])
layer = torch.nn.Sequential(torch.nn.Conv2d(32, 32, 3, stride, 1, bias=False)).to(memory_format=torch.channels_last)
narrow_maps.mend(layer)
pictures = torch.randn(4, 32, side, side).contiguous(memory_format=torch.channels_last)
gradients = []
for precise in (False, True):
    layer.zero_grad()
    with torch.autocast("cpu", torch.bfloat16, enabled=not precise):
        loss = layer(pictures).float().square().mean()
    loss.backward()
    gradients.append(layer[0].weight.grad.clone())
half, full = gradients
print(float((half - full).abs().max() / full.abs().max()))
"""


@pytest.mark.parametrize(("side", "stride"), [(1, 2), (2, 4), (3, 4), (1, 1), (4, 2)])
def test_gradients_in_bf16_are_those_in_fp32_on_narrow_maps(side, stride):
    command = [sys.executable, "-c", PROGRAM, str(side), str(stride)]
    environment = {**os.environ, "GLIBC_TUNABLES": POISON, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    assert float(done.stdout) < 0.05
