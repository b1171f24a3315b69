"""Decode the training pictures once into a pack: a cache of uint8 pixels that every epoch maps into memory.

Decoding costs more than augmenting, so it is done once. A pack is a directory with ``pixels.u8`` (the RGB bytes of all
pictures, one after the other), ``offsets.npy`` (N + 1,), ``sizes.npy`` (N, 2: height, width), ``firsts.npy`` (N,) and
``pack.json``.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from copysight.errors import NoPictures, TooFewPictures
from copysight.pictures.decode import Limits
from copysight.pictures.scan import ORDINARY, Account, Entry, Failure, Scan, ScanOptions, scan
from copysight.system.durable import new_directory, sha256

Pixels = npt.NDArray[np.uint8]
FORMAT = 2
CHUNK = 256
REMEDY = "add pictures or lower --batch"


@dataclass(frozen=True)
class Pack:
    """Decoded pictures. ``sizes`` (N, 2) int64: height and width; ``failures``: the files that cannot be read.

    ``firsts`` (N,) int64: the first picture with the same pixels; without an earlier one, the picture itself.
    ``fingerprint``: 64 hexadecimal digits, of the sizes and pixels of the pictures in their order; names do not count.
    """

    path: Path
    pixels: Pixels
    offsets: npt.NDArray[np.int64]
    sizes: npt.NDArray[np.int64]
    firsts: npt.NDArray[np.int64]
    names: tuple[str, ...]
    failures: tuple[Failure, ...]
    fingerprint: str
    account: Account | None = None

    def __len__(self) -> int:
        return len(self.sizes)

    @property
    def unreadable(self) -> dict[str, int]:
        """Number of files that cannot be read, for each reason."""
        return dict(Counter(failure.code for failure in self.failures))

    def picture(self, number: int) -> Pixels:
        """Picture ``number`` as (height, width, 3) uint8: a view into the mapped file."""
        height, width = self.sizes[number]
        return self.pixels[self.offsets[number] : self.offsets[number + 1]].reshape(height, width, 3)

    def pictures(self) -> Iterator[Pixels]:
        """All pictures in their order."""
        return map(self.picture, range(len(self)))


def pack(
    source: Path,
    cache: Path,
    side: int = 256,
    min_pictures: int = 1,
    report: Callable[[int], None] = lambda _: None,
    reading: ScanOptions = ORDINARY,
) -> Pack:
    """Return the pack of ``source`` in the folder ``cache``; write it first if it does not exist.

    Pictures whose shortest side is longer than ``side`` pixels are reduced to it (bicubic, antialiased). ``report`` is
    called with the number of files read so far. ``reading``: what is left out of the source, and the limits of a
    picture. Raises ``NoPictures``, and ``TooFewPictures`` below ``min_pictures``.
    """
    scanned = scan(source, reading)
    entries = scanned.entries
    if len(entries) < min_pictures:
        raise TooFewPictures(f"{source} holds {len(entries)} pictures, {min_pictures} are needed; {REMEDY}")
    path = cache / _fingerprint(entries, side, reading.limits)
    if not path.is_dir():
        _make(path, scanned, side, reading.limits, report)
    found = load(path)
    found = replace(found, account=scanned.account.with_failures(found.failures))
    if len(found) == 0:
        raise NoPictures(f"none of the picture files at {source} can be read: {_reasons(found)}")
    if len(found) < min_pictures:
        raise TooFewPictures(
            f"{source} holds {len(found)} readable pictures ({_reasons(found)} unreadable), {min_pictures} are needed; "
            f"{REMEDY}"
        )
    return found


def _make(path: Path, found: Scan, side: int, limits: Limits, report: Callable[[int], None]) -> None:
    """Write the pack. If another process writes the same pack first, use that one."""
    try:
        with new_directory(path) as directory:
            _write(directory, _decoded(found.entries, side, limits), side, report)
    except OSError:
        if not path.is_dir():
            raise


def load(path: Path) -> Pack:
    """Open a pack that ``pack`` wrote. Pixels are mapped; those of older packs are read, for what these lack."""
    about = json.loads((path / "pack.json").read_text())
    offsets = np.load(path / "offsets.npy")
    # Copy-on-write, because torch warns about read-only arrays. Nothing writes to it.
    empty = np.empty(0, np.uint8)
    failures = tuple(Failure(*one) for one in about["failures"])
    pixels = np.memmap(path / "pixels.u8", np.uint8, "c") if offsets[-1] else empty
    sizes = np.load(path / "sizes.npy")
    # Packs of older versions have no digest of their pixels, so the file is read once.
    digest = about.get("pixels") or sha256(path / "pixels.u8")
    fingerprint = hashlib.sha256(sizes.astype("<i8").tobytes() + digest.encode()).hexdigest()
    found = Pack(path, pixels, offsets, sizes, np.arange(len(sizes)), tuple(about["names"]), failures, fingerprint)
    held = path / "firsts.npy"  # packs of older versions have none
    return replace(found, firsts=np.load(held) if held.exists() else _firsts(map(_digest_of, found.pictures())))


def _digest_of(pixels: Pixels) -> bytes:
    return hashlib.sha256(f"{pixels.shape}".encode() + pixels.tobytes()).digest()


def _firsts(digests: Iterable[bytes]) -> npt.NDArray[np.int64]:
    first: dict[bytes, int] = {}
    return np.array([first.setdefault(digest, number) for number, digest in enumerate(digests)], np.int64)


def _write(directory: Path, pictures: "Iterable[_Decoded | Failure]", side: int, report: Callable[[int], None]) -> None:
    names: list[str] = []
    sizes: list[tuple[int, int]] = []
    failures: list[Failure] = []
    digest, digests = hashlib.sha256(), list[bytes]()
    with (directory / "pixels.u8").open("wb") as out:
        for number, decoded in enumerate(pictures, 1):
            if isinstance(decoded, Failure):
                failures.append(decoded)
            else:
                names.append(decoded.name)
                sizes.append(decoded.pixels.shape[:2])
                digest.update(pixels := decoded.pixels.tobytes())
                digests.append(_digest_of(decoded.pixels))
                out.write(pixels)
            report(number)
    shapes = np.asarray(sizes, np.int64).reshape(-1, 2)
    np.save(directory / "sizes.npy", shapes)
    np.save(directory / "firsts.npy", _firsts(digests))
    np.save(directory / "offsets.npy", np.concatenate([[0], np.cumsum(shapes.prod(axis=1) * 3)]).astype(np.int64))
    about = {"format": FORMAT, "side": side, "failures": [astuple(one) for one in failures], "names": names}
    about["pixels"] = digest.hexdigest()
    (directory / "pack.json").write_text(json.dumps(about))


@dataclass(frozen=True)
class _Decoded:
    name: str
    pixels: Pixels


def _decoded(files: Iterable[Entry], side: int, limits: Limits) -> Iterator[_Decoded | Failure]:
    files = iter(files)
    with ThreadPoolExecutor() as pool:
        while chunk := list(islice(files, CHUNK)):
            yield from pool.map(lambda file: _decode(file, side, limits), chunk)


def _decode(file: Entry, side: int, limits: Limits) -> _Decoded | Failure:
    """The decoded and reduced picture, or why it cannot be read."""
    found = file.decode(limits, at_least=side)
    if isinstance(found, Failure):
        return found
    picture = found.pixels
    shortest = min(picture.size)
    if shortest > side:
        width, height = (max(1, round(length * side / shortest)) for length in picture.size)
        picture = picture.resize((width, height), Image.Resampling.BICUBIC)
    return _Decoded(file.key, np.asarray(picture))


def _fingerprint(files: Iterable[Entry], side: int, limits: Limits) -> str:
    digest = hashlib.sha256(f"{FORMAT} {side} {limits}".encode())
    for entry in files:
        digest.update(f"{entry.file.resolve()} {entry.key} {entry.stamp}".encode(errors="surrogateescape"))
    return digest.hexdigest()[:20]


def _reasons(found: Pack) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in sorted(found.unreadable.items())) or "none"
