"""The cache of local features: equal after a restart, rebuilt after damage, gone with its picture."""

import numpy as np
import pytest

from copysight.blobs import Blobs
from copysight.index.local_features import LocalFeatures, pack, unpack
from copysight.matching import features
from tests.copysight.matching.conftest import textured_picture


@pytest.fixture
def blobs(tmp_path, jpeg):
    stored = Blobs.in_directory(tmp_path / "blobs")
    picture = textured_picture(1, 300)
    sha256 = stored.put_original(jpeg(picture))
    stored.put_thumbnail(sha256, picture)
    return stored, sha256


def same(one, other):
    return (
        np.abs(one.points - other.points).max() <= 1 / 64
        and np.array_equal(one.descriptors, other.descriptors)
        and np.allclose(one.scales, other.scales, rtol=1e-3)
        and np.allclose(one.angles, other.angles, atol=0.2)
    )


def test_features_are_the_same_after_a_restart_and_need_no_thumbnail_then(blobs, tmp_path):
    stored, sha256 = blobs
    first = LocalFeatures(stored, tmp_path / "features").get(sha256)
    assert len(first.features) > 50
    assert first.grey.shape == (first.size[1], first.size[0])
    stored.delete([sha256])
    again = LocalFeatures(stored, tmp_path / "features").get(sha256)
    assert same(first.features, again.features)


@pytest.mark.parametrize("damage", [b"", b"CSF1", b"CSF0" + bytes(40), bytes(2000)])
def test_a_damaged_or_older_file_is_made_again(blobs, tmp_path, damage):
    stored, sha256 = blobs
    first = LocalFeatures(stored, tmp_path / "features").get(sha256)
    file = tmp_path / "features" / sha256[:2] / sha256
    file.write_bytes(damage)
    assert same(first.features, LocalFeatures(stored, tmp_path / "features").get(sha256).features)
    assert unpack(file.read_bytes()) is not None


def test_a_folder_that_cannot_be_written_costs_only_time(blobs, tmp_path):
    stored, sha256 = blobs
    (tmp_path / "features").write_text("a file where the folder should be")
    assert LocalFeatures(stored, tmp_path / "features").get(sha256) is not None


def test_without_a_thumbnail_there_is_nothing(tmp_path):
    assert LocalFeatures(Blobs.in_directory(tmp_path / "blobs"), tmp_path / "features").get("0" * 64) is None


def test_the_memory_stays_below_its_limit_and_the_file_goes_with_the_picture(blobs, tmp_path):
    stored, sha256 = blobs
    kept = LocalFeatures(stored, tmp_path / "features", memory=1000)
    assert kept.get(sha256) is not None
    assert kept.bytes <= 1000
    kept.delete(sha256)
    assert not (tmp_path / "features" / sha256[:2] / sha256).exists()


def test_a_picture_without_features_is_packed_too():
    nothing = features.extract(np.full((50, 40), 7, np.uint8))
    found = unpack(pack(nothing))
    assert (len(found), found.width, found.height) == (0, 40, 50)
