"""Chains of edits: they follow the seed, and their size is bounded."""

import numpy as np
from PIL import ImageChops

from copysight.pictures import edits


def test_a_chain_depends_on_the_seed_and_changes_the_picture(drawn):
    picture, other = drawn(1), drawn(2)
    made = [edits.chain(picture, np.random.default_rng(seed), other) for seed in (3, 3, 4)]
    assert made[0].tobytes() == made[1].tobytes() != made[2].tobytes()
    assert made[0].size != picture.size or ImageChops.difference(made[0], picture).getbbox()


def test_a_chain_has_a_maximum_size_and_does_not_change_its_inputs(drawn):
    picture, other = drawn(1), drawn(2)
    before = picture.tobytes(), other.tobytes()
    sizes = [edits.chain(picture, np.random.default_rng(seed), other).size for seed in range(60)]
    assert max(max(size) for size in sizes) <= edits.chains.MAX_SIDE
    assert (picture.tobytes(), other.tobytes()) == before
