"""Choose the FAISS index type for a number of vectors. FAISS only finds candidates, which are re-scored exactly.

Measured with `benchmarks/index_types.py` on one core at 384 dimensions (see docs/reference/index-format.md).
"""

from dataclasses import dataclass, replace
from math import log2, sqrt
from typing import Literal, get_args

from copysight.errors import InvalidArgument

Kind = Literal["flat", "sq8", "ivf_sq8", "ivf_rabitq", "hnsw"]

# Up to this many numbers (vectors x dimensions), an exact scan takes a few milliseconds on one core.
FLAT_UP_TO = 20_000 * 384
IVF_SQ8_UP_TO = 4_000_000 * 384
MIN_VECTORS_PER_LIST = 40  # below this, FAISS warns that k-means has too few training vectors


@dataclass(frozen=True)
class IndexType:
    """A FAISS index type with its parameters. A parameter that the kind does not use is 0.

    ``lists`` and ``probes`` belong to inverted files, ``links`` and ``effort`` to HNSW. ``candidates`` is the minimum
    number of candidates per query that are re-scored exactly. If a filter, a collection or deletes leave at most
    ``few`` rows, these rows are scanned exactly.
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
        """The string for ``faiss.index_factory``; None for ``flat``, which needs no FAISS index."""
        return {
            "flat": None,
            "sq8": "SQ8",
            "ivf_sq8": f"IVF{self.lists},SQ8",
            "ivf_rabitq": f"IVF{self.lists},RaBitQ",
            "hnsw": f"HNSW{self.links},SQ8",
        }[self.kind]


def choose(count: int, dimension: int) -> IndexType:
    """The index type for ``count`` vectors of ``dimension`` numbers."""
    size = count * dimension
    if size <= FLAT_UP_TO:
        return default_index_type("flat", count)
    return default_index_type("ivf_sq8" if size <= IVF_SQ8_UP_TO else "ivf_rabitq", count)


def default_index_type(kind: str, count: int) -> IndexType:
    """An index type of the given kind with default parameters. Raises ``InvalidArgument`` for an unknown kind."""
    if kind not in get_args(Kind):
        raise InvalidArgument(f"got the index type {kind!r}; it must be one of {', '.join(get_args(Kind))}")
    power = 1 << round(log2(2 * sqrt(max(count, 1))))  # a power of two near 2 * sqrt(N)
    lists = max(1, min(power, count // MIN_VECTORS_PER_LIST))
    table: dict[str, IndexType] = {
        "flat": IndexType("flat"),
        "sq8": IndexType("sq8"),
        "ivf_sq8": IndexType("ivf_sq8", lists=lists, probes=min(lists, 16)),
        "ivf_rabitq": IndexType("ivf_rabitq", lists=lists, probes=min(lists, 32), candidates=256),
        "hnsw": IndexType("hnsw", links=32, effort=128),
    }
    return table[kind]


def widened(choice: IndexType) -> IndexType | None:
    """The same type with a wider search, to increase recall; None if the search cannot be widened further."""
    if choice.lists and choice.probes < choice.lists:
        return replace(choice, probes=min(choice.lists, choice.probes * 2))
    if choice.effort and choice.effort < 1024:
        return replace(choice, effort=choice.effort * 2)
    return replace(choice, candidates=choice.candidates * 2) if choice.candidates < 1024 else None
