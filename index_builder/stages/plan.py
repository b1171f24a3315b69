"""The plan of a build, and the objects that its stages share."""

from dataclasses import dataclass
from pathlib import Path

from copysight.index import Index
from copysight.model.embedder import Embedder
from copysight.pictures.scan import ORDINARY, Scan, ScanOptions
from index_builder.progress import Progress
from index_builder.stages.calibration import AS_BEFORE, ProbabilityOptions
from index_builder.stages.staging import Staging


@dataclass(frozen=True)
class SyncOptions:
    """A build after which the collection equals the source. ``most_missing``: share of the items that may leave."""

    most_missing: float


@dataclass(frozen=True)
class Plan:
    """What to build, and how.

    ``bundle`` None: the bundle of the index, or the default bundle for a new index. ``clusters`` None: a number that
    depends on N. ``publish`` False leaves the new items in the delta: they are searchable at once, and the next rebuild
    moves them into a generation. ``chunk``: pictures per durable step, the most that a killed build loses. ``reading``:
    what is left out of the source, and the limits of a picture. ``sync``: whether the collection follows the source;
    then ``replace`` is true, too. ``ray``: the address of a Ray cluster that embeds; None: this process.
    ``local``: a new index is all in its directory, whatever the environment says.
    """

    source: Path
    index: Path
    bundle: str | None = None
    collection: str = "default"
    policy: str = "keep"
    replace: bool = False
    publish: bool = True
    clusters: int | None = None
    probabilities: ProbabilityOptions = AS_BEFORE
    threads: int = 0
    provider: str = "cpu"
    chunk: int = 256
    reading: ScanOptions = ORDINARY
    sync: SyncOptions | None = None
    ray: str | None = None
    local: bool = False


@dataclass(frozen=True)
class Work:
    """A running build. ``embedder`` makes all its vectors."""

    plan: Plan
    found: Scan
    index: Index
    embedder: Embedder
    staging: Staging
    job: int
    progress: Progress
