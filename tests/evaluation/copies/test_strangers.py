"""``evaluate strangers``: light copies are found, strangers are not, each group has its figures."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from copysight.errors import InvalidArgument
from evaluation.copies import strangers
from evaluation.copies.strangers import ALL, light, measure
from evaluation.features.extract import load_extractor
from tests.conftest import drawn_picture
from tests.copysight.matching.conftest import textured_picture

COUNT = 220


@pytest.fixture(scope="module")
def pictures():
    """Shapes, which one look tells apart, under a texture, whose points can be verified."""
    return [Image.blend(textured_picture(seed, 96), drawn_picture(seed, (96, 96)), 0.5) for seed in range(COUNT)]


@pytest.mark.parametrize(("verify", "least"), [("auto", 0.9), pytest.param("never", 0.5, marks=pytest.mark.long)])
def test_light_copies_are_found_and_strangers_are_not(pictures, verify, least):
    groups = ["even" if number % 2 == 0 else "odd" for number in range(COUNT)]
    indexed = np.arange(COUNT) < COUNT // 2
    found = measure(pictures, groups, indexed, load_extractor("default"), "low", verify, np.random.default_rng(0))
    assert list(found) == ["even", "odd", ALL]
    assert (found[ALL].strangers, found[ALL].copies) == (COUNT // 2, COUNT // 2)
    assert found[ALL].above_09 <= 0.02
    assert found[ALL].found >= least


def test_every_third_copy_is_a_crop_a_smaller_picture_or_a_jpeg(pictures):
    rng = np.random.default_rng(0)
    sizes = [light(pictures[0], number, rng).size for number in range(3)]
    assert sizes == [(86, 86), (48, 48), (96, 96)]


def test_a_source_without_probabilities_is_an_error(pictures):
    half = np.arange(COUNT) < COUNT // 2
    with pytest.raises(InvalidArgument, match="no background and calibration"):
        measure(pictures, [""] * COUNT, half, load_extractor("pixels"), "low", "auto", np.random.default_rng(0))


def test_a_small_collection_has_the_calibration_of_the_bundle(pictures):
    half = np.arange(20) < 10
    found = measure(pictures[:20], [""] * 20, half, load_extractor("default"), "low", "auto", np.random.default_rng(0))
    assert (found[ALL].strangers, found[ALL].copies) == (10, 10)


def test_the_command_takes_groups_from_a_table(pictures, tmp_path):
    (tmp_path / "data").mkdir()
    for number, picture in enumerate(pictures[:20]):
        picture.save(tmp_path / "data" / f"{number}.png")
    rows = "".join(f"{number}.png,{'first' if number < 10 else 'second'}\n" for number in range(20))
    (tmp_path / "groups.csv").write_text("file,source\n" + rows)
    options = ["--groups", str(tmp_path / "groups.csv"), "--effort", "low", "--verify", "never", "--json"]
    result = CliRunner().invoke(strangers.strangers, ["default", str(tmp_path / "data"), *options])
    assert result.exit_code == 0, result.output
    assert set(json.loads(result.stdout)["groups"]) == {"first", "second", ALL}
