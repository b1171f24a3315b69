"""Banks: lists as HMA shows them. All functions may block."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from copysight.catalog import Item
from copysight.catalog.moderation.lists import ListPolicy
from copysight.errors import InvalidArgument, ItemNotFound
from service.http.problems import BankExists
from service.state import State

NAME = re.compile("[A-Z0-9_]+")
METADATA = ("content_id", "content_uri", "json")
"""The metadata of a content, in HMA's words; stored as the item's metadata."""


def all_banks(state: State) -> list[dict[str, Any]]:
    """All lists, by name, with the share of lookups that each answers."""
    ratios = state.index.catalog.hashes.ratios()
    return [_bank(one.list, ratios) for one in state.index.catalog.moderation.lists()]


def bank(state: State, name: str) -> dict[str, Any]:
    """One list. Raises ``ItemNotFound``."""
    return _bank(policy(state, name), state.index.catalog.hashes.ratios())


def policy(state: State, name: str) -> ListPolicy:
    """The policy of a list. Raises ``ItemNotFound``."""
    for one in state.index.catalog.moderation.lists():
        if one.list.name == name:
            return one.list
    raise ItemNotFound(f"bank {name[:80]!r} not found")


def create(state: State, name: str, ratio: float, author: str | None) -> dict[str, Any]:
    """Make a list, of the policy ``review`` without a limit of matches. Raises ``InvalidArgument``, ``BankExists``."""
    if not NAME.fullmatch(name):
        raise InvalidArgument(f"got the bank {name[:80]!r}; a name has capitals, digits and underscores")
    if name in {one.list.name for one in state.index.catalog.moderation.lists()}:
        raise BankExists(f"bank {name!r} already exists")
    state.index.catalog.moderation.put_list(ListPolicy(name, "review", "match"), author)
    return set_ratio(state, name, ratio, author)


def set_ratio(state: State, name: str, ratio: float, author: str | None) -> dict[str, Any]:
    """Say which share of lookups a list answers; none turns the list off. Raises ``InvalidArgument``."""
    if not 0 <= ratio <= 1:
        raise InvalidArgument(f"got enabled_ratio = {ratio:g}; it must be from 0 to 1")
    known = policy(state, name)
    if known.enabled != (ratio > 0):
        state.index.catalog.moderation.put_list(replace(known, enabled=ratio > 0), author)
    state.index.catalog.hashes.set_ratio(name, ratio if 0 < ratio < 1 else None)
    return bank(state, name)


def delete(state: State, name: str, author: str | None) -> None:
    """Delete a list with all its items, as HMA does. Without effect if there is none."""
    if name not in {one.list.name for one in state.index.catalog.moderation.lists()}:
        return
    state.index.delete(np.asarray(state.index.catalog.matching(None, name)).tolist())
    state.index.catalog.hashes.delete_signals(name)
    state.index.catalog.hashes.set_ratio(name, None)
    state.index.catalog.moderation.delete_list(name, author)


def metadata(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The metadata of a content from the fields of a request: ``content_id``, ``content_uri`` and ``metadata``."""
    given = {name: fields[name] for name in ("content_id", "content_uri") if fields.get(name)}
    return given | ({"json": fields["metadata"]} if fields.get("metadata") else {})


def item(state: State, name: str, number: int) -> Item:
    """An item of a list. Raises ``ItemNotFound``."""
    found = state.index.catalog.get(number)
    if found.collection != name:
        raise ItemNotFound(f"content '{number}' not found in bank {name[:80]!r}", id=number)
    return found


def _bank(one: ListPolicy, ratios: Mapping[str, float]) -> dict[str, Any]:
    ratio = ratios.get(one.name, 1.0) if one.enabled else 0.0
    return {"name": one.name, "matching_enabled_ratio": ratio}
