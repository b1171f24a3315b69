"""``evaluate video``: quality of the segmentation, animations, and bad input."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from evaluation.video.follow import Quality, mean, score_masks


def test_each_object_is_scored_without_first_and_last_frame():
    """Two objects, five frames."""
    first = np.zeros((40, 60), np.uint8)
    first[5:15, 5:15], first[20:30, 40:50] = 1, 2
    lost = np.where(first == 2, np.uint8(0), first)
    one, two = score_masks([first, first, lost, first, lost], [first] * 5)
    assert (one.j, one.f, one.jf) == (1, 1, 1)
    assert (two.j, two.f) == pytest.approx((2 / 3, 2 / 3))


def test_mean_is_taken_over_objects():
    assert mean([Quality(1, 0.5, 0.75), Quality(0, 0.5, 0.25)]) == Quality(0.5, 0.5, 0.5)


def test_animations_in_both_formats(copysight, davis_folder, tiny_bundle, tmp_path):
    for kind in ("gif", "webp"):
        words = ("--tiles", 2, "--pictures", tmp_path, "--film", kind)
        assert copysight("evaluate", "video", tiny_bundle.path, davis_folder, *words).exit_code == 0
        with Image.open(tmp_path / f"disk.{kind}") as film:
            assert (film.n_frames, film.width) == (5, 480)


def test_an_empty_first_mask_is_rejected(copysight, davis_folder, tiny_bundle, tmp_path):
    shutil.copytree(davis_folder, tmp_path / "DAVIS")
    mask = sorted((tmp_path / "DAVIS" / "Annotations").rglob("*.png"))[0]
    Image.new("P", (128, 64)).save(mask)
    result = copysight("evaluate", "video", tiny_bundle.path, tmp_path / "DAVIS")
    assert result.exit_code == 1
    assert "the first mask marks no object" in result.stderr


def test_a_bundle_without_patches_is_rejected(copysight, davis_folder, resnet_bundle):
    result = copysight("evaluate", "video", resnet_bundle.path, davis_folder, "--json")
    assert result.exit_code == 1
    assert "gives no patches" in result.stderr


def test_the_mean_is_over_objects_of_all_sequences(copysight, davis_folder, tiny_bundle, tmp_path):
    """A sequence with two objects counts twice."""
    root = tmp_path / "DAVIS"
    shutil.copytree(davis_folder, root)
    for kind in ("JPEGImages", "Annotations"):
        shutil.copytree(root / kind / "480p" / "disk", root / kind / "480p" / "pair")
    for file in (root / "Annotations" / "480p" / "pair").iterdir():
        with Image.open(file) as mask:
            labels = np.array(mask)
        labels[:, :16] = 2
        Image.fromarray(labels).save(file)
    found = json.loads(copysight("evaluate", "video", tiny_bundle.path, root, "--json").stdout)
    disk, pair = (found["sequences"][name]["j"] for name in ("disk", "pair"))
    assert found["mean"]["j"] == pytest.approx((disk + 2 * pair) / 3)
