"""Heads have the tensor names and the formulas of the released checkpoints."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from training.networks import heads
from training.networks.heads import DinoHead, SwavHead


@pytest.mark.parametrize("use_bn", [False, True])
def test_parameter_names_are_those_of_the_released_checkpoints(use_bn: bool) -> None:
    state = DinoHead(8, 12, 16, 4, use_bn=use_bn).state_dict()
    linear = (0, 3, 6) if use_bn else (0, 2, 4)
    expected = {f"mlp.{i}.{kind}" for i in linear for kind in ("weight", "bias")}
    assert expected <= set(state)
    assert state["last_layer.weight_g"].shape == (12, 1)
    assert state["last_layer.weight_v"].shape == (12, 4)
    assert set(SwavHead(8, (5, 6), 16, 4).state_dict()) > {"projection_head.0.weight", "projection_head.3.bias"}


def test_the_last_layer_equals_torchs_weight_norm() -> None:
    torch.manual_seed(0)
    head = DinoHead(8, 12, 16, 4, norm_last_layer=False)
    nn.init.uniform_(head.last_layer.weight_g, 0.5, 2)
    reference = weight_norm(nn.Linear(4, 12, bias=False))
    reference.load_state_dict(
        {f"weight_{kind}": getattr(head.last_layer, f"weight_{kind}") for kind in "gv"}, strict=False
    )
    x = torch.randn(7, 8)
    assert torch.allclose(head(x), reference(F.normalize(head.mlp(x), dim=-1)), atol=1e-6)


def test_logits_of_normalised_prototypes_are_cosines() -> None:
    head = DinoHead(8, 12, 16, 4)
    assert not head.last_layer.weight_g.requires_grad
    x = torch.randn(9, 8)
    expected = F.cosine_similarity(head.mlp(x)[:, None], head.last_layer.weight_v[None], dim=-1)
    assert torch.allclose(head(x), expected, atol=1e-5)


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_heads_have_the_given_number_of_layers(layers: int) -> None:
    head = DinoHead(8, 6, 16, 4, layers)
    assert sum(isinstance(module, nn.Linear) for module in head.mlp.modules()) == layers
    assert head(torch.randn(2, 8)).shape == (2, 6)


def test_swav_scores_are_cosines_once_prototypes_are_normalised() -> None:
    head = SwavHead(8, (5,), 16, 4).eval()
    head.normalise_prototypes()
    x = torch.randn(6, 8)
    projected = head.projection_head(x)
    weight = head.state_dict()["prototypes.0.weight"]
    expected = F.cosine_similarity(projected[:, None], weight[None], dim=-1)
    assert torch.allclose(head(x), expected, atol=1e-5)


@pytest.mark.parametrize(
    "head",
    [
        DinoHead(8, 12, 16, 4),
        DinoHead(8, 12, 16, 4, use_bn=True),
        DinoHead(8, 12, 16, 4, 2),
        SwavHead(8, (5, 7), 16, 4),
        SwavHead(8, (5, 7), 16, 4, centred=True),
    ],
)
def test_a_head_is_rebuilt_from_its_weights(head: nn.Module) -> None:
    rebuilt = heads.rebuild(head.state_dict())
    assert rebuilt is not None
    x = torch.randn(3, 8)
    assert torch.equal(rebuilt.eval()(x), head.eval()(x))


def test_weights_of_another_module_rebuild_no_head() -> None:
    assert heads.rebuild(nn.Linear(2, 2).state_dict()) is None
