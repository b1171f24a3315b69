"""Calibration error, reliability diagram and perceptual hashes."""

import numpy as np
import pytest

from evaluation.features import hashes
from evaluation.metrics.reliability import draw, reliability


def test_calibration_error_and_diagram_of_a_known_case(tmp_path):
    stated, right = [0.1, 0.2, 0.9, 0.8], [False, True, True, True]
    found = reliability(stated, right, bins=2)
    assert [(one.count, one.stated, one.share) for one in found.bins] == [
        (2, pytest.approx(0.15), 0.5),
        (2, pytest.approx(0.85), 1.0),
    ]
    assert found.expected_calibration_error == pytest.approx((0.35 + 0.15) / 2)
    draw(found.bins, tmp_path / "diagram.png")
    assert (tmp_path / "diagram.png").read_bytes()[:4] == b"\x89PNG"


def test_true_probabilities_have_a_small_error():
    rng = np.random.default_rng(0)
    stated = rng.random(20_000)
    found = reliability(stated, rng.random(20_000) < stated)
    assert len(found.bins) == 15
    assert found.expected_calibration_error < 0.02


@pytest.mark.parametrize("name", ["phash", "pdq"])
def test_hashes_match_a_resized_picture_and_no_other(name, drawn):
    embed = hashes.BY_NAME[name]
    picture = drawn(3, (160, 120))
    same, other = embed(picture) @ embed(picture.resize((90, 70))), embed(picture) @ embed(drawn(4, (160, 120)))
    assert embed(picture) @ embed(picture) == pytest.approx(1)
    assert same > 0.8
    assert other < 0.5
