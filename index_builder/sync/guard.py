"""Refuse to remove most of a collection: a disk that is not mounted looks like a folder whose files have vanished."""

from collections.abc import Sequence

from copysight.catalog.relocation import Known
from copysight.errors import TooManyMissing

MOST = 0.3
"""Share of the items that may vanish, by default."""


def check(vanished: int, known: int, most: float, examples: Sequence[Known] = ()) -> None:
    """Raise ``TooManyMissing`` if more than the share ``most`` of ``known`` items have vanished."""
    if not exceeds(vanished, known, most):
        return
    named = ", ".join(one.key for one in examples[:3])
    raise TooManyMissing(
        f"the files of {vanished:,} of {known:,} items have vanished{f' ({named}, …)' * bool(named)}, more than "
        f"--most-missing {most:g} allows; nothing was changed: check that all disks are mounted, look at --dry-run, "
        "and if they are to leave, give a higher share (1 allows all)",
        vanished=vanished,
        known=known,
    )


def exceeds(vanished: int, known: int, most: float) -> bool:
    """Whether ``vanished`` of ``known`` items are more than the share ``most``."""
    return vanished > most * known
