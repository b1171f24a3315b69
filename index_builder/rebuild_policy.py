"""When a rebuild pays: the policy behind ``copysight index rebuild --if-due``."""

from dataclasses import dataclass

from copysight.index import Status

SHARE = 0.1
LEAST = 1000


@dataclass(frozen=True)
class Decision:
    """Whether to rebuild, and a sentence that says why or why not."""

    due: bool
    reason: str


def decide(status: Status, share: float = SHARE, least: int = LEAST) -> Decision:
    """Due when the generation is damaged, or delta and tombstones exceed ``least`` and ``share`` of the items."""
    if status.fault is not None:
        return Decision(True, f"the live generation cannot be used ({status.fault})")
    waiting = status.delta + status.tombstones
    allowed = max(least, int(share * status.count))
    due = status.rebuild_due(share, least)
    return Decision(
        due,
        f"{status.delta:,} in the delta and {status.tombstones:,} tombstones are {waiting:,}, "
        f"{'above' if due else 'within'} the {allowed:,} that a generation bears",
    )
