"""The outputs of the graph of rotary ViTs are those of timm's network; its attention is a row of the full matrix."""

import numpy as np
import pytest
import timm
import torch
from torch import Tensor, nn

from copysight.model.embedder import Embedder
from training.checkpoints import frameworks
from training.export import exportable
from training.export.export import export
from training.networks import layouts, rope_graph
from training.networks.input_sizes import in_eval
from training.networks.rope_graph import RopeGraph

KINDS = {
    "registers and biases, as in DINOv3": ("vit_small_patch16_dinov3_qkvb", 64),
    "registers without biases": ("vit_small_patch16_dinov3", 64),
    "separate projections, positions, gated MLP": ("eva02_tiny_patch14_224", 56),
}


def small(name: str, size: int) -> nn.Module:
    torch.manual_seed(0)
    network = timm.create_model(name, num_classes=0, img_size=size, embed_dim=48, depth=2, num_heads=2)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.2)
    return network.eval()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("recipe", ["cls", "gem", "cls+gem", "pool"])
def test_the_outputs_are_those_of_the_network(kind: str, recipe: str) -> None:
    name, size = KINDS[kind]
    network = small(name, size)
    assert rope_graph.gives_attention(network)
    layout = layouts.read(network, size)
    graph = RopeGraph(network, recipe, layout, nn.Linear(48, 5)).eval()
    pictures, seen = torch.randn(2, 3, size, size), []
    attention = network.blocks[-1].attn
    attention.attn_drop.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    with in_eval(network):
        embedding, maps, patches, prototypes = graph(pictures)
        attention.fused_attn = False
        tokens = network.forward_features(pictures)
        feature = network(pictures)
    full: Tensor = seen[0]
    expected = torch.stack(
        [full[:, :, 0, layout.prefix + place] for place in range(layout.rows * layout.columns)], dim=2
    )
    assert maps.shape == (2, 2, layout.rows, layout.columns)
    assert torch.allclose(maps.flatten(2), expected, atol=1e-5)
    assert torch.allclose(patches, tokens[:, layout.prefix :], atol=1e-4)
    assert torch.allclose(prototypes, graph.head(feature), atol=1e-4)
    cls, gem = tokens[:, 0], layout.patches(tokens).clamp(min=1e-6).pow(3).mean(dim=1).pow(1 / 3)
    found = {"cls": cls, "gem": gem, "cls+gem": torch.cat([cls, gem], dim=1), "pool": feature}[recipe]
    assert torch.allclose(embedding, nn.functional.normalize(found, dim=1), atol=1e-5)


def test_such_a_network_is_exported_with_attention_and_patches(tmp_path, drawn):
    network = exportable.load("timm:vit_tiny_patch16_dinov3_qkvb", size=64, recipe="cls", random=True)
    bundle = export([network], tmp_path / "bundle", weights="timm", places=False)
    assert (bundle.attention.grid, bundle.patches.grid, bundle.embedding.recipe) == ((4, 4), (4, 4), "cls")
    maps = Embedder(bundle).attention_maps([drawn(0)])
    assert maps.shape == (1, 3, 4, 4)
    assert np.isfinite(maps).all()
    assert frameworks.backbone_of(network.graph) is network.graph.backbone
