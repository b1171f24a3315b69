"""Which FAISS type for how many vectors: one pure table. Every type is re-scored exactly, so it only finds candidates.

Measured by `benchmarks/index_types.py` on one core at 384 dimensions; the figures stand in docs/reference/index-format.md.
"""

from dataclasses import dataclass, replace
from math import log2, sqrt
from typing import Literal, get_args

from copysight.errors import InvalidArgument

Kind = Literal["flat", "sq8", "ivf_sq8", "ivf_rabitq", "hnsw"]

# Up to so many numbers (vectors x dimensions) a scan of everything answers within a few milliseconds on one core.
FLAT_UP_TO = 20_000 * 384
IVF_SQ8_UP_TO = 4_000_000 * 384
LEAST_TRAINED = 40  # vectors a list, below which FAISS warns that k-means has too little to learn from


@dataclass(frozen=True)
class Choice:
    """A FAISS type with its parameters; what a kind does not use is 0.

    ``lists`` and ``probes`` belong to inverted files, ``links`` and ``effort`` to HNSW; ``candidates`` is how many
    are re-scored exactly for one query at least. Where a filter, a collection or deletes leave no more than ``few``
    rows, these are scanned exactly.
    """

    kind: Kind
    lists: int = 0
    probes: int = 0
    links: int = 0
    effort: int = 0
    candidates: int = 64
    few: int = 20_000

    @property
    def factory(self) -> str | None:
        """FAISS's own name for it; None for ``flat``, which needs no FAISS index beside the stored vectors."""
        return {
            "flat": None,
            "sq8": "SQ8",
            "ivf_sq8": f"IVF{self.lists},SQ8",
            "ivf_rabitq": f"IVF{self.lists},RaBitQ",
            "hnsw": f"HNSW{self.links},SQ8",
        }[self.kind]


def choose(count: int, dimension: int) -> Choice:
    """The type for ``count`` vectors of ``dimension`` numbers."""
    size = count * dimension
    if size <= FLAT_UP_TO:
        return of_kind("flat", count)
    return of_kind("ivf_sq8" if size <= IVF_SQ8_UP_TO else "ivf_rabitq", count)


def of_kind(kind: str, count: int) -> Choice:
    """The usual parameters of a type that the user wants. Raises ``InvalidArgument`` for an unknown one."""
    if kind not in get_args(Kind):
        raise InvalidArgument(f"got the index type {kind!r}; needed is one of {', '.join(get_args(Kind))}")
    power = 1 << round(log2(2 * sqrt(max(count, 1))))  # about twice the root of N
    lists = max(1, min(power, count // LEAST_TRAINED))
    table: dict[str, Choice] = {
        "flat": Choice("flat"),
        "sq8": Choice("sq8"),
        "ivf_sq8": Choice("ivf_sq8", lists=lists, probes=min(lists, 16)),
        "ivf_rabitq": Choice("ivf_rabitq", lists=lists, probes=min(lists, 32), candidates=256),
        "hnsw": Choice("hnsw", links=32, effort=128),
    }
    return table[kind]


def widened(choice: Choice) -> Choice | None:
    """The same type with a wider search, for when recall is too low; None when it already looks everywhere."""
    if choice.lists and choice.probes < choice.lists:
        return replace(choice, probes=min(choice.lists, choice.probes * 2))
    if choice.effort and choice.effort < 1024:
        return replace(choice, effort=choice.effort * 2)
    return replace(choice, candidates=choice.candidates * 2) if choice.candidates < 1024 else None
