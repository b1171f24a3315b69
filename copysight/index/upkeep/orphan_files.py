"""Find and remove orphan files: blobs without an item, left by a writer that was killed. They do no harm."""

from copysight.index.index import Index


def find_orphans(index: Index) -> list[str]:
    """The sha256 of the pictures whose files are orphans. A picture that is just being added may be among them."""
    stored = index.blobs.names()  # read before the catalog, so that pictures that are added later are not listed
    named = {*index.catalog.sha256s(), *index.catalog.orphans()}
    return [sha256 for sha256 in stored if sha256 not in named]


def sweep(index: Index) -> int:
    """Remove all orphan files. Returns the number of pictures that they belonged to."""
    found = find_orphans(index)
    if found:
        with index.blobs.sweep():  # no writer is adding now, and earlier writers have committed their items
            named = {*index.catalog.sha256s(), *index.catalog.orphans()}
            found = [sha256 for sha256 in found if sha256 not in named]
            index.blobs.delete(found)
    return len(found)
