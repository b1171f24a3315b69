"""Evaluations on the weights of a bundle, at other input sizes than the size of the bundle."""

import json

import numpy as np
import pytest
import torch

from copysight.model.embedder import Embedder
from copysight.pictures.decode import decode
from evaluation.features import backbone
from evaluation.features.tokens import SCALES, last_blocks
from evaluation.labels import linear
from training.export import exportable
from training.export.export import export


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    torch.manual_seed(0)
    return export(
        [exportable.load("timm:test_vit", size=96, random=True)],
        tmp_path_factory.mktemp("b") / "vit",
        weights="timm",
        places=False,
    )


def test_weights_and_graph_give_the_same_embedding(exported, drawn):
    """At the input size of the bundle both give the same [CLS]."""
    picture = drawn(0).resize((96, 96))
    found = backbone.load(str(exported.path)).retrieval(96, (1.0,)).embed(picture)
    graph = exported.graphs["graph0"].preprocess
    assert graph.size == 96
    direct = backbone.load(str(exported.path))
    pixels = torch.from_numpy(Embedder(exported).prepare(picture)["graph0"])[None]
    with torch.no_grad():
        expected = torch.nn.functional.normalize(direct.network(pixels), dim=1)[0].numpy()
    assert Embedder(exported).embed([picture])[0] == pytest.approx(expected, abs=1e-4)
    assert np.linalg.norm(found) == pytest.approx(1, abs=1e-5)


def test_video_with_whole_frames(copysight, exported, davis_folder):
    result = copysight("evaluate", "video", exported.path, davis_folder, "--lines", 128, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["mean"]["j"] > found["first_mask_copied"]["j"]


def test_retrieval_at_several_scales(copysight, exported, labelled_set, drawn):
    network = backbone.load(str(exported.path))
    one, many = (network.retrieval(64, scales).embed(drawn(0)) for scales in ((1.0,), SCALES))
    assert abs(one - many).max() > 1e-3
    assert np.linalg.norm(many) == pytest.approx(1, abs=1e-5)
    command = ("evaluate", "retrieval", exported.path, labelled_set, "--multiscale")
    assert copysight(*command, "--size", 48).exit_code == 0
    assert copysight(*command).exit_code == 2


@pytest.fixture(scope="module")
def resnet(tmp_path_factory):
    torch.manual_seed(0)
    loaded = exportable.load("timm:test_resnet", size=64, random=True)
    return export([loaded], tmp_path_factory.mktemp("b") / "resnet", weights="timm", places=False)


def test_pictures_are_decoded_large_enough(exported, jpeg, drawn):
    """A JPEG may be decoded at a fraction of its size, but not below the input size of the network."""
    network = backbone.load(str(exported.path))
    data = jpeg(drawn(0, (800, 600)))
    for extractor in (
        network.retrieval(256, (1.0,)),
        network.copies(256),
        network.linear(backbone.RECIPES["vit-b"], 256, True),
    ):
        assert min(decode(data, at_least=extractor.at_least).pixels.size) >= 256
        assert min(decode(data, at_least=linear.augmented(extractor, 0).at_least).pixels.size) == 600


def test_a_resnet_gives_pooled_features(copysight, resnet, labelled_set, davis_folder):
    """The ResNet-50 recipe and retrieval at another size work. Evaluations that need tokens are rejected."""
    network = backbone.load(str(resnet.path))
    pictures = torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    maps = network.network.forward_features(pictures)
    assert torch.allclose(network.features(pictures, backbone.RECIPES["resnet50"]), maps.mean(dim=(2, 3)), atol=1e-5)
    words = ("--recipe", "resnet50", "--size", 64, "--views", 2, "--epochs", 4, "--json")
    result = copysight("evaluate", "linear", resnet.path, labelled_set, *words)
    assert json.loads(result.stdout)["results"][0]["rate"] == 0.3
    assert copysight("evaluate", "retrieval", resnet.path, labelled_set, "--size", 64, "--multiscale").exit_code == 0
    for words in (("video", resnet.path, davis_folder, "--lines", 128), ("linear", resnet.path, labelled_set)):
        more = ("--recipe", "vit-s") if words[0] == "linear" else ()
        result = copysight("evaluate", *words, *more)
        assert result.exit_code == 1
        assert "is not a vision transformer" in result.stderr


def test_a_bundle_without_weights_is_rejected(copysight, tiny_bundle, davis_folder):
    result = copysight("evaluate", "video", tiny_bundle.path, davis_folder, "--lines", 128)
    assert result.exit_code == 1
    assert "export it with --weights timm" in result.output


def test_recipe_features_match_the_tokens(exported):
    """The order of [CLS] and mean patch in the features is the order of the released code."""
    network = backbone.load(str(exported.path))
    pictures = torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    tokens = last_blocks(network.transformer, pictures, 4)
    several = network.features(pictures, backbone.RECIPES["vit-s"])
    width = tokens[0].shape[2]
    for place, part in enumerate(tokens):
        assert torch.equal(several[:, place * width : (place + 1) * width], part[:, 0])
    mixed = network.features(pictures, backbone.RECIPES["vit-b"])
    assert torch.equal(mixed[:, 0::2], tokens[-1][:, 0])
    assert torch.equal(mixed[:, 1::2], tokens[-1][:, 1:].mean(dim=1))


def test_linear_with_a_recipe(copysight, exported, labelled_set):
    words = ("--recipe", "vit-b", "--size", 48, "--views", 2, "--epochs", 4, "--json")
    result = copysight("evaluate", "linear", exported.path, labelled_set, *words)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["results"][0]["rate"] == 0.001
