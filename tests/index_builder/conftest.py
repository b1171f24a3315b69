"""A second bundle, for going over to another one."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def other_bundle(tmp_path_factory):
    """A real exported ViT of one block, 24 px, D=24, random weights."""
    import torch
    from timm.models.vision_transformer import VisionTransformer

    from copysight.preprocess import Preprocess
    from training.export import Network, export
    from training.graphs import TransformerGraph

    torch.manual_seed(1)
    backbone = VisionTransformer(
        img_size=24, patch_size=8, embed_dim=24, depth=1, num_heads=2, num_classes=0, global_pool="token"
    )
    for parameter in backbone.parameters():
        torch.nn.init.normal_(parameter, std=0.2) if parameter.ndim > 1 else None
    graph = TransformerGraph(backbone, "cls", None).eval()
    preprocess = Preprocess(24, "squash", 24, "bilinear", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    network = Network(graph, preprocess, "other", "random", "vit_other_test", "cls", 0.1, {"epochs": 0})
    return export([network], Path(tmp_path_factory.mktemp("bundles")) / "other")
