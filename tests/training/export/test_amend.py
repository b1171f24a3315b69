"""An amended bundle keeps its embedding; attention, calibrations, name and card change."""

import numpy as np
import pytest
from click.testing import CliRunner

from cli.main import main
from copysight.errors import InvalidArgument
from copysight.model import bundle as bundles
from copysight.model.embedder import Embedder
from tests.training.conftest import short_vit
from training.export import exportable
from training.export.amend import amend
from training.export.export import export
from training.export.fitting import Fitting


@pytest.fixture(scope="module")
def parts():
    return [
        exportable.load("timm:test_resnet", random=True),
        short_vit(96),
        short_vit(64),
    ]


@pytest.fixture(scope="module")
def old(parts, tmp_path_factory):
    return export(parts[:2], tmp_path_factory.mktemp("old") / "bundle", name="old", places=False)


def test_amend_takes_attention_from_another_network(old, parts, tmp_path, drawn):
    made, alone = amend(old, tmp_path / "new", parts[2]), export([parts[2]], tmp_path / "alone", places=False)
    pictures = [drawn(seed) for seed in range(3)]
    assert (Embedder(made).embed(pictures) == Embedder(old).embed(pictures)).all()
    assert (Embedder(made).attention_maps(pictures) == Embedder(alone).attention_maps(pictures)).all()
    assert made.attention.grid == (4, 4)
    assert made.backbone == "test_resnet + test_vit"
    assert made.id != old.id
    assert not (made.path / "graph1.onnx").exists()


def test_amend_takes_the_attention_of_another_bundle_as_it_is(old, parts, tmp_path, drawn):
    other = export([parts[0], parts[2]], tmp_path / "other", half=True, places=False)
    made = amend(old, tmp_path / "new", other)
    pictures = [drawn(seed) for seed in range(3)]
    assert (Embedder(made).embed(pictures) == Embedder(old).embed(pictures)).all()
    assert (Embedder(made).attention_maps(pictures) == Embedder(other).attention_maps(pictures)).all()
    assert (made.path / "renewed.onnx").read_bytes() == (other.path / "graph1.onnx").read_bytes()
    assert (made.method, made.backbone) == (old.method, "test_resnet + test_vit")
    command = ["amend", str(old.path), "--rest", str(other.path), "--out", str(tmp_path / "command")]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 0, done.output
    assert bundles.load(tmp_path / "command").id == made.id
    refused = CliRunner().invoke(main, [*command[:-1], str(tmp_path / "sized"), "--rest-size", "64"])
    assert refused.exit_code == 2
    assert "whose networks have their sizes; omit it" in refused.output


def test_a_bundle_can_be_amended_twice(old, parts, tmp_path, drawn):
    once = amend(old, tmp_path / "once", parts[2])
    back = amend(once, tmp_path / "back", parts[1], name="back")
    assert (Embedder(back).attention_maps([drawn(0)]) == Embedder(old).attention_maps([drawn(0)])).all()
    assert set(back.files) == {"graph0.onnx", "renewed.onnx", "MODEL_CARD.md"}
    assert back.name == "back"


def test_amend_replaces_only_the_card(old, tmp_path):
    made = amend(old, tmp_path / "carded", card="# Changed\n")
    assert (made.path / "MODEL_CARD.md").read_text() == "# Changed\n"
    assert made.graphs == old.graphs
    assert bundles.load(made.path).id == made.id


def test_amend_fits_the_calibrations_again(parts, tmp_path, drawn):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for seed in range(120):
        drawn(seed).save(folder / f"{seed}.png")
    old = export(parts[:1], tmp_path / "old", fitting=Fitting(folder, seed=1), places=False)
    made = amend(old, tmp_path / "new", pictures=folder)
    assert made.calibration["normal"]["source"] == "bundle"
    assert made.calibration != old.calibration
    assert made.files["background.npy"] == old.files["background.npy"]


def test_amend_refuses_what_it_cannot_do(old, parts, tmp_path):
    with pytest.raises(InvalidArgument, match="nothing to change"):
        amend(old, tmp_path / "same")
    with pytest.raises(InvalidArgument, match="needs one"):
        amend(old, tmp_path / "bare", pictures=tmp_path)
    whole = export([parts[1]], tmp_path / "whole", places=False)
    with pytest.raises(InvalidArgument, match="by one graph"):
        amend(whole, tmp_path / "kept", parts[2])


def test_amend_renews_the_background_from_other_pictures(parts, tmp_path, drawn):
    for name, start in (("first", 0), ("second", 500)):
        (tmp_path / name).mkdir()
        for seed in range(start, start + 120):
            drawn(seed).save(tmp_path / name / f"{seed}.png")
    old = export(parts[:1], tmp_path / "old", fitting=Fitting(tmp_path / "first"), places=False)
    kept = amend(old, tmp_path / "kept", pictures=tmp_path / "second")
    made = amend(old, tmp_path / "new", pictures=tmp_path / "second", background=True)
    assert (kept.background_vectors() == old.background_vectors()).all()
    assert made.background_vectors().shape == old.background_vectors().shape
    assert not np.isin(made.background_vectors(), old.background_vectors()).all()
    assert made.calibration["low"]["source"] == "bundle"
    assert made.calibration["verified"]["samples"] > 0
    with pytest.raises(InvalidArgument, match="give --pictures"):
        amend(old, tmp_path / "none", background=True)
