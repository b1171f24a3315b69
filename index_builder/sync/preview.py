"""The dry run of a sync: read the bytes of all files, and say what a sync would change."""

import hashlib
from concurrent.futures import ThreadPoolExecutor

from copysight.index import Index
from copysight.pictures.scan import Entry, scan
from index_builder.progress import Progress
from index_builder.stages import embedding, former_keys
from index_builder.stages.plan import Plan
from index_builder.sync import guard
from index_builder.sync.difference import compare, without_removed
from index_builder.sync.membership import of_folder, unread_of
from index_builder.sync.outcome import Preview


def preview(plan: Plan, most_missing: float, progress: Progress) -> Preview:
    """What a sync of ``plan`` would do. Pictures are not decoded, so a damaged one counts as added or replaced."""
    found = scan(plan.source, plan.reading, allow_empty=True)
    with Index.open(plan.index) as index:
        found = former_keys.with_known_keys(found, index.catalog, plan.collection)
        files, failed = {}, []
        threads = plan.threads or embedding.cores()
        with progress.stage("read", len(found.entries)) as step, ThreadPoolExecutor(threads) as pool:
            for entry, sha256 in embedding.ordered_map(pool, _read, found.entries, 4 * threads):
                step(1)
                if sha256 is None:
                    failed.append(entry.key)
                else:
                    files[entry.key] = sha256
        unread = unread_of(found, failed)
        known = index.catalog.known(plan.collection)
        difference = compare(known, files, unread.__contains__, of_folder(plan.source))
        difference = without_removed(difference, files, index.catalog.curation.removed(plan.collection))
    refused = guard.exceeds(len(difference.vanished), difference.known, most_missing)
    return Preview(difference, len(failed) + len(found.failed), refused)


def _read(entry: Entry) -> tuple[Entry, str | None]:
    try:
        return entry, hashlib.sha256(entry.read()).hexdigest()
    except OSError:
        return entry, None
