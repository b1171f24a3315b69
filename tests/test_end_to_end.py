"""The whole way with the commands of a user: train, export, build an index, serve, search."""

import json

import pytest
from click.testing import CliRunner

from cli.main import main
from tests.service.conftest import serving

VIT = ("--backbone", "test_vit", "--global-size", "64")
RESNET = ("--backbone", "test_resnet", "--global-size", "64")
STEPS = ("--batch", "4", "--epochs", "0.7", "--device", "cpu", "--threads", "1", "--probe-minutes", "60")
SMALL_HEAD = ("--hidden", "32", "--local-size", "32", "--local-crops", "1", "--warmup-epochs", "0.4")
METHODS = {
    "dino": (*VIT, *SMALL_HEAD, "--prototypes", "16", "--bottleneck", "8"),
    "swav": (*RESNET, *SMALL_HEAD, "--prototypes", "8", "--output", "8"),
    "deepcluster": (*RESNET, *SMALL_HEAD, "--prototypes", "8", "--output", "8"),
    "copy": (*RESNET, "--dimension", "16", "--first-size", "64"),
}


def run(*arguments):
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.parametrize("method", METHODS)
def test_train_export_index_and_search(method, tmp_path, drawn, jpeg):
    photographs = tmp_path / "photographs"
    photographs.mkdir()
    for seed in range(12):
        (photographs / f"{seed}.jpg").write_bytes(jpeg(drawn(seed, (120, 100))))
    trained, bundle, index = tmp_path / "run", tmp_path / "bundle", tmp_path / "index"
    cache = ("--cache", tmp_path / "cache")
    run("train", method, photographs, "--out", trained, *cache, *STEPS, *METHODS[method])
    exported = json.loads(run("export", trained, "--out", bundle, "--json"))
    assert exported["largest_difference"] <= 1e-4
    built = json.loads(run("index", "build", photographs, "--index", index, "--bundle", bundle, "--json"))
    assert (built["created"], built["unreadable"], built["generation"]) == (12, 0, "000001")
    edited = jpeg(drawn(5, (120, 100)).crop((5, 4, 116, 97)), quality=70)
    with serving(index) as server:
        found = server.http.post("/search?k=3&effort=low", files={"file": edited}).json()
        assert found["model"] == exported["id"]
        assert "5.jpg" in [match["key"] for match in found["items"][0]["matches"]]
        itself = server.http.post("/search?k=1", files={"file": (photographs / "5.jpg").read_bytes()}).json()
        assert [(one["key"], one["verdict"]) for one in itself["items"][0]["matches"]] == [("5.jpg", "exact")]
        [placed] = server.http.post("/clusters", files={"file": edited}).json()["items"]
        assert placed["cluster"]["size"] >= 1
        if method == "copy":
            assert placed["prototypes"] is None
        else:
            assert 0 < sum(one["probability"] for one in placed["prototypes"]) <= 1.001
        attention = server.http.post("/attention", files={"file": edited})
        if method == "dino":
            assert attention.json()["items"][0]["grid"] == [4, 4]
        else:
            assert (attention.status_code, attention.json()["code"]) == (409, "output_missing")


def test_a_released_file_becomes_a_bundle(tmp_path):
    """A file in the layout of DINO's backbone files, with random weights."""
    import torch

    from training.networks import backbones

    torch.save(backbones.build("vit_tiny_patch16_224", 224).state_dict(), tmp_path / "dino.pth")
    exported = json.loads(run("export", tmp_path / "dino.pth", "--out", tmp_path / "bundle", "--size", 96, "--json"))
    assert exported["outputs"] == ["embedding", "attention", "patches"]
    assert exported["cosine"] >= 0.99999


def test_a_file_that_is_not_a_checkpoint_is_rejected(tmp_path):
    (tmp_path / "x.pth").write_bytes(b"hello")
    result = CliRunner().invoke(main, ["export", str(tmp_path / "x.pth"), "--out", str(tmp_path / "bundle")])
    assert result.exit_code == 1
    assert "cannot be read as a torch file" in result.stderr
