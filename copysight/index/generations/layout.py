"""Paths of the files in an index directory (docs/reference/index-format.md)."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

CURRENT = "CURRENT"
DIGITS = 6
SYSTEM = ("lost+found",)
"""What the root of a new file system holds."""


@dataclass(frozen=True)
class Layout:
    """The paths below the directory ``root`` of an index."""

    root: Path

    @property
    def catalog(self) -> Path:
        """The catalog, which is the source of truth: a SQLite file, or the file that names a schema of PostgreSQL."""
        elsewhere = self.root / "catalog.json"
        return elsewhere if elsewhere.exists() else self.root / "catalog.sqlite"

    @property
    def blobs(self) -> Path:
        """Originals and thumbnails."""
        return self.root / "blobs"

    @property
    def blobs_elsewhere(self) -> Path:
        """The file that says that originals and thumbnails are on S3; there is none if they are in `blobs`."""
        return self.root / "blobs.json"

    @property
    def bundles(self) -> Path:
        """Copies of the model bundles, one directory per bundle, named by its id."""
        return self.root / "bundles"

    @property
    def generations(self) -> Path:
        """The generations, one immutable directory each."""
        return self.root / "generations"

    @property
    def staging(self) -> Path:
        """The staged work of running builds."""
        return self.root / "staging"

    @property
    def features(self) -> Path:
        """Local features of pictures: a cache, which may be removed at any time."""
        return self.root / "features"

    @property
    def duplicates(self) -> Path:
        """Pairs of copies that were found: a cache, which may be removed at any time."""
        return self.root / "duplicates"

    @property
    def current(self) -> Path:
        """The file that holds the name of the live generation."""
        return self.root / CURRENT

    @cached_property
    def _current(self) -> str:
        return str(self.current)

    def others(self) -> list[str]:
        """Names in the directory that neither an unfinished index nor the file system has put there, sorted.

        The directories are those that a killed `Index.create` leaves.
        """
        ours = {self.blobs, self.bundles, self.generations, self.staging, self.features, self.duplicates}
        ours |= {self.publisher, self.blobs_elsewhere}
        known = {path.name for path in ours} | set(SYSTEM)
        return sorted(path.name for path in self.root.iterdir() if path.name not in known and path.name[0] != ".")

    @property
    def publisher(self) -> Path:
        """The lock file of publishers."""
        return self.root / "publisher.lock"

    def live(self) -> str | None:
        """Name of the live generation, or None before the first one. Every request calls this; it takes 5 us."""
        try:
            pointer = os.open(self._current, os.O_RDONLY)
        except FileNotFoundError:
            return None
        try:
            return os.read(pointer, 64).decode().strip() or None
        finally:
            os.close(pointer)

    def names(self) -> list[str]:
        """Names of the existing generations, oldest first."""
        if not self.generations.is_dir():
            return []
        return sorted(path.name for path in self.generations.iterdir() if path.name.isdigit())

    def next_name(self, published: Iterable[str] = ()) -> str:
        """Name of the next generation: one above all existing generations, here or ``published``, and the live one."""
        taken = [int(name) for name in (*self.names(), *published, self.live() or "") if name.isdigit()]
        return f"{max(taken, default=0) + 1:0{DIGITS}d}"
