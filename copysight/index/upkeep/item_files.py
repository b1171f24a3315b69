"""Look for the files of each item: its thumbnail and, by the policy, its original."""

from collections.abc import Callable, Iterable

from copysight.blobs import THUMBNAIL_SUFFIX, Blobs
from copysight.catalog import Catalog, Item

MAX_NAMED = 3
Held = Callable[[str], bool]
HasFiles = Callable[[Held, Item], bool]


def lacking(catalog: Catalog, blobs: Blobs, items: Iterable[Item], has_files: HasFiles) -> tuple[list[Item], Held]:
    """Those of the ``items`` without their files, and the `Blobs.held` that did not have them.

    Others may add, replace and delete items meanwhile, and `Blobs.held` may be a listing from before an item was added.
    So what looks lost is looked for again, and counts only if the catalog still has the item *after* that: files are
    stored before their item, and deleted after it.
    """
    held = blobs.held()
    if found := [item for item in items if not has_files(held, item)]:
        held = blobs.held()
        found = [item for item in found if not has_files(held, item)]
        now = catalog.get_many(item.id for item in found)
        found = [item for item in found if item.id in now and now[item.id].sha256 == item.sha256]
    return found, held


def faults(catalog: Catalog, blobs: Blobs) -> list[str]:
    """Items whose files were stored and are gone, one sentence for each kind; empty if there are none."""
    found, held = lacking(catalog, blobs, catalog.with_files(True), lambda held, item: _complete(blobs, held, item))
    originals = [item for item in found if not _is_kept(blobs, held, item)]
    thumbnails = [item for item in found if not held(item.sha256 + THUMBNAIL_SUFFIX)]
    mend = "add the pictures again, or restore a backup"
    return [
        *_sentence(originals, "whose original is missing or empty", f"they cannot be embedded again; {mend}"),
        *_sentence(thumbnails, "whose thumbnail is missing, empty or no JPEG", mend),
    ]


def remarks(catalog: Catalog, blobs: Blobs) -> list[str]:
    """Items without files for which that need not be a fault, one sentence for each kind."""
    found = []
    if blobs.policy == "reference":
        stored = (item for item in catalog.with_files(True) if item.source)
        gone, _ = lacking(catalog, blobs, stored, lambda held, item: blobs.at_source(item.source) or held(item.sha256))
        found += _sentence(gone, "whose original is not at its source any more", "they cannot be embedded again")
    unknown, _ = lacking(catalog, blobs, catalog.with_files(None), lambda held, item: _complete(blobs, held, item))
    return found + _sentence(
        unknown,
        "without original or thumbnail",
        "they were imported, or lost their files; an older version that added them did not record which",
    )


def _complete(blobs: Blobs, held: Held, item: Item) -> bool:
    return held(item.sha256 + THUMBNAIL_SUFFIX) and _is_kept(blobs, held, item)


def _is_kept(blobs: Blobs, held: Held, item: Item) -> bool:
    return blobs.policy != "keep" or held(item.sha256)


def _sentence(items: list[Item], what: str, then: str) -> list[str]:
    named = ", ".join(repr(item.key) for item in items[:MAX_NAMED]) + ", …" * (len(items) > MAX_NAMED)
    text = f"there are {len(items):,} items {what} ({named}); {then}"
    return [text] if items else []
