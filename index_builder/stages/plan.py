"""What to build, and a build under way."""

from dataclasses import dataclass
from pathlib import Path

from copysight.index import Index
from copysight.model.embedder import Embedder
from copysight.pictures.scan import Scan
from index_builder.progress import Progress
from index_builder.stages.staging import Staging


@dataclass(frozen=True)
class Plan:
    """What to build. ``bundle`` None: that of the index, or the default one for a new index. ``clusters`` None: by N.

    ``share``: of the queries to come, those that are taken to have a copy here; None: as before, or half.

    ``publish`` False leaves the new items in the delta: searchable at once, folded in by the next rebuild. ``chunk``
    is how many pictures are lost, at most, to a kill.
    """

    source: Path
    index: Path
    bundle: str | None = None
    collection: str = "default"
    policy: str = "keep"
    replace: bool = False
    publish: bool = True
    clusters: int | None = None
    share: float | None = None
    threads: int = 0
    provider: str = "cpu"
    chunk: int = 256


@dataclass(frozen=True)
class Work:
    """A build under way; all its vectors are made by ``embedder``."""

    plan: Plan
    found: Scan
    index: Index
    embedder: Embedder
    staging: Staging
    job: int
    progress: Progress
