"""Features of places: two stages of a convolutional network at one resolution, tokens of a ViT at any size."""

import pytest
import timm
import torch
import torch.nn.functional as F
from timm.models.vision_transformer import VisionTransformer

from training.networks.export_graphs import PooledGraph, TransformerGraph
from training.networks.places import StagePlaces, TokenPlaces, cubic_weights, places_of, resized_table


@pytest.mark.parametrize(("before", "after"), [(10, 10), (10, 30), (10, 7), (7, 52), (4, 3), (2, 9)])
def test_the_weights_are_those_of_bicubic_interpolation(before, after):
    rows = torch.randn(1, 3, before, 1)
    expected = F.interpolate(rows, (after, 1), mode="bicubic", align_corners=False)[0, :, :, 0]
    assert torch.allclose(rows[0, :, :, 0] @ cubic_weights(before, after).T, expected, atol=1e-5)
    assert torch.allclose(cubic_weights(before, after).sum(dim=1), torch.ones(after), atol=1e-6)


def test_a_table_is_resized_in_both_directions():
    table = torch.randn(6, 4, 5)
    expected = F.interpolate(table.permute(2, 0, 1)[None], (9, 13), mode="bicubic", align_corners=False)[0]
    assert torch.allclose(resized_table(table, 9, 13), expected.permute(1, 2, 0), atol=1e-5)


def test_stages_are_normalised_at_each_place_and_the_last_is_enlarged():
    """Compare with a loop over places; both stages of a place are in one row, row by row."""
    torch.manual_seed(0)
    body = timm.create_model("test_resnet", num_classes=0).eval()
    pictures = torch.randn(1, 3, 128, 192)
    with torch.inference_mode():
        [patches] = StagePlaces(body)(pictures)
        first, last = body.forward_intermediates(pictures, indices=2, intermediates_only=True)
    rows, columns, width = first.shape[2], first.shape[3], first.shape[1]
    assert patches.shape == (1, rows * columns, width + last.shape[1])
    lengths = last[0] / last[0].norm(dim=0, keepdim=True)
    for row in range(rows):
        for column in range(columns):
            here = patches[0, row * columns + column]
            expected = first[0, :, row, column] / first[0, :, row, column].norm()
            assert torch.allclose(here[:width], expected, atol=1e-5)
            # Bilinear by hand: the centre of a place in the last stage's coordinates.
            y, x = (row + 0.5) * last.shape[2] / rows - 0.5, (column + 0.5) * last.shape[3] / columns - 0.5
            assert torch.allclose(here[width:], _bilinear(lengths, y, x), atol=1e-5)


def _bilinear(maps, y, x):
    (top, bottom, down), (left, right, across) = _taps(y, maps.shape[1]), _taps(x, maps.shape[2])
    above = maps[:, top, left] * (1 - across) + maps[:, top, right] * across
    below = maps[:, bottom, left] * (1 - across) + maps[:, bottom, right] * across
    return above * (1 - down) + below * down


def _taps(place, side):
    low = int(max(place, 0))
    return low, min(low + 1, side - 1), max(place, 0) - low


@pytest.mark.parametrize(
    "settings",
    [{}, {"reg_tokens": 4}, {"reg_tokens": 4, "no_embed_class": True}, {"class_token": False, "global_pool": "avg"}],
)
def test_tokens_at_the_own_size_are_those_of_the_network(settings):
    torch.manual_seed(0)
    pool = {"global_pool": "token"} | settings
    vit = VisionTransformer(img_size=48, patch_size=8, embed_dim=32, depth=2, num_heads=2, num_classes=0, **pool).eval()
    if settings.get("class_token", True) is False:
        vit.norm = torch.nn.LayerNorm(32)
    pictures = torch.randn(2, 3, 48, 48)
    with torch.inference_mode():
        expected = vit.forward_features(pictures)[:, vit.num_prefix_tokens :]
        assert torch.allclose(TokenPlaces(vit)(pictures)[0], expected, atol=1e-5)
        assert TokenPlaces(vit)(torch.randn(1, 3, 80, 56))[0].shape == (1, 70, 32)


def test_only_networks_with_places_have_them():
    vit = timm.create_model("test_vit", num_classes=0)
    assert isinstance(places_of(TransformerGraph(vit, "cls")), TokenPlaces)
    assert isinstance(places_of(PooledGraph(timm.create_model("test_resnet", num_classes=0))), StagePlaces)
    assert places_of(PooledGraph(torch.nn.Conv2d(3, 8, 4))) is None
