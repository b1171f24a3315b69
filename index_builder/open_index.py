"""The index of a job: opened, or made."""

from pathlib import Path

from copysight.errors import BundleMismatch, InvalidArgument
from copysight.index import Index
from copysight.index.generations.layout import Layout
from copysight.model import bundle as bundles


def opened(directory: Path, bundle: str | None, policy: str) -> Index:
    """Open the index at ``directory``, or make an empty one with ``bundle`` (``default`` if none is named).

    Raises ``BundleMismatch`` when the index is of another bundle than the one named, and ``InvalidArgument`` when the
    directory holds something else.
    """
    layout = Layout(directory)
    if not layout.catalog.exists():
        _check_free(layout)
        return Index.create(directory, bundle or "default", policy)
    index = Index.open(directory)
    wanted = index.bundle.id if bundle is None else bundles.load(bundle).id
    if wanted != index.bundle.id:
        made = index.bundle.name
        index.close()
        raise BundleMismatch(
            f"the index {directory} was made with the bundle {made!r}, got {bundle}; leave --bundle out, or build "
            "another index with it",
            index=str(directory),
        )
    return index


def _check_free(layout: Layout) -> None:
    # A killed `Index.create` leaves some of these behind, and nothing else.
    ours = {layout.blobs.name, layout.bundles.name, layout.generations.name, layout.staging.name}
    if layout.root.is_dir():
        others = [path.name for path in layout.root.iterdir() if path.name not in ours and path.name[0] != "."]
        if others:
            raise InvalidArgument(
                f"{layout.root} holds other files ({min(others)!r}, …) and no index; name a new or empty directory"
            )
