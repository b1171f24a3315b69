"""Fuzz the decoding processes of the service with damaged files of every format.

``python -m benchmarks.decoder_fuzz --inputs 200000`` prints a table with one row per format; ``--formats TIFF,AVIF``
takes only these. Each input is decoded and digested. It fails if an input crashes a process or exceeds its memory or
time limit, or if fewer than half of the inputs of a format get past their header. The same seed makes the same inputs.

The time limit is measured by the clock: an input that exceeds it is stopped and gets an error. The cause may be the
input or a busy machine. A second try measures the CPU time of the same input and decides which.
"""

import importlib
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

from benchmarks.load import cpu_seconds
from copysight.errors import PictureError, UnsupportedFormat
from copysight.pictures.decode import Limits
from copysight.pictures.formats import readers
from copysight.system import processors
from service.http.problems import DecoderCrashed, DecoderOutOfMemory, DecoderTooSlow
from service.intake.decoding import ProcessDecoder

MEMORY = 512 * 2**20
SECONDS = 10.0
LIMITS = Limits(max_pixels=20_000_000, formats=tuple(filter(readers.installed, readers.READERS)))
SECOND_TRY_SECONDS = 120.0
"""Time limit (by the clock) for the second try of an input that exceeded the first limit."""
LOST = (DecoderCrashed, DecoderOutOfMemory)
HEADER = {"JPEG": 160, "PNG": 33, "WEBP": 60, "GIF": 13, "BMP": 54, "TIFF": 8, "AVIF": 330, "HEIC": 420}
"""Bytes at the beginning that most mutations leave unchanged, so that the decoder reads what follows them."""
EXTREMES = (b"\x00", b"\xff", b"\x7f\xff", b"\xff\xff", b"\x00\x00\x00\x00", b"\x7f\xff\xff\xff", b"\xff\xff\xff\xff")


@dataclass
class Tally:
    """Counts of the outcomes of one format.

    ``past``: inputs that got past their header. ``overran``: inputs over the time limit by the clock; ``heavy``: those
    over the limit in CPU time as well.
    """

    inputs: int = 0
    past: int = 0
    decoded: int = 0
    slowest: float = 0.0
    overran: int = 0
    heavy: int = 0
    codes: Counter[str] = field(default_factory=Counter)

    @property
    def lost(self) -> int:
        """Inputs that crashed a process, exceeded its memory, or need more CPU time than the limit."""
        return self.heavy + sum(self.codes[kind.code] for kind in LOST)


@click.command()
@click.option("--inputs", default=10_000, show_default=True, help="Number of damaged files over all formats.")
@click.option("--formats", default=",".join(LIMITS.formats), show_default=True, help="Formats, separated by commas.")
@click.option("--seed", default=0, show_default=True, help="Seed of the mutations.")
@click.option("--workers", default=processors.available(), show_default=True, help="Number of decoding processes.")
def main(inputs: int, formats: str, seed: int, workers: int) -> None:
    """Print a table of outcomes per format. Exits with 1 if an input crashed a process or exceeded its limits."""
    kinds = formats.split(",")
    processes = ProcessDecoder(workers, LIMITS, MEMORY, SECONDS)
    for _ in range(workers):
        processes.decode(files("PNG")[0])  # start the processes before time is measured
    print(
        "| format | inputs | past the header | decoded | errors | crash or out of memory | over time, also in CPU time "
        "| slowest |"
    )
    print("|---|---|---|---|---|---|---|---|")
    tallies = {kind: fuzz(processes, kind, inputs // len(kinds), seed, workers) for kind in kinds}
    for kind, tally in tallies.items():
        print(_row(kind, tally))
    total = sum(tally.inputs for tally in tallies.values())
    past = sum(tally.past for tally in tallies.values()) / total
    least = min(tally.past / tally.inputs for tally in tallies.values())
    lost = sum(tally.lost for tally in tallies.values())
    print(
        f"\n{total:,} inputs with seed {seed}: {past:.0%} past the header, {lost} failures; largest process "
        f"{max(map(peak, processes.pids)) / 2**20:.0f} MiB (limit: an idle process plus {MEMORY / 2**20:.0f} MiB)"
    )
    processes.close()
    if lost or least < 0.5:
        raise SystemExit(1)


def fuzz(processes: ProcessDecoder, kind: str, inputs: int, seed: int, workers: int) -> Tally:
    """Decode ``inputs`` damaged files of one format."""
    tally = Tally()
    damaged = islice(mutants(kind, seed), inputs)
    with ThreadPoolExecutor(workers) as pool:
        while some := list(islice(damaged, 1000)):
            for outcome in pool.map(lambda data: attempt(processes, data), some):
                count(tally, outcome)
    return tally


@dataclass(frozen=True)
class Outcome:
    """Outcome of one input: its error or None, and the seconds by the clock.

    ``work``: seconds of CPU time, only if it exceeded the time limit.
    """

    error: PictureError | None
    seconds: float
    work: float | None = None


def attempt(processes: ProcessDecoder, data: bytes) -> Outcome:
    """Decode one input as the service does. Any error except ``PictureError`` ends the run."""
    began = time.monotonic()
    error = _error(processes, data)
    seconds = time.monotonic() - began
    return Outcome(error, seconds, _work(data) if isinstance(error, DecoderTooSlow) else None)


def _error(processes: ProcessDecoder, data: bytes) -> PictureError | None:
    try:
        processes.decode(data, 224)
        processes.digest(data)
    except PictureError as found:
        return found
    return None


def _work(data: bytes) -> float:
    """Return the CPU seconds of one input in a separate process. Infinite if it fails or does not end."""
    alone = ProcessDecoder(1, LIMITS, MEMORY, SECOND_TRY_SECONDS)
    try:
        alone.decode(files("PNG")[0])
        [pid] = alone.pids
        began = cpu_seconds(pid)
        return math.inf if isinstance(_error(alone, data), (*LOST, DecoderTooSlow)) else cpu_seconds(pid) - began
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
    """Return the peak memory of a process in bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


def mutants(kind: str, seed: int) -> Iterator[bytes]:
    """Yield damaged files of one format without end."""
    rng = random.Random(f"{kind} {seed}")
    seeds = files(kind)
    while True:
        data = bytearray(rng.choice(seeds))
        # One in six may damage the header, too.
        first = 0 if rng.random() < 1 / 6 else min(HEADER[kind], len(data) - 2)
        for _ in range(rng.choice((1, 1, 2, 4, 16))):
            rng.choice(MUTATIONS)(rng, data, min(first, len(data) - 2), seeds)
            data = data if len(data) > 20 else bytearray(seeds[0])
        repair = REPAIRS.get(kind, bytes) if rng.random() < 0.9 else bytes
        yield repair(data)


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


def _repair_checksums(data: bytearray) -> bytes:
    """Correct the checksums of a damaged PNG, so that the decoder reads the damage."""
    place, out = 8, bytes(data)
    while place + 12 <= len(out):
        size = struct.unpack(">I", out[place : place + 4])[0]
        end = place + 8 + size
        if end + 4 > len(out):
            break
        out = out[:end] + struct.pack(">I", zlib.crc32(out[place + 4 : end])) + out[end + 4 :]
        place = end + 4
    return out


def _repair_length(data: bytearray) -> bytes:
    """Correct the length fields of a damaged WebP. The decoder rejects a wrong length before it reads anything."""
    out = bytes(data)
    if out[12:16] in {b"VP8 ", b"VP8L"}:  # the only chunk of the file
        out = out[:16] + struct.pack("<I", max(len(out) - 20, 0)) + out[20:]
    return out[:4] + struct.pack("<I", len(out) - 8) + out[8:]


REPAIRS: dict[str, Callable[[bytearray], bytes]] = {"PNG": _repair_checksums, "WEBP": _repair_length}


def files(kind: str) -> list[bytes]:
    """Return intact files of a format: one of each variant that its decoder supports."""
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
        "TIFF": [
            *[(picture, {}) for picture in (colours, grey, clear, deep, colours.quantize(16))],
            (colours, {"compression": "tiff_lzw"}),
            (colours, {"compression": "tiff_adobe_deflate"}),
            (colours, {"compression": "jpeg"}),
            (colours, {"compression": "packbits"}),
            (grey.convert("1"), {"compression": "group4"}),
            (colours.convert("CMYK"), {"compression": "tiff_lzw", "tiffinfo": {317: 2}}),
            (colours, {"save_all": True, "append_images": [clear], "tiffinfo": {274: 6}}),
        ],
        "AVIF": [
            (colours, {"quality": 80}),
            (colours, {"quality": 100, "subsampling": "4:4:4"}),
            (grey, {"quality": 60}),
            (clear, {"quality": 60}),
            (colours, {"exif": _exif()}),
            (colours, {"save_all": True, "append_images": [colours.rotate(180)]}),
        ],
        "HEIC": [
            (colours, {"quality": 80}),
            (colours, {"quality": 90, "chroma": 444}),
            (grey, {"quality": 60}),
            (clear, {"quality": 60}),
            (colours, {"save_all": True, "append_images": [colours.rotate(180)], "exif": _exif()}),
        ],
    }
    return [_saved(picture, kind, options) for picture, options in sorts[kind]]


def _exif() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "a description"
    return exif.tobytes()


def _saved(picture: Image.Image, kind: str, options: dict[str, object]) -> bytes:
    out = BytesIO()
    if kind == readers.HEIC:
        importlib.import_module("pillow_heif").register_heif_opener()
    picture.save(out, "HEIF" if kind == readers.HEIC else kind, **options)
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
