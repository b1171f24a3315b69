"""Parameter groups, gradient clipping and LARS against loops."""

import numpy as np
import pytest
import torch
from torch import nn

from copysight.errors import InvalidArgument
from tests.training.conftest import make_method
from training.networks import backbones
from training.optim import parameter_groups
from training.optim.schedules import Schedules


def test_positions_and_tokens_are_decayed_biases_and_norms_are_not() -> None:
    network = backbones.build("test_vit", 32)
    decayed, undecayed = parameter_groups.groups(network)
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    assert {"cls_token", "pos_embed", "patch_embed.proj.weight"} <= {names[id(p)] for p in decayed["params"]}
    assert all(names[id(p)].endswith(".bias") or p.ndim == 1 for p in undecayed["params"])
    assert len(decayed["params"]) + len(undecayed["params"]) == len(names)


def test_a_fixed_norm_of_prototypes_is_in_no_group() -> None:
    fixed, learned = (make_method("dino", norm_last_layer=kind) for kind in (True, False))
    gains = [
        sum(p is m.student.head.last_layer.weight_g for p in parameter_groups.groups(m.student)[0]["params"])
        for m in (fixed, learned)
    ]
    assert gains == [0, 1]


def test_only_decayed_groups_get_weight_decay() -> None:
    layer = nn.Linear(3, 2)
    optimizer = parameter_groups.build("adamw", parameter_groups.groups(layer))
    parameter_groups.set_step(optimizer, Schedules(np.array([0.1, 0.2]), np.array([0.3, 0.4])), 1)
    assert [(group["lr"], group["weight_decay"]) for group in optimizer.param_groups] == [(0.2, 0.4), (0.2, 0.0)]


@pytest.mark.parametrize("largest", [0.5, 3.0, 100.0])
def test_every_tensor_is_clipped_separately(largest: float) -> None:
    torch.manual_seed(0)
    tensors = [nn.Parameter(torch.zeros(shape)) for shape in ((3, 4), (5,), (2, 2, 2), (1,))]
    gradients = [torch.randn_like(tensor) * 4 for tensor in tensors[:3]]
    for tensor, gradient in zip(tensors, gradients, strict=False):
        tensor.grad = gradient.clone()
    parameter_groups.clip(tensors, largest)
    for tensor, gradient in zip(tensors, gradients, strict=False):
        factor = min(1.0, largest / (float(gradient.norm()) + 1e-6))
        assert torch.allclose(tensor.grad, gradient * factor, atol=1e-6)
    assert tensors[3].grad is None


def test_lars_equals_a_loop() -> None:
    torch.manual_seed(1)
    tensors = [nn.Parameter(torch.randn(4, 3)), nn.Parameter(torch.randn(5)), nn.Parameter(torch.zeros(2, 2))]
    optimizer = parameter_groups.Lars([{"params": tensors, "weight_decay": 0.1}])
    expected, momenta = [t.detach().clone() for t in tensors], [torch.zeros_like(t) for t in tensors]
    for rate in (0.3, 0.2, 0.1):
        optimizer.param_groups[0]["lr"] = rate
        for i, tensor in enumerate(tensors):
            tensor.grad = torch.randn_like(tensor)
            g = tensor.grad.clone()
            if tensor.ndim != 1:
                g += 0.1 * expected[i]
                if expected[i].norm() > 0:
                    g *= 0.001 * expected[i].norm() / g.norm()
            momenta[i] = 0.9 * momenta[i] + g
            expected[i] = expected[i] - rate * momenta[i]
        optimizer.step()
    for tensor, value in zip(tensors, expected, strict=True):
        assert torch.allclose(tensor, value, atol=1e-6)


def test_an_unknown_optimiser_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="choose adamw"):
        parameter_groups.build("adam2", parameter_groups.groups(nn.Linear(1, 1)))
