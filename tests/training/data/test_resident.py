"""Pictures that are kept in the memory of a device have the same pixels and views as those of the mapped file."""

import numpy as np
import pytest
import torch

from training.data import resident
from training.data.pack import pack
from training.views import multi_crop
from training.views.resample import crop_resize

CPU = torch.device("cpu")


@pytest.fixture
def packed(photos, tmp_path):
    return pack(photos, tmp_path / "cache", side=48)


def test_every_picture_is_the_mapped_one(packed):
    held = resident.held(packed, CPU, free=1 << 30)
    for number in range(len(packed)):
        found = resident.picture(held, packed, number)
        assert np.array_equal(found.numpy(), packed.picture(number))
        assert found.data_ptr() == held.data_ptr() + int(packed.offsets[number])  # no copy


def test_views_of_kept_pictures_are_those_of_mapped_ones(packed):
    """The crops, mirrored and resized, of the path that a GPU takes."""
    held, rows = resident.held(packed, CPU, free=1 << 30), np.arange(0, len(packed), 3)
    recipe = multi_crop.dino_recipe(32, 16, 2)
    group = multi_crop.sample(recipe, packed.sizes[rows], np.random.default_rng(0))[0]
    kept = [resident.picture(held, packed, int(row)) for row in rows]
    mapped = [torch.from_numpy(packed.picture(int(row))) for row in rows]
    views = [crop_resize(one, group.boxes, 32, "bicubic", CPU, group.flip) for one in (kept, mapped)]
    assert torch.equal(*views)


def test_a_pack_that_is_too_large_stays_in_its_file(packed):
    size = packed.pixels.nbytes
    assert resident.held(packed, CPU, free=2 * size) is not None
    assert resident.held(packed, CPU, free=2 * size - 2) is None
    assert resident.held(packed, CPU) is None  # a CPU maps the file
