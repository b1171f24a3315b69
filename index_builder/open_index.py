"""Open the index of a build, or create it."""

from pathlib import Path

from copysight.errors import BundleMismatch
from copysight.index import Index
from copysight.model import bundle as bundles


def open_or_create(directory: Path, bundle: str | None, policy: str, local: bool = False) -> Index:
    """Open the index at ``directory``, or create an empty one with ``bundle`` (None means ``default``).

    ``local``: see ``Index.open_or_create``.
    Raises ``BundleMismatch`` if the index belongs to another bundle than the given one, and ``InvalidArgument`` if the
    directory holds other files.
    """
    index = Index.open_or_create(directory, bundle or "default", policy, local)
    needed = index.bundle.id if bundle is None else bundles.load(bundle).id
    if needed != index.bundle.id:
        made = index.bundle.name
        index.close()
        raise BundleMismatch(
            f"the index {directory} was made with the bundle {made!r}, got {bundle}; leave --bundle out, or build "
            "a new index with that bundle",
            index=str(directory),
        )
    return index
