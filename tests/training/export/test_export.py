"""Export ViTs and ResNets to bundles: sizes, recipes, several graphs, and the check against torch."""

import numpy as np
import pytest
import timm
import torch
from torch import nn

from copysight.errors import ExportFailed, InvalidArgument, OutputMissing
from copysight.model.embedder import Embedder
from tests.training.conftest import short_vit
from training.export import exportable
from training.export.export import export
from training.networks.export_graphs import PooledGraph, TransformerGraph, cls_attention, gem
from training.networks.heads import SwavHead


@pytest.fixture(scope="module")
def vit():
    """timm's test ViT for 160 px, at 96 px."""
    torch.manual_seed(1)
    return short_vit(96)


@pytest.fixture(scope="module")
def resnet():
    torch.manual_seed(2)
    return exportable.load("timm:test_resnet", random=True)


def test_a_convolutional_network_has_no_attention(resnet, tmp_path, drawn):
    bundle = export([resnet], tmp_path / "resnet")
    assert (bundle.attention, bundle.prototypes, bundle.contributions) == (None, None, None)
    assert (bundle.patches.graph, bundle.patches.grid) == ("patches", (10, 10))
    embedder = Embedder(bundle)
    assert embedder.embed([drawn(0)]).shape == (1, bundle.dimension)
    with pytest.raises(OutputMissing, match="gives no attention"):
        embedder.attention_maps([drawn(0)])
    with pytest.raises(OutputMissing, match="gives no prototypes"):
        embedder.assign([drawn(0)])


def test_activations_are_the_head_at_every_position(resnet):
    """Compare with a loop over positions. For a linear head the mean over positions would be the logits."""
    body = resnet.graph.descriptor
    head = SwavHead(body.num_features, (5,), 8, 4).eval()
    pictures = torch.randn(2, 3, 96, 64)
    with torch.inference_mode():
        embedding, prototypes, found = PooledGraph(body, head).eval()(pictures)
        maps = body.forward_features(pictures)
        assert torch.allclose(prototypes, head(body(pictures)), atol=1e-5)
        assert torch.allclose(embedding, torch.nn.functional.normalize(body(pictures), dim=1), atol=1e-6)
        for row in range(maps.shape[2]):
            for column in range(maps.shape[3]):
                assert torch.allclose(found[:, :, row, column], head(maps[:, :, row, column]), atol=1e-5)


def test_a_second_network_gives_what_the_first_lacks(resnet, vit, tmp_path, drawn):
    """The embedding comes from the first network, attention from the second, each with its own preprocessing."""
    both = export([resnet, vit], tmp_path / "both", name="pair", places=False)
    alone = export([vit], tmp_path / "vit", places=False)
    assert both.graphs["graph0"].outputs == ("embedding",)
    assert both.graphs["graph1"].outputs == ("attention", "patches")
    assert both.dimension != alone.dimension
    pictures = [drawn(seed) for seed in range(3)]
    assert (Embedder(both).attention_maps(pictures) == Embedder(alone).attention_maps(pictures)).all()
    assert both.at_least == max(256, resnet.preprocess.at_least, vit.preprocess.at_least)


def test_attention_equals_a_row_of_the_full_matrix(vit):
    """Compare the computed row with the whole softmax matrix."""
    block = vit.graph.backbone.blocks[-1]
    tokens = torch.randn(2, 37, vit.graph.backbone.embed_dim)
    heads = block.attn.num_heads
    q, k, _ = block.attn.qkv(block.norm1(tokens)).chunk(3, dim=-1)
    expected = torch.empty(2, heads, 36)
    for head in range(heads):
        width = q.shape[-1] // heads
        part = slice(head * width, (head + 1) * width)
        scores = q[..., part] @ k[..., part].transpose(1, 2) / width**0.5
        expected[:, head] = scores.softmax(dim=-1)[:, 0, 1:]
    assert torch.allclose(cls_attention(block, tokens, 1), expected, atol=1e-6)


@pytest.mark.parametrize("recipe", ["cls", "gem", "cls+gem"])
def test_recipes_give_normalised_embeddings_of_their_width(recipe, vit):
    graph = TransformerGraph(vit.graph.backbone, recipe).eval()
    with torch.inference_mode():
        embedding, _, patches = graph(torch.randn(2, 3, 96, 96))
    width = patches.shape[-1]
    assert embedding.shape == (2, 2 * width if recipe == "cls+gem" else width)
    assert torch.allclose(embedding.norm(dim=1), torch.ones(2))


def test_gem_equals_its_formula():
    patches = torch.randn(2, 5, 3)
    for row in range(2):
        for column in range(3):
            values = [max(float(v), 1e-6) ** 3 for v in patches[row, :, column]]
            assert gem(patches)[row, column] == pytest.approx((sum(values) / 5) ** (1 / 3), rel=1e-4)


def test_a_graph_that_differs_is_refused(vit, tmp_path, monkeypatch):
    """An export whose graph gives other values than torch must fail."""

    class Drifting(nn.Module):
        names = ("embedding",)

        def __init__(self) -> None:
            super().__init__()
            self.calls = 0

        def forward(self, pictures):
            self.calls += 1
            feature = pictures.mean(dim=(2, 3))
            return (torch.nn.functional.normalize(feature + self.calls, dim=1),)

    from dataclasses import replace

    with pytest.raises(ExportFailed, match="differs from torch"):
        export([replace(vit, graph=Drifting())], tmp_path / "drifting", places=False)
    assert not (tmp_path / "drifting").exists()


def test_unknown_networks_sizes_and_recipes_are_errors():
    with pytest.raises(InvalidArgument, match="timm does not have"):
        exportable.load("timm:no_such_network")
    with pytest.raises(InvalidArgument, match="multiple of 16"):
        exportable.load("timm:test_vit", size=100, random=True)
    with pytest.raises(InvalidArgument, match="choose one of pool, gem"):
        exportable.load("timm:test_resnet", recipe="cls", random=True)


def test_positions_are_resized_by_the_rule_of_dino(vit):
    """A 160 px network at 96 px has the position table of DINO's rule, not of timm's."""
    whole = timm.create_model("test_vit", num_classes=0)
    small = exportable.at_size("test_vit", whole, 96)
    expected = exportable.backbones.resize_positions(whole.pos_embed, (10, 10), 6, 6)
    assert torch.equal(small.pos_embed, expected)
    assert np.prod(vit.graph.backbone.patch_embed.grid_size) == 36
