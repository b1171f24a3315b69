"""Start searches for duplicates in worker processes."""

import subprocess
import threading
from dataclasses import dataclass, field
from pathlib import Path

from copysight.catalog import Job
from copysight.errors import InvalidArgument
from copysight.index import Index
from copysight.system import names
from service.jobs.worker import spawn

KIND = "duplicates"


@dataclass
class DuplicateSearches:
    """Start worker processes that find the copies in a collection, one at a time."""

    directory: Path
    index: Index
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _worker: "subprocess.Popen[bytes] | None" = None
    _job: int = 0

    def start(self, collection: str | None) -> Job:
        """Start a search and return its job. If one runs already, return that one's job. Raises ``InvalidArgument``."""
        if collection is not None and not names.is_allowed(collection):
            raise InvalidArgument(f"got the collection {collection[:80]!r}; no collection can have such a name")
        jobs = self.index.catalog.jobs
        with self._lock:
            if self._worker is not None and self._worker.poll() is None:
                return jobs.get(self._job)
            job = jobs.create(KIND)
            # With an equals sign, so that no name of a collection is read as an option.
            more = [] if collection is None else [f"--collection={collection}"]
            words = ["index", "duplicates", "--index", str(self.directory), "--job", str(job.id), "--json"]
            self._worker, self._job = spawn(*words, *more), job.id
            return job

    def latest(self) -> Job | None:
        """The latest job. One whose worker ended before it could record that has failed."""
        jobs = self.index.catalog.jobs
        with self._lock:
            worker = self._worker
            if worker is not None and worker.poll() is not None and jobs.ended_early(self._job):
                reason = f"the worker process ended with exit status {worker.returncode} before the job was done"
                jobs.update(self._job, state="failed", message=reason)
            return next((job for job in jobs.list(200) if job.kind == KIND), None)
