"""Damaged files of every format through the service's decoding processes: none may crash, hang or take the memory.

``python -m benchmarks.decoder_fuzz --inputs 200000`` prints a table of one row for each format, and fails when a
process was lost or fewer than half of a format's inputs got past their header. The same seed makes the same inputs.

The cap of time is one by the clock: what overruns it is ended, and has its error. Whose fault that was, the input's or
that of a machine with too much to do, is told by the processor time that the same input takes in a second try.
"""

import math
import random
import struct
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from io import BytesIO
from itertools import islice
from pathlib import Path

import click
import numpy as np
from PIL import Image

from benchmarks.load import processor_seconds
from copysight.errors import PictureError, UnsupportedFormat
from copysight.pictures.decode import Limits
from copysight.system import processors
from service.http.problems import DecoderCrashed, DecoderOutOfMemory, DecoderTooSlow
from service.intake.decoding import Processes

MEMORY = 512 * 2**20
SECONDS = 10.0
LIMITS = Limits(max_pixels=20_000_000)
PATIENT = 120.0
"""Seconds by the clock for the second try of an input that overran: a process that has its turns is done by then."""
LOST = (DecoderCrashed, DecoderOutOfMemory)
HEADER = {"JPEG": 160, "PNG": 33, "WEBP": 60, "GIF": 13, "BMP": 54}
"""Bytes at the beginning that most mutations leave alone, so that what lies behind them is reached."""
EXTREMES = (b"\x00", b"\xff", b"\x7f\xff", b"\xff\xff", b"\x00\x00\x00\x00", b"\x7f\xff\xff\xff", b"\xff\xff\xff\xff")


@dataclass
class Tally:
    """What became of the inputs of one format."""

    inputs: int = 0
    past: int = 0
    decoded: int = 0
    slowest: float = 0.0
    overran: int = 0
    heavy: int = 0
    codes: Counter[str] = field(default_factory=Counter)

    @property
    def lost(self) -> int:
        """Inputs that broke a process, or would have one work longer than the cap."""
        return self.heavy + sum(self.codes[kind.code] for kind in LOST)


@click.command()
@click.option("--inputs", default=10_000, help="Damaged files, over all formats.")
@click.option("--seed", default=0, help="Of the mutations.")
@click.option("--workers", default=processors.available(), help="Decoding processes.")
def main(inputs: int, seed: int, workers: int) -> None:
    """Print the table; exit code 1 when an input was lost."""
    processes = Processes(workers, LIMITS, MEMORY, SECONDS)
    for _ in range(workers):
        processes.decode(files("PNG")[0])  # their start is nobody's time
    print(
        "| format | inputs | past the header | decoded | errors | crashed, no memory | overran, own fault | slowest |"
    )
    print("|---|---|---|---|---|---|---|---|")
    tallies = {kind: fuzz(processes, kind, inputs // len(HEADER), seed, workers) for kind in HEADER}
    for kind, tally in tallies.items():
        print(_row(kind, tally))
    total = sum(tally.inputs for tally in tallies.values())
    past = sum(tally.past for tally in tallies.values()) / total
    least = min(tally.past / tally.inputs for tally in tallies.values())
    lost = sum(tally.lost for tally in tallies.values())
    print(
        f"\n{total:,} inputs of seed {seed}: {past:.0%} past the header, {lost} processes lost; largest process "
        f"{max(map(peak, processes.pids)) / 2**20:.0f} MiB (cap {MEMORY / 2**20:.0f} beyond an idle one)"
    )
    processes.close()
    if lost or least < 0.5:
        raise SystemExit(1)


def fuzz(processes: Processes, kind: str, inputs: int, seed: int, workers: int) -> Tally:
    """Decode so many damaged files of one format."""
    tally = Tally()
    damaged = islice(mutants(kind, seed), inputs)
    with ThreadPoolExecutor(workers) as pool:
        while some := list(islice(damaged, 1000)):
            for outcome in pool.map(lambda data: attempt(processes, data), some):
                count(tally, outcome)
    return tally


@dataclass(frozen=True)
class Outcome:
    """How one input ended: an error or none, after so many seconds; ``work``: those of a processor, if it overran."""

    error: PictureError | None
    seconds: float
    work: float | None = None


def attempt(processes: Processes, data: bytes) -> Outcome:
    """Decode one input as the service does; anything but a ``PictureError`` is raised and ends the run."""
    began = time.monotonic()
    error = _error(processes, data)
    seconds = time.monotonic() - began
    return Outcome(error, seconds, _work(data) if isinstance(error, DecoderTooSlow) else None)


def _error(processes: Processes, data: bytes) -> PictureError | None:
    try:
        processes.decode(data, 224)
    except PictureError as found:
        return found
    return None


def _work(data: bytes) -> float:
    """Seconds of a processor that one input takes in a process of its own; infinite where it never ends."""
    alone = Processes(1, LIMITS, MEMORY, PATIENT)
    try:
        alone.decode(files("PNG")[0])
        [pid] = alone.pids
        began = processor_seconds(pid)
        return math.inf if isinstance(_error(alone, data), (*LOST, DecoderTooSlow)) else processor_seconds(pid) - began
    finally:
        alone.close()


def count(tally: Tally, outcome: Outcome) -> None:
    """Add one outcome to a tally."""
    error = outcome.error
    tally.inputs += 1
    tally.decoded += error is None
    tally.past += not (isinstance(error, UnsupportedFormat) or (error is not None and "header" in error.message))
    tally.slowest = max(tally.slowest, outcome.seconds)
    tally.overran += outcome.work is not None
    tally.heavy += outcome.work is not None and outcome.work > SECONDS
    if error is not None:
        tally.codes[error.code] += 1


def peak(pid: int) -> int:
    """Most bytes of memory that a process has held at a time."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


def mutants(kind: str, seed: int) -> Iterator[bytes]:
    """Damaged files of one format, without end."""
    rng = random.Random(f"{kind} {seed}")
    seeds = files(kind)
    while True:
        data = bytearray(rng.choice(seeds))
        # One in six may break the header too; the others keep it.
        first = 0 if rng.random() < 1 / 6 else min(HEADER[kind], len(data) - 2)
        for _ in range(rng.choice((1, 1, 2, 4, 16))):
            rng.choice(MUTATIONS)(rng, data, min(first, len(data) - 2), seeds)
            data = data if len(data) > 20 else bytearray(seeds[0])
        mended = MENDED.get(kind, bytes) if rng.random() < 0.9 else bytes
        yield mended(data)


def _flip(rng: random.Random, data: bytearray, first: int, seeds: list[bytes]) -> None:  # noqa: ARG001
    data[rng.randrange(first, len(data))] ^= 1 << rng.randrange(8)


def _extreme(rng: random.Random, data: bytearray, first: int, seeds: list[bytes]) -> None:  # noqa: ARG001
    place, value = rng.randrange(first, len(data)), rng.choice(EXTREMES)
    data[place : place + len(value)] = value


def _noise(rng: random.Random, data: bytearray, first: int, seeds: list[bytes]) -> None:  # noqa: ARG001
    place = rng.randrange(first, len(data))
    data[place : place + 16] = rng.randbytes(16)


def _cut(rng: random.Random, data: bytearray, first: int, seeds: list[bytes]) -> None:  # noqa: ARG001
    del data[rng.randrange(first + 1, len(data)) :]


def _drop(rng: random.Random, data: bytearray, first: int, seeds: list[bytes]) -> None:  # noqa: ARG001
    place = rng.randrange(first, len(data))
    del data[place : place + rng.randrange(1, 64)]


def _repeat(rng: random.Random, data: bytearray, first: int, seeds: list[bytes]) -> None:  # noqa: ARG001
    place = rng.randrange(first, len(data))
    data[place:place] = data[place : place + rng.randrange(1, 256)]


def _splice(rng: random.Random, data: bytearray, first: int, seeds: list[bytes]) -> None:
    other = rng.choice(seeds)
    place = rng.randrange(first, len(data))
    data[place:] = other[min(place, len(other) - 1) :]


MUTATIONS: tuple[Callable[[random.Random, bytearray, int, list[bytes]], None], ...] = (
    _flip,
    _flip,
    _extreme,
    _extreme,
    _noise,
    _cut,
    _drop,
    _repeat,
    _splice,
)


def _checked(data: bytearray) -> bytes:
    """A PNG whose checksums are right again, so that the damage itself is read."""
    place, out = 8, bytes(data)
    while place + 12 <= len(out):
        size = struct.unpack(">I", out[place : place + 4])[0]
        end = place + 8 + size
        if end + 4 > len(out):
            break
        out = out[:end] + struct.pack(">I", zlib.crc32(out[place + 4 : end])) + out[end + 4 :]
        place = end + 4
    return out


def _sized(data: bytearray) -> bytes:
    """A WebP whose length is right again; a wrong one is refused before anything is read."""
    out = bytes(data)
    if out[12:16] in {b"VP8 ", b"VP8L"}:  # the only chunk of its file
        out = out[:16] + struct.pack("<I", max(len(out) - 20, 0)) + out[20:]
    return out[:4] + struct.pack("<I", len(out) - 8) + out[8:]


MENDED: dict[str, Callable[[bytearray], bytes]] = {"PNG": _checked, "WEBP": _sized}


def files(kind: str) -> list[bytes]:
    """Whole files of a format: one of each sort that its decoder has code for."""
    rng = np.random.default_rng(7)
    ramp = np.add.outer(np.arange(48), np.arange(64))[..., None] * np.array([1, 2, 3])
    colours = Image.fromarray(((ramp + rng.integers(0, 24, (48, 64, 3))) % 256).astype(np.uint8))
    grey, clear = colours.convert("L"), colours.convert("RGBA")
    clear.putalpha(grey)
    deep = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    sorts: dict[str, list[tuple[Image.Image, dict[str, object]]]] = {
        "JPEG": [
            (colours, {"quality": 90}),
            (colours, {"progressive": True, "subsampling": 0}),
            (grey, {"optimize": True}),
            (colours.convert("CMYK"), {}),
            (colours, {"restart_marker_blocks": 2, "exif": _exif()}),
        ],
        "PNG": [(picture, {}) for picture in (colours, grey, clear, deep, colours.quantize(16), grey.convert("1"))],
        "WEBP": [
            (colours, {"quality": 80}),
            (colours, {"lossless": True}),
            (clear, {"quality": 50}),
            (colours, {"save_all": True, "append_images": [clear], "exif": _exif()}),
        ],
        "GIF": [(grey, {}), (colours, {"save_all": True, "append_images": [colours.rotate(90)]}), (clear, {})],
        "BMP": [(picture, {}) for picture in (colours, grey, colours.quantize(16), grey.convert("1"), clear)],
    }
    return [_saved(picture, kind, options) for picture, options in sorts[kind]]


def _exif() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "a description"
    return exif.tobytes()


def _saved(picture: Image.Image, kind: str, options: dict[str, object]) -> bytes:
    out = BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def _row(kind: str, tally: Tally) -> str:
    errors = ", ".join(f"{code} {number:,}" for code, number in sorted(tally.codes.items()))
    share = f"{tally.past / tally.inputs:.0%}"
    cells = (
        kind,
        f"{tally.inputs:,}",
        share,
        f"{tally.decoded:,}",
        errors,
        tally.lost - tally.heavy,
        f"{tally.overran}, {tally.heavy}",
        f"{tally.slowest * 1e3:.0f} ms",
    )
    return f"| {' | '.join(map(str, cells))} |"


if __name__ == "__main__":
    main()
