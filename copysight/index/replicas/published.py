"""Generations and bundles of an index, published so that the directories of other machines can follow.

With the catalog on PostgreSQL and blobs on S3, each server has a directory of its own. It is a copy of what is on S3:
``index/CURRENT``, ``index/generations/000007``, ``index/bundles/<id>``. Other indexes have one directory only.
"""

import logging
from collections.abc import Collection
from pathlib import Path
from typing import Protocol

from copysight.errors import NoGeneration
from copysight.index.generations import manifest
from copysight.index.generations.layout import CURRENT, Layout
from copysight.index.generations.manifest import Manifest
from copysight.system import durable
from copysight.system.locks.file_lock import FileLock

log = logging.getLogger(__name__)
GENERATIONS, BUNDLES = "generations", "bundles"
LAST = {GENERATIONS: "manifest.json", BUNDLES: "bundle.json"}
"""The file of a folder that is uploaded last."""
POINTER_LOCK, FETCH_LOCK = ".pointer.lock", ".fetch.lock"


class Store(Protocol):
    """Folders of files on another machine."""

    def read(self, name: str) -> bytes | None:
        """The contents of a small file."""

    def write(self, name: str, data: bytes) -> None:
        """Write a small file."""

    def upload(self, directory: Path, name: str, last: str) -> None:
        """Upload the files of a directory."""

    def download(self, name: str, target: Path) -> None:
        """Download a folder."""

    def names(self, parent: str, last: str) -> list[str]:
        """Names of the complete folders."""

    def delete(self, name: str, last: str) -> None:
        """Remove a folder."""


class Published(Protocol):
    """What a publisher tells other directories of the index, and what it hears of them."""

    is_shared: bool
    """Whether the index may have several directories."""

    def offer(self, bundle: str) -> None:
        """Publish the live generation, and the ``bundle``, unless it was done. The caller is the publisher."""

    def upload(self, path: Path) -> None:
        """Publish a generation and its bundle, which is not live yet. The caller is the publisher."""

    def point(self, name: str) -> None:
        """Make a generation live: replace CURRENT, last here."""

    def prune(self, generations: Collection[str], bundles: Collection[str]) -> None:
        """Remove all generations and bundles but these. The caller is the publisher."""

    def names(self) -> list[str]:
        """Names of the published generations, sorted."""

    def manifest(self, name: str) -> Manifest | None:
        """The manifest of a published generation; None if there is none, or it is damaged."""

    def is_live(self, name: str) -> bool:
        """Whether a generation is live, for all directories."""

    def fetch(self, name: str) -> None:
        """Make sure that a published generation and its bundle are here."""

    def follow(self, wait: bool = False) -> bool:
        """Make the published generation live here, if it is another one. Returns whether it did.

        ``wait`` for another thread or process of this directory that does it.
        """


class Alone:
    """An index with one directory: nothing is published."""

    is_shared = False

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def offer(self, bundle: str) -> None:
        """Nothing to do."""

    def upload(self, path: Path) -> None:
        """Nothing to do."""

    def point(self, name: str) -> None:
        """Replace CURRENT."""
        durable.write_file(self._layout.current, f"{name}\n".encode())

    def prune(self, generations: Collection[str], bundles: Collection[str]) -> None:
        """Nothing to do."""

    def names(self) -> list[str]:
        """None."""
        return []

    def manifest(self, name: str) -> Manifest | None:
        """None."""

    def is_live(self, name: str) -> bool:
        """Whether CURRENT names a generation."""
        return self._layout.live() == name

    def fetch(self, name: str) -> None:
        """Nothing to do."""

    def follow(self, wait: bool = False) -> bool:  # noqa: ARG002
        """Nothing to do."""
        return False


class Shared:
    """An index whose directories follow what is on S3."""

    is_shared = True

    def __init__(self, layout: Layout, store: Store) -> None:
        self._layout, self._store = layout, store

    def offer(self, bundle: str) -> None:
        """Publish the live generation, and the ``bundle``, unless it was done."""
        self._offer_bundle(bundle)
        live = self._layout.live()
        if live is not None and self._live() is None:
            self.upload(self._layout.generations / live)
            self.point(live)

    def upload(self, path: Path) -> None:
        """Publish a generation and its bundle."""
        self._offer_bundle(manifest.read(path).bundle)
        if self._manifest(path.name) != (path / LAST[GENERATIONS]).read_bytes():
            self._store.upload(path, f"{GENERATIONS}/{path.name}", LAST[GENERATIONS])

    def point(self, name: str) -> None:
        """Make a generation live: on S3, then here. A process that is killed in between follows later."""
        lock = FileLock(self._layout.root / POINTER_LOCK)
        lock.acquire(wait=True)
        try:
            self._store.write(CURRENT, f"{name}\n".encode())
            durable.write_file(self._layout.current, f"{name}\n".encode())
        finally:
            lock.release()

    def prune(self, generations: Collection[str], bundles: Collection[str]) -> None:
        """Remove all generations and bundles but these, and the live ones."""
        kept: dict[str, set[str]] = {GENERATIONS: {*generations, self._live() or ""}, BUNDLES: {*bundles}}
        for parent, names in kept.items():
            for name in self._store.names(parent, LAST[parent]):
                if name not in names:
                    self._store.delete(f"{parent}/{name}", LAST[parent])

    def names(self) -> list[str]:
        """Names of the published generations, sorted."""
        return self._store.names(GENERATIONS, LAST[GENERATIONS])

    def manifest(self, name: str) -> Manifest | None:
        """The manifest of a published generation; None if there is none, or it is damaged."""
        content = self._manifest(name)
        try:
            return None if content is None else manifest.parse(content)
        except (ValueError, KeyError, TypeError, AttributeError):
            return None

    def is_live(self, name: str) -> bool:
        """Whether a generation is live, for all directories. Asks S3."""
        return self._live() == name

    def fetch(self, name: str) -> None:
        """Make sure that a published generation and its bundle are here. Raises ``NoGeneration``."""
        described = self._manifest(name)
        if described is None:
            raise NoGeneration(f"the generation {name} is not published; publish one: `copysight index rebuild`")
        path = self._layout.generations / name
        if path.exists() and (path / LAST[GENERATIONS]).read_bytes() != described:
            log.warning("the generation %s here was never published; the published one replaces it", name)
            path.rename(path.with_name(f".{name}.gone"))
        if not path.exists():
            self._store.download(f"{GENERATIONS}/{name}", path)
        self.fetch_bundle(manifest.read(path).bundle)

    def fetch_bundle(self, bundle: str) -> None:
        """Make sure that a bundle is here."""
        if not (self._layout.bundles / bundle).exists():
            self._store.download(f"{BUNDLES}/{bundle}", self._layout.bundles / bundle)

    def bundles(self) -> list[str]:
        """Ids of the published bundles."""
        return self._store.names(BUNDLES, LAST[BUNDLES])

    def follow(self, wait: bool = False) -> bool:
        """Make the published generation live here, if it is another one. Returns whether it did.

        ``wait`` for another thread or process of this directory that does it.
        """
        fetching, pointing = (FileLock(self._layout.root / file) for file in (FETCH_LOCK, POINTER_LOCK))
        followed = False
        if self._ahead() is None or not fetching.acquire(wait):
            return False  # there is nothing to do, or another thread or process of this directory does it
        try:
            while (name := self._ahead()) is not None:
                self.fetch(name)
                pointing.acquire(wait=True)
                if self._ahead() == name:  # another one may be published by now, or this one made live by its publisher
                    durable.write_file(self._layout.current, f"{name}\n".encode())
                    followed = True
                pointing.release()
            return followed
        finally:
            pointing.release()
            fetching.release()

    def _ahead(self) -> str | None:
        """The published generation, if another one is live here."""
        name = self._live()
        return None if name == self._layout.live() else name

    def _offer_bundle(self, bundle: str) -> None:
        if bundle not in self.bundles():
            self._store.upload(self._layout.bundles / bundle, f"{BUNDLES}/{bundle}", LAST[BUNDLES])

    def _live(self) -> str | None:
        found = self._store.read(CURRENT)
        return None if found is None else found.decode().strip()

    def _manifest(self, name: str) -> bytes | None:
        return self._store.read(f"{GENERATIONS}/{name}/{LAST[GENERATIONS]}")
