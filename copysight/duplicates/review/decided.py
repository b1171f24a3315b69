"""Apply what people decided to pairs and ranks of pictures. Pure functions of the stored decisions."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from copysight.catalog.curation.decisions import Decision
from copysight.duplicates.pair import Pair


@dataclass(frozen=True)
class Decided:
    """All decisions, ready to be asked.

    ``apart``: by sha256, the decisions that keep a picture apart from the others in them. ``twins``: pictures of which
    two items of equal bytes are kept. ``chosen``: by sha256, whether the latest decision `keep` about it chose it.
    """

    apart: Mapping[str, frozenset[int]]
    twins: frozenset[str]
    chosen: Mapping[str, bool]

    @classmethod
    def of(cls, decisions: Iterable[Decision]) -> "Decided":
        """Read decisions, the oldest first."""
        apart: dict[str, set[int]] = {}
        twins: set[str] = set()
        chosen: dict[str, bool] = {}
        for one in decisions:
            if one.decision == "keep":
                chosen |= {sha256: place == 0 for place, sha256 in enumerate(one.sha256s)}
                continue
            for sha256, count in Counter(one.sha256s).items():
                apart.setdefault(sha256, set()).add(one.id)
                twins |= {sha256} if count > 1 else set()
        return cls({sha256: frozenset(ids) for sha256, ids in apart.items()}, frozenset(twins), chosen)

    def keeps_apart(self, one: str, other: str) -> bool:
        """Whether two pictures, by sha256, were decided to be no duplicates, or to be kept both."""
        if one == other:
            return one in self.twins
        return bool(self.apart.get(one, frozenset()) & self.apart.get(other, frozenset()))

    def is_chosen(self, sha256: str) -> bool:
        """Whether somebody chose to keep this picture of several."""
        return self.chosen.get(sha256, False)

    def pairs(self, pairs: Iterable[Pair], sha256s: Sequence[str]) -> list[Pair]:
        """The pairs that are not kept apart. A chosen picture is kept, also if it is a part of another one."""
        found = []
        for pair in pairs:
            if not self.keeps_apart(sha256s[pair.one], sha256s[pair.other]):
                hidden = pair.part is not None and self.is_chosen(sha256s[pair.part])
                found.append(replace(pair, part=None) if hidden else pair)
        return found
