"""Reading the DAVIS layout, and incomplete layouts."""

import shutil

import numpy as np
import pytest
from PIL import Image

from copysight.errors import InvalidArgument
from evaluation.video import davis


@pytest.fixture
def sample(davis_folder, tmp_path):
    shutil.copytree(davis_folder, tmp_path / "DAVIS")
    return tmp_path / "DAVIS"


@pytest.mark.parametrize(
    ("values", "labels"),
    [([0, 1, 2], [0, 1, 2]), ([0, 255, 0], [0, 1, 0]), ([0, 255, 3], [0, 0, 3]), ([255, 255, 255], [1, 1, 1])],
)
def test_255_is_void_or_the_only_object(values, labels):
    assert davis.object_labels(np.array([values], np.uint8)).tolist() == [labels]


def test_other_resolutions_are_ignored(sample):
    for kind in ("JPEGImages", "Annotations"):
        shutil.copytree(sample / kind / "480p", sample / kind / "Full-Resolution")
    (sequence,) = davis.load(sample)
    assert len(sequence.frames) == 5
    assert all("480p" in entry.key for entry in (*sequence.frames, *sequence.masks))


def test_a_sequence_in_two_folders_is_rejected(sample):
    for kind in ("JPEGImages", "Annotations"):
        shutil.copytree(sample / kind / "480p", sample / kind / "more")
        (sample / kind / "480p").rename(sample / kind / "some")
    with pytest.raises(InvalidArgument, match=r"is in .*more/disk and .*some/disk"):
        davis.load(sample)


def test_only_the_sequences_of_the_list_are_used(sample):
    for kind in ("JPEGImages", "Annotations"):
        shutil.copytree(sample / kind / "480p" / "disk", sample / kind / "480p" / "other")
    assert [sequence.name for sequence in davis.load(sample)] == ["disk", "other"]
    (sample / "ImageSets" / "2017").mkdir(parents=True)
    (sample / davis.LIST).write_text("other\n")
    assert [sequence.name for sequence in davis.load(sample)] == ["other"]
    (sample / davis.LIST).write_text("other\nlost\n")
    with pytest.raises(InvalidArgument, match=r"1 of the 2 sequences .* have no frames \(lost"):
        davis.load(sample)


def test_an_rgb_mask_is_rejected(sample):
    mask = next((sample / "Annotations").rglob("*.png"))
    with Image.open(mask) as picture:
        picture.convert("RGB").save(mask)
    (sequence,) = davis.load(sample)
    with pytest.raises(InvalidArgument, match="has the mode RGB"):
        [sequence.mask(number) for number in range(5)]


def test_a_folder_without_masks_is_rejected(sample):
    shutil.rmtree(sample / "Annotations")
    with pytest.raises(InvalidArgument, match="frames of 1 sequences and masks of 0; the layout must be JPEGImages"):
        davis.load(sample)
