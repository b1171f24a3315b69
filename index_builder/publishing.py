"""Publishing with progress: clusters, FAISS, gate and swap are the core's."""

from collections.abc import Callable

from copysight.index import Generation, Index, publish
from index_builder.calibration import calibrator
from index_builder.progress import Progress


def publish_changes(index: Index, clusters: int | None, progress: Progress) -> None:
    """Publish unless the live generation holds exactly what the catalog holds, and has the clusters asked for."""
    status = index.status()
    if status.generation is None or status.delta or status.tombstones or status.fault or clusters is not None:
        rebuild(index, clusters, progress)


def rebuild_as_job(index: Index, clusters: int | None, progress: Progress, job: int) -> Generation:
    """Like ``rebuild``, with its state and progress in the row ``job`` of the catalog, for whoever asked for it."""
    jobs = index.catalog.jobs
    jobs.update(job, state="running")
    try:
        made = rebuild(index, clusters, progress, lambda stage, done, total: _note(index, job, stage, done, total))
    except BaseException as error:
        jobs.update(job, state="failed", message=str(error) or type(error).__name__)
        raise
    jobs.update(job, state="done", message=made.name)
    return made


def rebuild(
    index: Index, clusters: int | None, progress: Progress, hear: Callable[[str, int, int], None] | None = None
) -> Generation:
    """Publish a generation of what the catalog holds. Raises ``PublisherBusy`` or ``GateFailed``."""
    said: set[str] = set()

    def report(stage: str, done: int, total: int) -> None:
        if hear is not None:
            hear(stage, done, total)
        if stage not in said:
            said.add(stage)
            progress.say(f"publish: {stage}")

    return publish(index, clusters=clusters, calibrate=calibrator(index), progress=report)


def _note(index: Index, job: int, stage: str, done: int, total: int) -> None:
    index.catalog.jobs.update(job, progress=done, total=total, message=stage)
