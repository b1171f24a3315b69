"""Look up a signal or a picture in the lists: the matching contents by list. All functions may block."""

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from copysight.matching import pdq
from service.hma.pdq_index import Content, PdqIndex
from service.hma.signals import PDQ, decode
from service.moderation.rules import Current
from service.queries import list_matches
from service.queries.inference import PictureFeatures
from service.queries.list_matches import Consulted
from service.queries.search_options import SearchOptions
from service.queries.search_query import SearchQuery
from service.state import State

OPTIONS = SearchOptions()


@dataclass(frozen=True)
class Found:
    """A content that matches, and its distance as a text: bits for PDQ, 1 - probability for the descriptor."""

    content: Content
    distance: str

    def to_json(self) -> dict[str, Any]:
        """As an answer states it."""
        return {"bank_content_id": self.content.id, "distance": self.distance}


def by_signal(
    state: State, index: PdqIndex, current: Current, kind: str, signal: str, banks: Collection[str] | None
) -> list[Found]:
    """The contents that match a signal, also of lists and contents that are off. Raises ``InvalidArgument``."""
    if kind == PDQ:
        names = [one.list.name for one in state.index.catalog.moderation.lists()]
        near = index.near(pdq.check(signal), names)
        return _chosen([Found(content, str(bits)) for content, bits in near], banks)
    query = SearchQuery(decode(signal, current.snapshot.bundle))
    return _chosen([_of(one) for one in list_matches.list_matches(state, current, query, OPTIONS)], banks)


def by_picture(
    state: State, current: Current, features: PictureFeatures, banks: Collection[str] | None, author: str | None
) -> list[Found]:
    """The contents that match a picture by its descriptor, verified. The matches are recorded, as for `/search`."""
    query = SearchQuery.of(features)
    matches = list_matches.list_matches(state, current, query, OPTIONS)
    list_matches.record(state, [Consulted(query, matches)], author)
    return _chosen([_of(one) for one in matches if not one.quarantined], banks)


def by_bank(
    state: State, current: Current, found: Sequence[Found], seed: str | None, everything: bool
) -> dict[str, list[dict[str, Any]]]:
    """What is enabled of the contents found, by list. A list of which a share is answered flips a coin, by ``seed``."""
    ratios = {} if everything else state.index.catalog.hashes.ratios()
    coin = random.Random(seed).random()  # noqa: S311 - a share of the lookups, no secret
    entries = state.index.catalog.moderation.entries(one.content.id for one in found)
    now, answer = state.index.catalog.moderation.clock(), dict[str, list[dict[str, Any]]]()
    for one in found:
        entry = entries.get(one.content.id)
        expired = entry is not None and entry.expires is not None and entry.expires <= now
        off = one.content.off or (entry is not None and (entry.disabled or expired or entry.quarantined is not None))
        if not off and one.content.list in current.lists and ratios.get(one.content.list, 1.0) >= coin:
            answer.setdefault(one.content.list, []).append(one.to_json())
    return answer


def _of(one: list_matches.ListMatch) -> Found:
    probability = one.match.judgement.probability
    return Found(Content(one.match.item.id, one.of.list.name, ""), f"{1 - (probability or 0.0):.4f}")


def _chosen(found: Sequence[Found], banks: Collection[str] | None) -> list[Found]:
    return [one for one in found if banks is None or one.content.list in banks]
