"""Whitening, background, calibration and int8 that an export fits on pictures."""

import json
import shutil
from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch
from click.testing import CliRunner
from torch import nn

from copysight.errors import TooFewPictures
from copysight.model import bundle as bundles
from copysight.model.embedder import Embedder, Runtime
from copysight.scoring.judge import Judge
from copysight.vectors.score_normalisation import NEAREST, WEIGHT
from training.commands.export import export as command
from training.export import exportable
from training.export.export import export
from training.export.fitting import Fitting, PictureSample
from training.networks.export_graphs import PooledGraph
from training.networks.many_views import ManyViews, View, crop_view, standard_views


@pytest.fixture(scope="module")
def pictures(tmp_path_factory, drawn, jpeg):
    folder = tmp_path_factory.mktemp("pictures")
    for seed in range(130):
        (folder / f"{seed}.jpg").write_bytes(jpeg(drawn(seed, (96, 80))))
    return folder


@pytest.fixture(scope="module")
def fitted(pictures, tmp_path_factory):
    torch.manual_seed(0)
    network = exportable.load("timm:test_resnet", size=64, random=True)
    out = tmp_path_factory.mktemp("bundles") / "fitted"
    return export([network], out, fitting=Fitting(pictures, whiten=24, int8=True), half=True, places=False)


def test_the_bundle_holds_whitening_background_and_calibration(fitted):
    assert (fitted.dimension, fitted.embedding.whitening) == (24, True)
    background = fitted.background_vectors()
    assert background.shape == (fitted.background.count, 24)
    assert np.allclose(np.linalg.norm(background, axis=1), 1, atol=1e-6)
    judge = Judge.of(fitted)
    assert judge.calibrations["high"].source == "bundle"
    assert judge.judge(1.0, 0.2).probability > judge.judge(0.1, 0.2).probability
    assert fitted.numerics.largest_difference < 1e-2


def test_the_score_normalisation_is_that_of_the_export_and_of_older_bundles(fitted, tmp_path):
    """Calibrations are fitted to the scores, so a bundle keeps what it was exported with."""
    usual = fitted.score_normalisation()
    assert (usual.nearest, usual.weight) == (NEAREST, WEIGHT) == (5, 0.9)
    older = shutil.copytree(fitted.path, tmp_path / "older")
    manifest = json.loads((older / bundles.DESCRIPTION).read_text())
    for name in ("nearest", "weight"):
        del manifest["background"][name]
    (older / bundles.DESCRIPTION).write_text(json.dumps(manifest))
    kept = bundles.load(older).score_normalisation()
    assert (kept.nearest, kept.weight, kept.background.tolist()) == (3, 1, usual.background.tolist())


def test_background_and_collection_divide_few_pictures_three_to_two(pictures):
    sample = PictureSample(Fitting(pictures))
    candidates = [picture for batch in sample.candidates() for picture in batch]
    collection = sample.collection()
    assert (len(candidates), len(collection)) == (78, 52)
    assert not {picture.tobytes() for picture in candidates} & {picture.tobytes() for picture in collection}


def test_a_batch_without_a_readable_picture_is_passed_over(pictures, tmp_path, monkeypatch):
    monkeypatch.setattr("training.export.fitting.AT_ONCE", 1)
    folder = shutil.copytree(pictures, tmp_path / "pictures")
    for seed in range(60):
        (folder / f"{seed}.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    batches = list(PictureSample(Fitting(folder)).candidates())
    assert 0 < len(batches) < 78
    assert all(len(batch) == 1 for batch in batches)


def test_int8_is_close_to_fp32_and_independent_of_the_batch(fitted, drawn):
    variant = fitted.graphs["graph0"].variants["int8"]
    full, reduced = Embedder(fitted), Embedder(fitted, Runtime(variant="int8"))
    queries = [drawn(seed) for seed in range(200, 206)]
    together = reduced.embed(queries)
    assert (together * full.embed(queries)).sum(axis=1).min() > 0.9
    assert 0.9 < variant.cosine <= 1.00001
    for number, picture in enumerate(queries):
        assert (reduced.embed([picture])[0] == together[number]).all()


def test_too_few_or_no_pictures_are_errors(pictures, tmp_path, drawn, jpeg):
    few = tmp_path / "few"
    few.mkdir()
    (few / "0.jpg").write_bytes(jpeg(drawn(0)))
    network = exportable.load("timm:test_resnet", size=64, random=True)
    with pytest.raises(TooFewPictures, match="got 1 pictures"):
        export([network], tmp_path / "no", fitting=Fitting(few))
    result = CliRunner().invoke(command, ["timm:test_resnet", "--out", str(tmp_path / "x"), "--int8"])
    assert result.exit_code == 2
    assert "--pictures" in result.output
    result = CliRunner().invoke(command, ["timm:test_resnet", "--out", str(tmp_path / "x"), "--ridge", "2"])
    assert result.exit_code == 2
    assert "add --whiten" in result.output


class Corner(nn.Module):
    """Descriptor of two values: the top left pixel and the mean."""

    def forward(self, x):
        return torch.stack([x[:, 0, 0, 0], x.mean(dim=(1, 2, 3))], dim=1)


def test_crop_view_crops_mirrors_and_turns():
    x = torch.arange(2 * 3 * 8 * 8, dtype=torch.float32).reshape(2, 3, 8, 8)
    assert (crop_view(x, View(8)) == x).all()
    assert (crop_view(x, View(4, 0.5)) == x[:, :, 2:6, 2:6]).all()
    assert (crop_view(x, View(8, mirrored=True))[..., 0] == x[..., 7]).all()
    assert (crop_view(x, View(8, turns=1)) == torch.rot90(x, 1, (2, 3))).all()
    assert crop_view(x, View(4)).shape == (2, 3, 4, 4)


def test_a_multi_view_descriptor_is_the_mean_over_views():
    x, views = torch.rand(3, 3, 16, 16), (View(12), View(8, mirrored=True), View(8, 0.5))
    expected = torch.stack([nn.functional.normalize(Corner()(crop_view(x, view)), dim=1) for view in views]).mean(dim=0)
    assert torch.allclose(ManyViews(Corner(), views)(x), expected, atol=1e-6)
    assert [(view.size, view.weight) for view in standard_views(128)] == [(192, 2), (128, 1), (128, 1), (128, 1)]


def test_a_view_of_twice_the_weight_counts_as_two():
    x, large, small = torch.rand(3, 3, 16, 16), View(12), View(8, mirrored=True)
    twice = ManyViews(Corner(), (replace(large, weight=2.0), small))
    assert torch.allclose(twice(x), ManyViews(Corner(), (large, large, small))(x), atol=1e-6)


@pytest.fixture
def of_views():
    """A network that describes a picture by four views."""
    network = exportable.load("timm:test_resnet", size=32, random=True)
    graph = PooledGraph(ManyViews(network.graph.descriptor, standard_views(16))).eval()
    return exportable.Network(**{**vars(network), "graph": graph})


def test_the_exported_graph_makes_its_views(of_views, tmp_path, drawn):
    bundle = export([of_views], tmp_path / "views", places=False)
    assert Embedder(bundle).embed([drawn(1), drawn(2)]).shape == (2, bundle.dimension)


def test_views_share_their_weights_in_int8(of_views, pictures, tmp_path):
    """The quantiser copies the weights for each view."""
    bundle = export([of_views], tmp_path / "views", fitting=Fitting(pictures, int8=True), places=False)
    tensors = onnx.load(bundle.path / bundle.graphs["graph0"].variants["int8"].file).graph.initializer
    large = [(one.data_type, *one.dims, one.raw_data) for one in tensors if len(one.raw_data) > 512]
    assert len(set(large)) == len(large) > 10
