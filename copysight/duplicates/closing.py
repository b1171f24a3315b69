"""Pairs that the self-join missed because a picture has more copies than neighbours: those of two copies of a third."""

from collections import defaultdict
from collections.abc import Container, Iterable
from itertools import combinations

from copysight.duplicates.pair import Pair

MOST_PER_PICTURE = 60
"""Copies of one picture of which all pairs are added; of more, each is paired with this many others."""
Numbers = tuple[int, int]


def missing(pairs: Iterable[Pair], minimum: float, tested: Container[Numbers]) -> list[Numbers]:
    """Pairs (smaller, larger) that are not ``tested`` yet, of pictures that are copies of the same picture, sorted."""
    near: dict[int, list[int]] = defaultdict(list)
    for pair in pairs:
        if pair.probability >= minimum:
            near[pair.one].append(pair.other)
            near[pair.other].append(pair.one)
    found = {pair for copies in near.values() for pair in _pairs(sorted(copies)) if pair not in tested}
    return sorted(found)


def _pairs(copies: list[int]) -> Iterable[Numbers]:
    if len(copies) <= MOST_PER_PICTURE:
        return combinations(copies, 2)
    some = copies[:MOST_PER_PICTURE]
    return ((min(one, other), max(one, other)) for one in some for other in copies if one != other)
