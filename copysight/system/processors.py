"""How many processors this process may use: by affinity, and by the quota of its container."""

import math
import os
from pathlib import Path

GROUP = Path("/sys/fs/cgroup")


def available(group: Path = GROUP) -> int:
    """Whole processors, at least 1: the smaller of the affinity mask and the control group's quota, rounded up.

    A container limited by ``--cpus`` still sees every processor of its machine; threads for all of them would only be
    throttled together. Source: Linux, Documentation/admin-guide/cgroup-v2.rst (cpu.max) and scheduler/sched-bwc.rst.
    """
    quota = _quota(group)
    mask = len(os.sched_getaffinity(0))
    return mask if quota is None else max(1, min(mask, math.ceil(quota)))


def _quota(group: Path) -> float | None:
    """Processors by the quota of a control group, of version 2 or else of version 1; ``None`` without one."""
    two = _words(group / "cpu.max")
    one = _words(group / "cpu" / "cpu.cfs_quota_us") + _words(group / "cpu" / "cpu.cfs_period_us")
    for words in (two, one):
        # No limit is the word "max" in version 2, and -1 in version 1.
        if len(words) == 2 and words[0].isdigit():
            return int(words[0]) / int(words[1])
    return None


def _words(file: Path) -> list[str]:
    return file.read_text().split() if file.is_file() else []
