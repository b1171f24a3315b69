"""Groups: no chains, the kept picture is the best by rank, and a member belongs where its probability is highest."""

import numpy as np
import pytest

from copysight.duplicates.groups import form_groups
from copysight.duplicates.pair import Pair


def random_pairs(rng, count):
    pairs = []
    for one in range(count):
        for other in range(one + 1, count):
            if rng.random() < 0.25:
                part = int(rng.choice([one, other])) if rng.random() < 0.3 else None
                kind = "edited" if part is None else "part"
                pairs.append(Pair(one, other, round(float(rng.random()), 2), kind, part))
    return pairs


@pytest.mark.parametrize("seed", range(40))
def test_every_member_was_verified_against_the_picture_that_is_kept(seed):
    rng = np.random.default_rng(seed)
    count = int(rng.integers(2, 40))
    pairs, ranks = random_pairs(rng, count), rng.permutation(count).tolist()
    known = {frozenset((pair.one, pair.other)): pair for pair in pairs}
    groups = form_groups(pairs, lambda number: ranks[number], 0.5)
    kept = {group.keep for group in groups}
    seen = [number for group in groups for number in (group.keep, *(one.number for one in group.members))]
    assert len(seen) == len(set(seen))
    for group in groups:
        for member in group.members:
            pair = known[frozenset((group.keep, member.number))]
            assert pair.probability == member.probability >= 0.5
            assert pair.part != group.keep, "nothing is given up for a picture that shows only a part of it"
    linked = {number for pair in pairs if pair.probability >= 0.5 for number in (pair.one, pair.other)}
    members = {one.number for group in groups for one in group.members}
    for one in kept | (linked - members):
        for other in kept:
            pair = known.get(frozenset((one, other)))
            # Two copies are both kept only where parts stand in a circle.
            assert pair is None or pair.probability < 0.5 or pair.part is not None


@pytest.mark.parametrize("seed", range(40))
def test_without_parts_the_kept_picture_is_the_best_and_the_most_probable_of_the_better_ones(seed):
    rng = np.random.default_rng(seed)
    pairs, ranks = [pair for pair in random_pairs(rng, 30) if pair.part is None], rng.permutation(30).tolist()
    known = {frozenset((pair.one, pair.other)): pair.probability for pair in pairs}
    groups = form_groups(pairs, lambda number: ranks[number], 0.5)
    kept = {group.keep for group in groups}
    for group in groups:
        for member in group.members:
            assert ranks[group.keep] < ranks[member.number]
            better = [one for one in kept if ranks[one] < ranks[member.number]]
            others = [known.get(frozenset((one, member.number)), 0.0) for one in better]
            assert member.probability == max(others)


def test_a_chain_is_no_group():
    """A is a copy of B and B of C, but A is none of C: as in a burst, or the frames of a video."""
    pairs = [Pair(number, number + 1, 0.95, "edited") for number in range(9)]
    groups = form_groups(pairs, lambda number: number, 0.9)
    assert [(one.keep, [member.number for member in one.members]) for one in groups] == [
        (0, [1]), (2, [3]), (4, [5]), (6, [7]), (8, [9]),
    ]  # fmt: skip


def test_a_picture_is_kept_before_its_part_whatever_the_rank():
    groups = form_groups([Pair(0, 1, 0.99, "part", part=0)], lambda number: number, 0.9)
    assert [(one.keep, one.members[0].number, one.members[0].kind) for one in groups] == [(1, 0, "part")]
