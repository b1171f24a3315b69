"""Open the index of a build, or create it."""

from pathlib import Path

from copysight.errors import BundleMismatch, InvalidArgument
from copysight.index import Index
from copysight.index.generations.layout import Layout
from copysight.model import bundle as bundles


def open_or_create(directory: Path, bundle: str | None, policy: str) -> Index:
    """Open the index at ``directory``, or create an empty one with ``bundle`` (None means ``default``).

    Raises ``BundleMismatch`` if the index belongs to another bundle than the given one, and ``InvalidArgument`` if the
    directory holds other files.
    """
    layout = Layout(directory)
    if not layout.catalog.exists():
        _check_free(layout)
        return Index.create(directory, bundle or "default", policy)
    index = Index.open(directory)
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


def _check_free(layout: Layout) -> None:
    # If `Index.create` is killed, it leaves only some of these directories.
    ours = {layout.blobs.name, layout.bundles.name, layout.generations.name, layout.staging.name}
    if layout.root.is_dir():
        others = [path.name for path in layout.root.iterdir() if path.name not in ours and path.name[0] != "."]
        if others:
            raise InvalidArgument(
                f"{layout.root} holds other files ({min(others)!r}, …) and no index; give a new or empty directory"
            )
