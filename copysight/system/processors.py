"""Count the processors that this process may use, from its affinity mask and its container's quota."""

import math
import os
from pathlib import Path

GROUP = Path("/sys/fs/cgroup")


def available(group: Path = GROUP) -> int:
    """Whole processors, at least 1: the smaller of the affinity mask and the control group's quota, rounded up.

    A container limited by ``--cpus`` still lists every processor of its machine. With one thread for each of them, the
    kernel would throttle all threads. Source: Linux, Documentation/admin-guide/cgroup-v2.rst (cpu.max) and
    scheduler/sched-bwc.rst.
    """
    quota = _quota(group)
    mask = len(os.sched_getaffinity(0))
    return mask if quota is None else max(1, min(mask, math.ceil(quota)))


def _quota(group: Path) -> float | None:
    """Processors allowed by the quota of a control group (version 2, else version 1); ``None`` without a quota."""
    version_2 = _words(group / "cpu.max")
    version_1 = _words(group / "cpu" / "cpu.cfs_quota_us") + _words(group / "cpu" / "cpu.cfs_period_us")
    for words in (version_2, version_1):
        # "No limit" is the word "max" in version 2 and -1 in version 1.
        if len(words) == 2 and words[0].isdigit():
            return int(words[0]) / int(words[1])
    return None


def _words(file: Path) -> list[str]:
    return file.read_text().split() if file.is_file() else []
