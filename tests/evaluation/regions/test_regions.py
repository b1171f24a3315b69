"""``evaluate regions`` on drawn pictures: outlines of copies, and pictures that have nothing in common."""

import json

import numpy as np
import pytest
from PIL import Image, ImageDraw

from copysight.pictures.polygon import area
from evaluation.regions.methods import methods
from evaluation.regions.pairs import KINDS, make


def textured(seed, size=(240, 180)):
    """A picture of many shapes over coarse noise, as rich in corners as a photograph."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8))
    picture = coarse.resize(size, Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(picture)
    for _ in range(120):
        x, y = (int(rng.integers(0, side)) for side in size)
        w, h = rng.integers(4, 24, 2).tolist()
        shape = draw.ellipse if rng.random() < 0.5 else draw.rectangle
        shape((x - w, y - h, x + w, y + h), fill=tuple(rng.integers(0, 256, 3).tolist()))
    return picture


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    from click.testing import CliRunner

    from cli.main import main

    folder = tmp_path_factory.mktemp("textured")
    for seed in range(6):
        textured(seed).save(folder / f"{seed}.png")
    command = ("evaluate", "regions", folder, "--pairs", "6", "--strangers", "20")
    runs = [CliRunner().invoke(main, [*map(str, command), *more]) for more in (["--json"], [])]
    assert runs[0].exit_code == runs[1].exit_code == 0, runs[0].output
    return json.loads(runs[0].stdout), runs[1].stdout


def test_outlines_of_simple_copies_are_exact(report):
    kinds = report[0]["kinds"]
    assert set(kinds) == set(KINDS)
    for kind in ("crop to 50-90 %", "paste at 50-80 %", "border", "rotate by up to 45", "mirror", "quarter turn"):
        found = kinds[kind]["copysight"]
        assert found["pairs"] == 6
        assert found["verified"] == 1
        assert min(found["median_in_copy"], found["median_in_reference"]) > 0.95, kind


def test_the_plain_recipe_finds_no_mirrored_copy(report):
    kinds = report[0]["kinds"]
    assert kinds["crop to 50-90 %"]["opencv"]["mean_in_copy"] > 0.95
    assert kinds["mirror"]["opencv"]["mean_in_copy"] < 0.2


def test_pictures_that_have_nothing_in_common_are_not_verified(report):
    found = report[0]["strangers"]["copysight"]
    assert (found["pairs"], found["verified"], found["keys"]) == (20, 0, [])


def test_the_table_has_a_row_for_each_kind_and_method(report):
    rows = report[1].splitlines()
    assert len(rows) == 1 + (len(KINDS) + 1) * len(methods())
    assert rows[-1].startswith("strangers")


@pytest.mark.parametrize("kind", KINDS)
def test_copies_follow_the_seed_and_have_an_outline(kind):
    picture, others = textured(1), [textured(2), textured(3)]
    copies = [make(kind, picture, np.random.default_rng(5), others) for _ in range(2)]
    assert copies[0].picture.tobytes() == copies[1].picture.tobytes()
    assert 0 < area(copies[0].in_copy) <= 1.0001
    assert 0 < area(copies[0].in_reference) <= 1.0001


@pytest.mark.parametrize(
    ("kind", "side", "least", "most"),
    [
        ("crop to 10-20 %", "in_reference", 0.09, 0.21), ("crop to 50-90 %", "in_reference", 0.45, 0.91),
        ("paste at 5-10 %", "in_copy", 0.05, 0.1), ("paste at 50-80 %", "in_copy", 0.5, 0.8),
    ],
)  # fmt: skip
def test_shares_of_the_area_are_those_of_the_name(kind, side, least, most):
    for seed in range(10):
        copy = make(kind, textured(1), np.random.default_rng(seed), [textured(2)])
        assert least - 0.01 < area(getattr(copy, side)) < most + 0.01


def test_plain_pictures_are_not_found():
    plain = Image.new("RGB", (200, 150), (90, 120, 40))
    for method in methods().values():
        assert method.find(method.prepare(plain), method.prepare(textured(1))) is None


def test_two_pictures_are_too_few(copysight, tmp_path):
    for seed in range(2):
        textured(seed).save(tmp_path / f"{seed}.png")
    result = copysight("evaluate", "regions", tmp_path)
    assert result.exit_code == 1
    assert "got 2 pictures; the copies need at least 3" in result.output
