"""Publishing with progress: clusters, FAISS, gate and swap are the core's."""

from copysight.index import Generation, Index, publish
from index_builder.progress import Progress


def publish_changes(index: Index, clusters: int | None, progress: Progress) -> None:
    """Publish unless the live generation holds exactly what the catalog holds, and has the clusters asked for."""
    status = index.status()
    if status.generation is None or status.delta or status.tombstones or status.fault or clusters is not None:
        rebuild(index, clusters, progress)


def rebuild(index: Index, clusters: int | None, progress: Progress) -> Generation:
    """Publish a generation of what the catalog holds. Raises ``PublisherBusy`` or ``GateFailed``."""
    said: set[str] = set()

    def report(stage: str, _done: int, _total: int) -> None:
        if stage not in said:
            said.add(stage)
            progress.say(f"publish: {stage}")

    return publish(index, clusters=clusters, progress=report)
