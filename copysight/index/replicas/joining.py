"""Join an index: a new directory becomes one of an index whose catalog is on PostgreSQL and whose blobs are on S3."""

from copysight.blobs import opening as blobs
from copysight.blobs.s3 import address
from copysight.catalog.engines import opening as engines
from copysight.errors import IndexNotFound
from copysight.index.generations.layout import Layout
from copysight.index.generations.publisher_lock import publishing
from copysight.index.replicas.published import Alone, Published, Shared
from copysight.system import durable

FOLDER = "index"


def published(layout: Layout, identity: str) -> Published:
    """What the directories of an index share besides catalog and blobs."""
    if layout.catalog.suffix != ".json" or not layout.blobs_elsewhere.exists():
        return Alone(layout)
    return Shared(layout, blobs.folders(identity, FOLDER))


def join(layout: Layout) -> bool:
    """Make the directory one of the index whose schema COPYSIGHT_CATALOG names, if COPYSIGHT_BLOBS is set, too.

    Returns whether there is such an index. Raises ``IndexNotFound`` if it has not published its bundle yet.
    """
    place = engines.find(layout.catalog) if address.configured() is not None else None
    if place is None:
        return False
    with durable.writable(layout.root):
        layout.root.mkdir(parents=True, exist_ok=True)
    with publishing(layout, wait=True):
        if layout.catalog.exists():  # another process was faster
            return True
        for path in (layout.blobs, layout.bundles, layout.generations, layout.staging):
            path.mkdir(exist_ok=True)
        shared = Shared(layout, blobs.folders(place.identity, FOLDER))
        bundles = shared.bundles()
        if not bundles:
            raise IndexNotFound(
                f"the index in the schema {place.schema!r} has published no bundle for other directories; start its "
                "first server once, with COPYSIGHT_BLOBS"
            )
        for bundle in bundles:
            shared.fetch_bundle(bundle)
        shared.follow()
        blobs.choose(layout.blobs_elsewhere)
        durable.sync_directory(layout.root)
        engines.join(layout.catalog, place)
    return True
