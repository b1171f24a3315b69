"""A folder of pictures that changes at random: moves, renames, deletes, overwrites, changes of case, copies, swaps."""

import hashlib
from collections.abc import Callable
from itertools import count
from pathlib import Path

import numpy as np

FOLDERS = ("", "a", "a/b", "c d", "\u00fc")


class Tree:
    """The folder ``root``. ``draw`` returns the bytes of a new picture by its seed."""

    def __init__(self, root: Path, draw: Callable[[int], bytes], rng: np.random.Generator, size: int) -> None:
        self.root, self._draw, self._rng = root, draw, rng
        self._seeds = count(5000)
        for folder in FOLDERS:
            (root / folder).mkdir(parents=True, exist_ok=True)
        for _ in range(size):
            self._create()

    def files(self) -> list[Path]:
        return sorted(path for path in self.root.rglob("*") if path.is_file())

    def digests(self) -> dict[str, str]:
        """The sha256 of each file by its key."""
        return {
            path.relative_to(self.root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in self.files()
        }

    def change(self, times: int) -> None:
        """Change the folder, each time in one of the ways. Its size stays about the same."""
        ways = [self._create, self._delete, self._move, self._move, self._rename, self._case, self._case]
        ways += [self._overwrite, self._copy, self._swap, self._take_place]
        for _ in range(times):
            ways[int(self._rng.integers(len(ways)))]()

    def _any(self) -> Path:
        files = self.files()
        return files[int(self._rng.integers(len(files)))]

    def _fresh(self, folder: Path | None = None) -> Path:
        folder = folder or self.root / FOLDERS[int(self._rng.integers(len(FOLDERS)))]
        return folder / f"Picture-{next(self._seeds)}.jpg"

    def _create(self) -> None:
        self._fresh().write_bytes(self._draw(next(self._seeds)))

    def _delete(self) -> None:
        self._any().unlink()

    def _move(self) -> None:
        source = self._any()
        target = self._fresh().with_name(source.name)
        if not target.exists():
            source.rename(target)

    def _rename(self) -> None:
        source = self._any()
        source.rename(self._fresh(source.parent))

    def _case(self) -> None:
        source = self._any()
        target = source.with_name(source.name.swapcase())
        if not target.exists():
            source.rename(target)

    def _overwrite(self) -> None:
        self._any().write_bytes(self._draw(next(self._seeds)))

    def _copy(self) -> None:
        self._fresh().write_bytes(self._any().read_bytes())
        self._any().unlink()

    def _swap(self) -> None:
        one, other = self._any(), self._any()
        if one != other:
            parked = self._fresh()
            one.rename(parked)
            other.rename(one)
            parked.rename(other)

    def _take_place(self) -> None:
        self._any().replace(self._any())
        self._create()
