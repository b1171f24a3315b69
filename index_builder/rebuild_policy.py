"""Decide whether a rebuild is due, for ``copysight index rebuild --if-due``."""

from dataclasses import dataclass

from copysight.index import Status

SHARE = 0.1
LEAST = 1000


@dataclass(frozen=True)
class Decision:
    """Whether to rebuild, and the reason in words."""

    due: bool
    reason: str


def decide(status: Status, share: float = SHARE, least: int = LEAST) -> Decision:
    """A rebuild is due if the generation is damaged, or if delta plus tombstones exceed both limits.

    The limits are ``least`` items and ``share`` of all items.
    """
    if status.fault is not None:
        return Decision(True, f"the live generation cannot be used ({status.fault})")
    changed = status.delta + status.tombstones
    allowed = max(least, int(share * status.count))
    due = status.rebuild_due(share, least)
    return Decision(
        due,
        f"{status.delta:,} items in the delta and {status.tombstones:,} tombstones are {changed:,} changes, "
        f"{'more than' if due else 'within'} the limit of {allowed:,}",
    )
