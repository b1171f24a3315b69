"""State what a figure comes from: the code, the data, the seed, and how the bundle was trained."""

import hashlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from copysight.model import bundle as bundles
from copysight.pictures.scan import Entry, Scan
from copysight.system.version import commit, version
from evaluation.arguments import is_bundle
from evaluation.features.extract import PATCHES
from evaluation.sources import current


def provenance(source: str, seed: int | None = None) -> Mapping[str, Any]:
    """Version and commit of the code, fingerprint of each source of pictures that the command has read, and seed.

    ``seed`` is ``None`` if nothing is drawn at random. For a bundle: its ``id`` and what it says of its training.
    """
    found: dict[str, Any] = {"version": version(), "commit": commit(), "seed": seed, "data": fingerprints()}
    name = source.removesuffix(PATCHES)
    if is_bundle(name):
        bundle = bundles.load(name, verify=False)
        found["bundle"] = {"id": bundle.id, "training": bundle.training}
    return found


def fingerprints() -> dict[str, str]:
    """The fingerprint of each source of pictures, by its path."""
    read = current()
    for path, scanned in read.scans.items():
        if path not in read.fingerprints:
            read.fingerprints[path] = fingerprint(scanned)
    return {str(path): one for path, one in read.fingerprints.items()}


def fingerprint(scanned: Scan) -> str:
    """64 hexadecimal digits of the keys and bytes of all pictures of a source, wherever the source lies."""
    digest = hashlib.sha256()
    with ThreadPoolExecutor() as pool:
        for entry, one in zip(scanned.entries, pool.map(_digest, scanned.entries), strict=True):
            digest.update(f"{entry.key}\0{one}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def _digest(entry: Entry) -> str:
    try:
        return hashlib.sha256(entry.read()).hexdigest()
    except OSError:  # it has vanished since; the account of the source says so
        return "unreadable"
