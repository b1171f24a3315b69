"""Look for the files of each item: its thumbnail and, by the policy, its original."""

from collections.abc import Callable

from copysight.blobs import THUMBNAIL_SUFFIX, Blobs
from copysight.catalog import Catalog, Item

MAX_NAMED = 3
Held = Callable[[str], bool]


def faults(catalog: Catalog, blobs: Blobs) -> list[str]:
    """Items whose files were stored and are gone, one sentence for each kind; empty if there are none."""
    originals, thumbnails, held = [], [], blobs.held()
    for item in catalog.with_files(True):
        if blobs.policy == "keep" and not held(item.sha256):
            originals.append(item)
        if not held(item.sha256 + THUMBNAIL_SUFFIX):
            thumbnails.append(item)
    mend = "add the pictures again, or restore a backup"
    return [
        *_sentence(originals, "whose original is missing or empty", f"they cannot be embedded again; {mend}"),
        *_sentence(thumbnails, "whose thumbnail is missing, empty or no JPEG", mend),
    ]


def remarks(catalog: Catalog, blobs: Blobs) -> list[str]:
    """Items without files for which that need not be a fault, one sentence for each kind."""
    found, held = [], blobs.held()
    if blobs.policy == "reference":
        gone = [item for item in catalog.with_files(True) if item.source and not _has_original(blobs, held, item)]
        found += _sentence(gone, "whose original is not at its source any more", "they cannot be embedded again")
    unknown = [item for item in catalog.with_files(None) if not _complete(blobs, held, item)]
    return found + _sentence(
        unknown,
        "without original or thumbnail",
        "they were imported, or lost their files; an older version that added them did not record which",
    )


def _complete(blobs: Blobs, held: Held, item: Item) -> bool:
    return held(item.sha256 + THUMBNAIL_SUFFIX) and (blobs.policy != "keep" or held(item.sha256))


def _has_original(blobs: Blobs, held: Held, item: Item) -> bool:
    return blobs.at_source(item.source) or held(item.sha256)


def _sentence(items: list[Item], what: str, then: str) -> list[str]:
    named = ", ".join(repr(item.key) for item in items[:MAX_NAMED]) + ", …" * (len(items) > MAX_NAMED)
    text = f"there are {len(items):,} items {what} ({named}); {then}"
    return [text] if items else []
