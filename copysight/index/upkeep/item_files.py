"""Look for the files of each item: its thumbnail and, by the policy, its original."""

from copysight.blobs import Blobs
from copysight.catalog import Catalog, Item

MAX_NAMED = 3


def faults(catalog: Catalog, blobs: Blobs) -> list[str]:
    """Items whose files were stored and are gone, one sentence for each kind; empty if there are none."""
    originals, thumbnails = [], []
    for item in catalog.with_files(True):
        if blobs.policy == "keep" and not blobs.has_original(item.sha256):
            originals.append(item)
        if not blobs.has_thumbnail(item.sha256):
            thumbnails.append(item)
    mend = "add the pictures again, or restore a backup"
    return [
        *_sentence(originals, "whose original is missing or empty", f"they cannot be embedded again; {mend}"),
        *_sentence(thumbnails, "whose thumbnail is missing, empty or no JPEG", mend),
    ]


def remarks(catalog: Catalog, blobs: Blobs) -> list[str]:
    """Items without files for which that need not be a fault, one sentence for each kind."""
    found = []
    if blobs.policy == "reference":
        gone = [item for item in catalog.with_files(True) if item.source and not _has_original(blobs, item)]
        found += _sentence(gone, "whose original is not at its source any more", "they cannot be embedded again")
    unknown = [item for item in catalog.with_files(None) if not _complete(blobs, item)]
    return found + _sentence(
        unknown,
        "without original or thumbnail",
        "they were imported, or lost their files; an older version that added them did not record which",
    )


def _complete(blobs: Blobs, item: Item) -> bool:
    return blobs.has_thumbnail(item.sha256) and (blobs.policy != "keep" or _has_original(blobs, item))


def _has_original(blobs: Blobs, item: Item) -> bool:
    return blobs.has_original(item.sha256, item.source)


def _sentence(items: list[Item], what: str, then: str) -> list[str]:
    named = ", ".join(repr(item.key) for item in items[:MAX_NAMED]) + ", …" * (len(items) > MAX_NAMED)
    text = f"there are {len(items):,} items {what} ({named}); {then}"
    return [text] if items else []
