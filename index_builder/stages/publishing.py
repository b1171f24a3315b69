"""Publishing with progress: clusters, FAISS, gate and swap are the core's."""

from collections.abc import Callable
from typing import Any

from copysight.index import Generation, Index, publish
from copysight.index.generations.index_type import of_kind
from index_builder.progress import Progress
from index_builder.stages.calibration import calibrator

Hear = Callable[[str, int, int], None]
"""Is told (stage, done, total)."""


def publish_changes(index: Index, clusters: int | None, progress: Progress, share: float | None = None) -> None:
    """Publish unless the live generation holds exactly what the catalog holds, and has what is asked for."""
    status, asked = index.status(), clusters is not None or share is not None
    if status.generation is None or status.delta or status.tombstones or status.fault or asked:
        rebuild(index, clusters, progress, share=share)


def as_job(index: Index, job: int, work: Callable[[Hear], Generation]) -> Generation:
    """``work``, with its state and progress in the row ``job`` of the catalog, for whoever asked for it."""
    jobs = index.catalog.jobs
    jobs.update(job, state="running")
    try:
        made = work(lambda stage, done, total: _note(index, job, stage, done, total))
    except BaseException as error:
        jobs.update(job, state="failed", message=str(error) or type(error).__name__)
        raise
    jobs.update(job, state="done", message=made.name)
    return made


def rebuild(
    index: Index,
    clusters: int | None,
    progress: Progress,
    hear: Hear | None = None,
    kind: str | None = None,
    share: float | None = None,
    **more: Any,
) -> Generation:
    """Publish a generation of what the catalog holds, of a FAISS type by name; ``more`` as ``publish`` has it.

    ``share`` is the assumed share of queries with a copy in the collection; None: that of the live generation.

    Raises ``PublisherBusy`` or ``GateFailed``.
    """
    choice = None if kind is None else of_kind(kind, index.catalog.count())
    said: set[str] = set()

    def report(stage: str, done: int, total: int) -> None:
        if hear is not None:
            hear(stage, done, total)
        if stage not in said:
            said.add(stage)
            progress.say(f"publish: {stage}")

    calibrate = calibrator(index, share)
    return publish(index, choice=choice, clusters=clusters, calibrate=calibrate, progress=report, **more)


def _note(index: Index, job: int, stage: str, done: int, total: int) -> None:
    index.catalog.jobs.update(job, progress=done, total=total, message=stage)
