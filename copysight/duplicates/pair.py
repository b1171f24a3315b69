"""A pair of pictures that were verified against each other, and how the one differs from the other."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["exact", "resized", "edited", "part"]
"""``exact``: equal bytes, or equal pixels, alpha and frames. ``resized``: the same picture at another size or
compression. ``part``: one shows only a part of the other. ``edited``: everything else."""


@dataclass(frozen=True)
class Pair:
    """Pictures ``one`` < ``other`` by number, and the ``probability`` that they are copies, from comparing both.

    ``part``: the one of both that shows only a part of the other, if ``kind`` is ``part``.
    """

    one: int
    other: int
    probability: float
    kind: Kind
    part: int | None = None

    def partner(self, number: int) -> int:
        """The other picture of the pair."""
        return self.other if number == self.one else self.one

    def renumbered(self, places: Mapping[int, int]) -> "Pair":
        """The pair with the numbers that ``places`` gives to its pictures, in the same order."""
        part = None if self.part is None else places[self.part]
        return Pair(places[self.one], places[self.other], self.probability, self.kind, part)
