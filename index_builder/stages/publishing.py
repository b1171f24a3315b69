"""Publish a generation with calibration and progress. The core builds clusters and FAISS index, checks and swaps."""

from collections.abc import Callable
from typing import Any

from copysight.index import Generation, Index, publish
from copysight.index.generations.index_type import default_index_type
from copysight.index.publishing.writer import Calibrated, CalibrationInput
from copysight.scoring.calibrate import MIN_PICTURES
from copysight.scoring.calibration import is_calibrated
from index_builder.progress import Progress
from index_builder.stages.calibration import AS_BEFORE, ProbabilityOptions, calibrator

ProgressCallback = Callable[[str, int, int], None]
"""Called with (stage, done, total)."""


def publish_changes(
    index: Index, clusters: int | None, progress: Progress, probabilities: ProbabilityOptions = AS_BEFORE
) -> None:
    """Publish if anything has changed since the live generation, or if ``clusters`` or ``probabilities`` are given.

    Waits for another publisher: a second build of the same index may be at the same point.
    """
    status, options_given = index.status(), clusters is not None or probabilities.are_given
    if status.generation is None or status.delta or status.tombstones or status.fault or options_given:
        rebuild(index, clusters, progress, probabilities=probabilities, wait=True)


def run_as_job(index: Index, job: int, work: Callable[[ProgressCallback], Generation]) -> Generation:
    """Run ``work`` and record its state and progress in the row ``job`` of the catalog's table of jobs."""
    jobs = index.catalog.jobs
    with jobs.running(job):
        made = work(lambda stage, done, total: _record_progress(index, job, stage, done, total))
        jobs.update(job, message=made.name)
    return made


def rebuild(
    index: Index,
    clusters: int | None,
    progress: Progress,
    on_progress: ProgressCallback | None = None,
    kind: str | None = None,
    probabilities: ProbabilityOptions = AS_BEFORE,
    **more: Any,
) -> Generation:
    """Publish a generation of all items in the catalog.

    ``kind`` is the name of a FAISS index type. ``more`` are further arguments of ``publish``. Raises
    ``PublisherBusy`` or ``GateFailed``.
    """
    choice = None if kind is None else default_index_type(kind, index.catalog.count())
    printed: set[str] = set()

    def report(stage: str, done: int, total: int) -> None:
        if on_progress is not None:
            on_progress(stage, done, total)
        if stage not in printed:
            printed.add(stage)
            progress.print_line(f"publish: {stage}")

    fit = calibrator(index, probabilities)

    def calibrate(made: CalibrationInput) -> Calibrated | None:
        found = fit(made)
        if probabilities.share is not None and not is_calibrated(found.settings if found else {}):
            progress.print_line(
                f"--share has no effect: an index is calibrated from {MIN_PICTURES} pictures on, and this one has "
                f"{len(made.ids):,}; the calibration of the bundle is used"
            )
        return found

    return publish(index, choice=choice, clusters=clusters, calibrate=calibrate, progress=report, **more)


def _record_progress(index: Index, job: int, stage: str, done: int, total: int) -> None:
    index.catalog.jobs.update(job, progress=done, total=total, message=stage)
