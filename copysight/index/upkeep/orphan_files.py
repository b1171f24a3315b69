"""Files of blobs that belong to no item: a writer was killed before the catalog could name them. They do no harm."""

from copysight.index.index import Index


def find_orphans(index: Index) -> list[str]:
    """The sha256 of each such file's picture; one that is just being added may be among them."""
    stored = index.blobs.names()  # first: what is added later than this is not asked for
    named = {*index.catalog.sha256s(), *index.catalog.orphans()}
    return [sha256 for sha256 in stored if sha256 not in named]


def sweep(index: Index) -> int:
    """Remove them; returns how many pictures' files these were."""
    found = find_orphans(index)
    if found:
        with index.blobs.sweep():  # nobody is adding now: who was has named his files
            named = {*index.catalog.sha256s(), *index.catalog.orphans()}
            found = [sha256 for sha256 in found if sha256 not in named]
            for sha256 in found:
                index.blobs.delete(sha256)
    return len(found)
