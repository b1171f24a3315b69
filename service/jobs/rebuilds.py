"""Rebuilds: the one way in which the service starts them, and when it does so of its own accord."""

import asyncio
import logging
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from copysight.catalog import Job
from copysight.errors import BundleError, InvalidArgument, PublisherBusy
from copysight.index import Index, Status
from copysight.model import bundle as bundles
from service.runtime import threads

log = logging.getLogger("copysight.schedule")
PERIOD = 60.0
"""Seconds between two looks at the index."""
AFTER_FAILURE = 3600.0
"""Seconds to leave alone what has just failed: it would fail again."""


@dataclass
class Rebuilder:
    """Starts worker processes that rebuild an index, one at a time."""

    directory: Path
    index: Index
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _worker: subprocess.Popen[bytes] | None = None
    _job: int = 0

    def start(self, bundle: str | None = None, allow_missing: bool = False) -> Job:
        """Start a worker and answer its job; while one is at work, answer that one's job instead.

        ``bundle`` makes it a re-embedding by that bundle, for which another job is no substitute: ``PublisherBusy``.
        Raises ``InvalidArgument`` when there is no such bundle.
        """
        path = None if bundle is None else _path(bundle)
        with self._lock:
            if self._at_work():
                if path is not None:
                    raise PublisherBusy(f"job {self._job} is at work on this index; ask again when it is done")
                return self.index.catalog.jobs.get(self._job)
            job = self.index.catalog.jobs.create("rebuild" if path is None else "reembed")
            # A process of its own, niced, so that searches keep their processor; its progress goes into the job's row.
            # Of the server's session: between sessions Linux shares evenly, whatever is niced within one (autogroups).
            command = ["nice", "-n", "10", sys.executable, "-m", "cli", "index", "rebuild"]
            arguments = ["--index", str(self.directory), "--job", str(job.id), "--json"]
            arguments += ["--bundle", path] if path is not None else []
            arguments += ["--allow-missing"] if allow_missing else []
            self._worker = subprocess.Popen(  # noqa: S603 - our own command; the path is that of a bundle
                [*command, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, process_group=0
            )
            self._job = job.id
            return job

    def latest(self) -> Job | None:
        """The last rebuild that was asked for; a job whose worker was killed is noted as failed."""
        jobs = self.index.catalog.jobs
        with self._lock:
            if self._worker is not None and not self._at_work() and jobs.get(self._job).state in {"queued", "running"}:
                reason = f"the worker ended with the status {self._worker.returncode} before it was done"
                jobs.update(self._job, state="failed", message=reason)
            return next((job for job in jobs.list(200) if job.kind == "rebuild"), None)

    def _at_work(self) -> bool:
        return self._worker is not None and self._worker.poll() is None


def _path(bundle: str) -> str:
    try:
        return str(bundles.load(bundle, verify=False).path.resolve())
    except BundleError as error:
        raise InvalidArgument(f"got no bundle of the server's disk: {error.message}") from error


def wanted(status: Status, latest: Job | None, every: float, when_due: bool, now: float) -> bool:
    """Whether a rebuild is to be started now.

    ``every``: seconds between rebuilds of a collection that changes, 0 for no such schedule; ``when_due``: also as soon
    as the changes have outgrown what a search should carry; ``now``: seconds since the epoch.
    """
    if latest is not None and latest.state == "failed" and now - latest.updated < AFTER_FAILURE:
        return False
    if when_due and status.rebuild_due():
        return True
    changed = status.delta + status.tombstones > 0 or status.fault is not None
    return every > 0 and changed and (status.built_at is None or now - status.built_at >= every)


async def keep(rebuilder: Rebuilder, pool: ThreadPoolExecutor, every: float, when_due: bool) -> None:
    """Look at the index again and again, and start a rebuild when one is wanted. Runs until it is cancelled."""
    while True:
        await asyncio.sleep(min(PERIOD, every / 4) if every else PERIOD)
        try:
            await threads.on(pool, _look, rebuilder, every, when_due)
        except Exception:
            # Whatever it was, a full disk say, may have passed by the next look.
            log.exception("the schedule could not look at the index")


def _look(rebuilder: Rebuilder, every: float, when_due: bool) -> None:
    if wanted(rebuilder.index.status(), rebuilder.latest(), every, when_due, time.time()):
        job = rebuilder.start()
        log.info("rebuild", extra={"fields": {"job": job.id}})
