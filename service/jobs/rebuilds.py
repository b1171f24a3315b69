"""Start rebuilds of the index in worker processes, on request and on a schedule."""

import asyncio
import logging
import math
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from copysight.catalog import Job
from copysight.errors import BundleError, InvalidArgument, PublisherBusy
from copysight.index import Index, Status
from copysight.model import bundle as bundles
from copysight.system import storable
from service.jobs.worker import spawn
from service.runtime import threads

log = logging.getLogger("copysight.schedule")
CHECK_SECONDS = 60.0
"""Time between two checks whether a rebuild is due."""
CLOCK_SKEW = 60.0
"""Seconds by which the clocks of two machines that share an index may differ."""
ADOPT_SECONDS = 180.0
"""Time that a job waits for its process, after which another server of the index starts it. Its own had time enough."""
LONGEST_PATH = 4096
RETRY_SECONDS = 3600.0
"""Time without scheduled rebuilds after a failed one: it would probably fail again."""


@dataclass
class Rebuilder:
    """Start worker processes that rebuild an index, one at a time."""

    directory: Path
    index: Index
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _worker: subprocess.Popen[bytes] | None = None
    _job: int = 0

    def start(self, bundle: str | None = None, allow_missing: bool = False) -> Job:
        """Start a worker and return its job. If a worker runs already, return that one's job.

        With ``bundle``, the job re-embeds all pictures with that bundle; it raises ``PublisherBusy`` if a worker runs.
        Raises ``InvalidArgument`` if the bundle does not exist.
        """
        path = None if bundle is None else _path(bundle)
        with self._lock:
            if self._is_running():
                if path is not None:
                    raise PublisherBusy(f"job {self._job} is running on this index; try again when it is done")
                return self.index.catalog.jobs.get(self._job)
            job = self.index.catalog.jobs.create("rebuild" if path is None else "reembed")
            more = ["--bundle", path] if path is not None else []
            self._spawn(job, more + (["--allow-missing"] if allow_missing else []))
            return job

    def adopt(self) -> Job | None:
        """Start the worker of a rebuild whose server ended before it did; None if there is none."""
        with self._lock:
            job = None if self._is_running() else self.index.catalog.jobs.claim("rebuild", ADOPT_SECONDS)
            if job is not None:
                self._spawn(job, [])
            return job

    def latest(self) -> Job | None:
        """The latest rebuild job. A job whose worker was killed is marked as failed first."""
        jobs = self.index.catalog.jobs
        with self._lock:
            if self._worker is not None and not self._is_running() and jobs.ended_early(self._job):
                reason = f"the worker process ended with exit status {self._worker.returncode} before the job was done"
                jobs.update(self._job, state="failed", message=reason)
            return next((job for job in jobs.list(200) if job.kind == "rebuild"), None)

    def _spawn(self, job: Job, more: list[str]) -> None:
        arguments = ["--index", str(self.directory), "--job", str(job.id), "--json", *more]
        self._worker = spawn("index", "rebuild", *arguments)  # it writes its progress to the job's row
        self._job = job.id

    def _is_running(self) -> bool:
        return self._worker is not None and self._worker.poll() is None


def _path(bundle: str) -> str:
    storable.check_text(bundle, "bundle", LONGEST_PATH)
    try:
        return str(bundles.load(bundle, verify=False).path.resolve())
    except (BundleError, OSError) as error:
        raise InvalidArgument(f"got a bundle that cannot be loaded from the server's disk: {error}") from error


def should_rebuild(status: Status, latest: Job | None, every: float, when_due: bool, now: float) -> bool:
    """Whether to start a rebuild now.

    ``every``: seconds between rebuilds of a changed index; 0 disables this schedule. ``when_due``: also rebuild when
    ``Status.rebuild_due`` says so. ``now``: seconds since the epoch.
    """
    if latest is not None and latest.state == "failed" and _elapsed(latest.updated, now) < RETRY_SECONDS:
        return False
    if when_due and status.rebuild_due():
        return True
    changed = status.delta + status.tombstones > 0 or status.fault is not None
    return every > 0 and changed and (status.built_at is None or _elapsed(status.built_at, now) >= every)


def _elapsed(since: float, now: float) -> float:
    """Seconds since a time that was written down. One in the future is of a clock that was wrong: long ago."""
    return now - since if since <= now + CLOCK_SKEW else math.inf


async def run_schedule(rebuilder: Rebuilder, pool: ThreadPoolExecutor, every: float, when_due: bool) -> None:
    """Check the index periodically and start a rebuild when one is due. Runs until it is cancelled."""
    while True:
        await asyncio.sleep(min(CHECK_SECONDS, every / 4) if every else CHECK_SECONDS)
        try:
            await threads.run(pool, _check, rebuilder, every, when_due)
        except Exception:
            # The cause, for example a full disk, may be gone at the next check.
            log.exception("the scheduled check of the index failed")


def _check(rebuilder: Rebuilder, every: float, when_due: bool) -> None:
    if (adopted := rebuilder.adopt()) is not None:
        log.info("rebuild", extra={"fields": {"job": adopted.id, "adopted": True}})
    elif should_rebuild(rebuilder.index.status(), rebuilder.latest(), every, when_due, time.time()):
        job = rebuilder.start()
        log.info("rebuild", extra={"fields": {"job": job.id}})
