"""The state of an index, as ``copysight index status``, ``GET /index`` and the page show it."""

from dataclasses import dataclass

from copysight.index.live.snapshot import Snapshot
from copysight.scoring.calibrate import MIN_PICTURES
from copysight.scoring.near_duplicates import Share


@dataclass(frozen=True)
class Status:
    """The state of an index. ``delta`` and ``tombstones`` count the changes since the generation was built.

    ``fault`` is the reason why the live generation cannot be used, or None. ``bytes`` is the size of the generation's
    files. ``coming`` is the bundle that a running or stopped re-embedding prepares. ``calibrated`` says on what the
    probabilities are calibrated. ``near_duplicates`` is the estimated number of pictures that have a near-duplicate in
    the index, None if that was not measured.
    """

    generation: str | None
    model: str
    variant: str
    count: int
    delta: int
    tombstones: int
    index_type: str
    recall: float | None
    built_at: float | None
    sequence: int
    fault: str | None
    bytes: int
    coming: str | None = None
    calibrated: str = ""
    near_duplicates: int | None = None

    def rebuild_due(self, share: float = 0.1, least: int = 1000) -> bool:
        """Whether there is a fault, or delta plus tombstones exceed both ``least`` and ``share`` of the items."""
        return self.fault is not None or self.delta + self.tombstones > max(least, share * self.count)


def status_of(now: Snapshot, fault: str | None, coming: str | None) -> Status:
    """The status of a snapshot. ``fault`` and ``coming`` are as in ``Status``."""
    made = now.generation.manifest if now.generation is not None else None
    files = now.generation.path.iterdir() if now.generation is not None and now.generation.path.exists() else ()
    return Status(
        generation=now.generation.name if now.generation is not None else None,
        model=now.bundle.id,
        variant=now.variant,
        count=now.count,
        delta=now.delta.count,
        tombstones=len(now.tombstones.rows),
        index_type=made.choice.kind if made else "flat",
        recall=made.recall if made else None,
        built_at=made.built_at if made else None,
        sequence=now.sequence,
        fault=fault,
        bytes=sum(file.stat().st_size for file in files),
        coming=coming,
        calibrated=_calibrated(now),
        near_duplicates=_near_duplicates(now),
    )


def _calibrated(now: Snapshot) -> str:
    """On what the probabilities are calibrated, and why not on the pictures of the index."""
    sources = {one.source for one in now.judge.calibrations.values()}
    if "index" in sources:
        return "on pictures of this index"
    few = f"this index has fewer than {MIN_PICTURES} pictures that can be rehearsed" if now.generation else "not built"
    return f"by the bundle, because {few}" if sources else f"not at all: the bundle has no calibration, and {few}"


def _near_duplicates(now: Snapshot) -> int | None:
    found = (now.generation and now.generation.calibration) or {}
    share = found.get("near_duplicates")
    return None if share is None else Share(**share).estimate(now.count)
