"""Form groups from verified pairs: every member was verified against the picture that is kept. Pure functions."""

import heapq
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from copysight.duplicates.pair import Kind, Pair

Rank = Callable[[int], Any]
"""A sort key of the picture with this number; of two copies, the one with the smaller key is kept."""


@dataclass(frozen=True)
class Member:
    """A copy of the picture that is kept: its number, and what comparing both gave."""

    number: int
    probability: float
    kind: Kind


@dataclass(frozen=True)
class Group:
    """A picture that is kept, and its copies, the most probable first."""

    keep: int
    members: tuple[Member, ...]


def form_groups(pairs: Iterable[Pair], rank: Rank, minimum: float) -> list[Group]:
    """Groups of pictures by number, in the order of the ranks of the kept ones.

    Pictures are looked at in the order of their ranks, except that a picture comes after one that it is only a part of.
    A picture that no verified pair joins with a kept one before it is kept itself. Every other one becomes a member: of
    the kept picture before it to which its probability is highest. So no member is verified through a third picture, no
    two kept pictures are verified copies, and nothing is given up for a picture of a worse rank.
    """
    links: dict[int, list[Pair]] = defaultdict(list)
    for pair in pairs:
        if pair.probability >= minimum:
            links[pair.one].append(pair)
            links[pair.other].append(pair)
    members: dict[int, list[Member]] = {}
    for number in _ordered(links, rank):
        kept = [pair for pair in links[number] if pair.partner(number) in members and pair.part != pair.partner(number)]
        if not kept:
            members[number] = []
            continue
        best = max(kept, key=lambda pair: pair.probability)  # of equal ones, the first in the order of the ranks
        best = min((one for one in kept if one.probability == best.probability), key=lambda p: rank(p.partner(number)))
        members[best.partner(number)].append(Member(number, best.probability, best.kind))
    return [
        Group(number, tuple(sorted(found, key=lambda one: (-one.probability, rank(one.number)))))
        for number, found in members.items()
        if found
    ]


def _ordered(links: Mapping[int, Sequence[Pair]], rank: Rank) -> list[int]:
    """All numbers by rank, but each after the pictures that it is a part of; a circle of parts is broken by rank."""
    waits = {number: sum(pair.part == number for pair in found) for number, found in links.items()}
    ranks = {number: rank(number) for number in links}
    ready = [(ranks[number], number) for number, count in waits.items() if not count]
    stuck = sorted((ranks[number], number) for number, count in waits.items() if count)
    heapq.heapify(ready)
    done: dict[int, None] = {}
    while ready or stuck:
        _, number = heapq.heappop(ready) if ready else stuck.pop(0)
        if number in done:
            continue
        done[number] = None
        for pair in links[number]:
            other = pair.partner(number)
            if pair.part == other and other not in done:
                waits[other] -= 1
                if not waits[other]:
                    heapq.heappush(ready, (ranks[other], other))
    return list(done)
