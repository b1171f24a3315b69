"""Contributions of places: parts of a generalised mean, of a layer with a bias, and of a whole copy network."""

import pytest
import torch
from torch import nn

from training.networks import descriptors
from training.networks.contributions import contributions_of, gem_shares, grids_of, mapped
from training.networks.export_graphs import PooledGraph, gem
from training.networks.many_views import ManyViews, standard_views


@pytest.mark.parametrize("power", [1.0, 3.0, 4.0])
def test_shares_match_a_slow_loop_and_add_up_to_the_generalised_mean(power):
    patches = torch.rand(2, 6, 3) * 4
    shares = gem_shares(patches, power)
    assert torch.allclose(shares.sum(dim=1), gem(patches, power), atol=1e-5)
    for row in range(2):
        for column in range(3):
            values = [float(value) ** power for value in patches[row, :, column]]
            whole = (sum(values) / 6) ** (1 / power)
            for place in range(6):
                expected = values[place] / sum(values) * whole
                assert float(shares[row, place, column]) == pytest.approx(expected, rel=1e-4)


def test_a_bias_is_shared_out_evenly():
    layer, parts = nn.Linear(4, 3), torch.randn(2, 5, 4)
    found = mapped(layer, parts)
    assert torch.allclose(found.sum(dim=1), layer(parts.sum(dim=1)), atol=1e-5)
    assert torch.allclose(found - parts @ layer.weight.T, (layer.bias / 5).expand(2, 5, 3), atol=1e-6)


@pytest.mark.parametrize("views", [False, True])
@pytest.mark.parametrize("whitened", [False, True])
def test_contributions_add_up_to_the_embedding(views, whitened):
    torch.manual_seed(0)
    body = descriptors.build("test_resnet", 64, 24)
    whole = ManyViews(body, standard_views(64)) if views else body
    graph = PooledGraph(whole, None, nn.Linear(24, 16) if whitened else None).eval()
    pictures, parts = torch.randn(3, 3, 128, 128), contributions_of(graph)
    with torch.inference_mode():
        [embedding], [found] = graph(pictures), parts(pictures)
    assert torch.allclose(found.sum(dim=1), embedding, atol=1e-5)
    grids = grids_of(parts, 128, 128)
    assert found.shape[1] == sum(grid.count for grid in grids)
    assert [grid.mirrored for grid in grids] == ([*[False] * 4, True, True, False, False] if views else [False, False])
    assert len({grid.box for grid in grids}) == (2 if views else 1)


def test_only_copy_networks_of_convolutions_have_them():
    assert contributions_of(PooledGraph(nn.Conv2d(3, 8, 4))) is None
    assert contributions_of(PooledGraph(descriptors.build("test_vit", 160, 24))) is None
