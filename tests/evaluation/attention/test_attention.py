"""``evaluate attention``: scores against slow loops, baselines, layouts, and what is refused."""

import json

import numpy as np
import pytest
from PIL import Image, ImageDraw

from copysight.pictures.preprocess import Preprocess
from evaluation.attention import maps, masked
from evaluation.attention.attention import interval, measure, score
from evaluation.attention.maps import FoundMaps


@pytest.fixture
def objects(tmp_path):
    """Six pictures with a bright disk off the centre, and their masks."""
    for folder in ("images", "masks"):
        (tmp_path / "objects" / folder).mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(6):
        noise = rng.integers(60, 90, (96, 128, 3)).astype(np.uint8)
        picture, mask = Image.fromarray(noise), Image.new("L", (128, 96))
        box = (10 + 8 * number, 8, 50 + 8 * number, 48)
        ImageDraw.Draw(picture).ellipse(box, fill=(250, 220, 40))
        ImageDraw.Draw(mask).ellipse(box, fill=255)
        picture.save(tmp_path / "objects" / "images" / f"{number}.jpg", quality=95)
        mask.save(tmp_path / "objects" / "masks" / f"{number}.png")
    return tmp_path / "objects"


def test_the_command_measures_a_bundle_beside_the_baselines(copysight, objects, tiny_bundle):
    result = copysight("evaluate", "attention", tiny_bundle.path, objects, "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["pictures"] == 6
    kinds = [name.split(" (")[0] for name in report["maps"]]
    assert kinds == ["best head", "untrained", "saliency", "ellipse"]
    for quality in report["maps"].values():
        for one in quality.values():
            assert one["low"] <= one["mean"] <= one["high"]
    ellipse = next(quality for name, quality in report["maps"].items() if name.startswith("ellipse"))
    assert ellipse["over_ellipse"] == {"mean": 0, "low": 0, "high": 0}


def test_the_default_bundle_is_measured_with_its_objects(copysight, objects):
    """A bright disk on noise is found by its features, wherever it is.

    By those of bundle v3 LOST finds it; TokenCut (0.38, and 0.76 with v2.2) cuts off a part of the noise on half of the
    pictures, and the ranking, which starts from the centre, finds half of the disk.
    """
    report = json.loads(copysight("evaluate", "attention", "default", objects, "--json").stdout)["maps"]
    assert report["lost"]["jaccard"]["mean"] > 0.6
    assert report["lost"]["pointing"]["mean"] == 1
    assert report["lost"]["over_ellipse"]["low"] > 0
    assert report["ranking"]["over_ellipse"]["low"] > 0


def test_videos_are_read_in_the_layout_of_davis(copysight, davis_folder, tiny_bundle):
    found = masked.load(davis_folder, 2)
    assert [one.name for one in found] == ["disk/00000", "disk/00002", "disk/00004"]
    assert {one.group for one in found} == {"disk"}
    assert copysight("evaluate", "attention", tiny_bundle.path, davis_folder, "--step", 2).exit_code == 0


def test_scores_match_slow_loops():
    rng = np.random.default_rng(0)
    values, mask, truth = rng.random((6, 7)).astype(np.float32), rng.random((6, 7)) > 0.5, rng.random((6, 7)) > 0.6
    jaccard, pointing, precision = score(values, mask, truth)
    assert jaccard == pytest.approx((mask & truth).sum() / (mask | truth).sum())
    ranked = truth.ravel()[np.argsort(-values.ravel())]
    hits = [ranked[: place + 1].mean() for place in range(42) if ranked[place]]
    assert precision == pytest.approx(np.mean(hits))
    assert pointing == float(ranked[0])


def test_a_perfect_map_and_an_inverted_one():
    truth = np.zeros((8, 8), bool)
    truth[2:5, 3:6] = True
    assert score(truth.astype(np.float32), truth, truth) == (1, 1, 1)
    inverted = score(-truth.astype(np.float32), ~truth, truth)
    assert inverted[:2] == (0, 0)
    assert inverted[2] < 0.2


def test_an_interval_holds_the_mean_and_narrows_with_more_pictures():
    rng = np.random.default_rng(0)
    widths = []
    for count in (20, 500):
        values = rng.random(count)
        found = interval(values, rng.integers(0, count, (1000, count)))
        assert found.low < found.mean < found.high
        widths.append(found.high - found.low)
    assert widths[1] < widths[0] / 3


def test_the_best_head_is_chosen_over_all_pictures(objects):
    """Not for each picture: a head that is right on half of them is no better than that."""
    truth = [one.mask() for one in masked.load(objects)]
    sizes = maps.compared_size(128, 96)
    calls = iter(range(6))

    def alternating(_picture):
        number = next(calls)
        right = maps.nearest(truth[number], sizes)
        wrong = np.zeros_like(right)
        pair = np.stack([right, wrong] if number % 2 else [wrong, right])
        return FoundMaps(("head 0", "head 1"), pair.astype(np.float32), pair)

    found = measure(masked.load(objects), {"best head": alternating, "ellipse": maps.ellipses}, 0)
    [best] = [quality for name, quality in found.items() if name.startswith("best head")]
    assert best.jaccard.mean == pytest.approx(0.5)


def test_the_untrained_network_attends_over_its_input_only():
    """On a wide picture the maps cover the central square; outside of it they are 0."""
    square = Preprocess(32, "shortest", 32, "bicubic", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    found = maps.untrained(square, 0)(Image.new("RGB", (160, 80), (200, 90, 20)))
    assert found.values.shape == found.masks.shape == (3, 80, 160)
    assert (found.values[:, :, :40] == 0).all()
    assert (found.values[:, :, 40:120] > 0).all()
    assert found.values[:, :, 120:].max() == 0


def test_saliency_is_where_a_picture_is_unlike_the_rest():
    picture = Image.fromarray(np.random.default_rng(0).integers(60, 120, (120, 160, 3)).astype(np.uint8))
    picture.paste((250, 250, 250), (100, 20, 130, 50))
    values = maps.saliency(picture).values[0]
    y, x = np.unravel_index(np.argmax(values), values.shape)
    assert 10 <= y <= 60
    assert 90 <= x <= 140


def test_pictures_without_masks_are_refused(copysight, objects, tiny_bundle):
    (objects / "masks" / "3.png").unlink()
    result = copysight("evaluate", "attention", tiny_bundle.path, objects)
    assert result.exit_code == 1
    assert "1 pictures have no mask (3)" in result.stderr
    for file in (objects / "masks").iterdir():
        file.unlink()
    assert "the layout must be images/" in copysight("evaluate", "attention", tiny_bundle.path, objects).stderr
