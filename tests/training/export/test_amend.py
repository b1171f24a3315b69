"""A bundle made from another: the embedding stays, the rest is renewed."""

import pytest

from copysight.errors import InvalidArgument
from copysight.model import bundle as bundles
from copysight.model.embedder import Embedder
from training.export import exportable
from training.export.amend import amend
from training.export.export import export
from training.export.fitting import Fitting


@pytest.fixture(scope="module")
def parts():
    return [
        exportable.load("timm:test_resnet", random=True),
        exportable.load("timm:test_vit", size=96, random=True),
        exportable.load("timm:test_vit", size=64, random=True),
    ]


@pytest.fixture(scope="module")
def old(parts, tmp_path_factory):
    return export(parts[:2], tmp_path_factory.mktemp("old") / "bundle", name="old")


def test_attention_of_another_network(old, parts, tmp_path, drawn):
    made, alone = amend(old, tmp_path / "new", parts[2]), export([parts[2]], tmp_path / "alone")
    pictures = [drawn(seed) for seed in range(3)]
    assert (Embedder(made).embed(pictures) == Embedder(old).embed(pictures)).all()
    assert (Embedder(made).attend(pictures) == Embedder(alone).attend(pictures)).all()
    assert made.attention.grid == (4, 4)
    assert made.backbone == "test_resnet + test_vit"
    assert made.id != old.id
    assert not (made.path / "graph1.onnx").exists()


def test_amended_twice(old, parts, tmp_path, drawn):
    once = amend(old, tmp_path / "once", parts[2])
    back = amend(once, tmp_path / "back", parts[1], name="back")
    assert (Embedder(back).attend([drawn(0)]) == Embedder(old).attend([drawn(0)])).all()
    assert set(back.files) == {"graph0.onnx", "renewed.onnx", "MODEL_CARD.md"}
    assert back.name == "back"


def test_a_card_alone(old, tmp_path):
    made = amend(old, tmp_path / "carded", card="# As it is\n")
    assert (made.path / "MODEL_CARD.md").read_text() == "# As it is\n"
    assert made.graphs == old.graphs
    assert bundles.load(made.path).id == made.id


def test_calibrations_anew(parts, tmp_path, drawn):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for seed in range(120):
        drawn(seed).save(folder / f"{seed}.png")
    old = export(parts[:1], tmp_path / "old", fitting=Fitting(folder, seed=1))
    made = amend(old, tmp_path / "new", pictures=folder)
    assert made.calibration["normal"]["source"] == "bundle"
    assert made.calibration != old.calibration
    assert made.files["background.npy"] == old.files["background.npy"]


def test_refusals(old, parts, tmp_path):
    with pytest.raises(InvalidArgument, match="nothing to change"):
        amend(old, tmp_path / "same")
    with pytest.raises(InvalidArgument, match="needs one"):
        amend(old, tmp_path / "bare", pictures=tmp_path)
    whole = export([parts[1]], tmp_path / "whole")
    with pytest.raises(InvalidArgument, match="by one graph"):
        amend(whole, tmp_path / "kept", parts[2])
