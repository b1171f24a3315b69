"""Mutated files of every format give a picture or a PictureError, within limits of time and memory."""

import resource
import time
import warnings

import numpy as np
import pytest
from PIL import Image

from copysight.errors import CorruptPicture, EmptyPicture, PictureError, UnsupportedFormat
from copysight.pictures.decode import Limits, decode
from copysight.pictures.exact import digest
from tests.conftest import drawn_picture, encoded

KINDS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
LIMITS = Limits(max_bytes=2**20, max_pixels=1_000_000)
SECONDS = 2.0


def seeds(kind: str) -> list[bytes]:
    """Files to mutate: colour and grey, several sizes, progressive, palette, animated."""
    pictures = [drawn_picture(seed, (48 + 16 * seed, 40)) for seed in range(3)]
    files = [encoded(picture, kind) for picture in pictures]
    files.append(encoded(pictures[0].convert("L"), kind))
    if kind == "JPEG":
        exif = Image.Exif()
        exif[0x0112] = 6
        files += [encoded(pictures[1], kind, progressive=True), encoded(pictures[2], kind, exif=exif)]
    if kind in {"GIF", "WEBP", "PNG"}:
        files.append(encoded(pictures[0], kind, save_all=True, append_images=[pictures[0].rotate(180)]))
    if kind in {"PNG", "GIF"}:
        files.append(encoded(pictures[0].convert("P"), kind, transparency=3))
    return files


def mutate(data: bytes, rng: np.random.Generator) -> bytes:
    """Flip bits; overwrite, duplicate or remove bytes; cut the end. The first bytes mostly stay, so decoding starts."""
    out = bytearray(data)
    first = 0 if rng.random() < 0.1 else min(24, len(out) // 4)
    for _ in range(int(rng.integers(1, 8))):
        at = int(rng.integers(first, max(len(out), first + 1)))
        length = int(rng.integers(1, 32))
        match int(rng.integers(0, 6)):
            case 0 | 1:
                if at < len(out):
                    out[at] ^= 1 << int(rng.integers(0, 8))
            case 2:
                out[at : at + length] = rng.integers(0, 256, length, dtype=np.uint8).tobytes()
            case 3:
                out[at:at] = out[at : at + length]
            case 4:
                del out[at : at + length]
            case _:
                if rng.random() < 0.3:
                    del out[max(at, len(out) // 2) :]
    return bytes(out)


def fuzz(count: int, seed: int) -> float:
    """Decode ``count`` mutated files; return the share whose header could be read."""
    rng = np.random.default_rng(seed)
    files = [file for kind in KINDS for file in seeds(kind)]
    header_read = 0
    for number in range(count):
        data = mutate(files[number % len(files)], rng)
        started = time.process_time()
        try:
            picture = decode(data, LIMITS, at_least=16 if number % 2 else None)
            assert picture.pixels.mode == "RGB"
            digest(data, LIMITS)
            header_read += 1
        except (UnsupportedFormat, EmptyPicture):
            pass
        except CorruptPicture as error:
            header_read += "header" not in error.message
        except PictureError:
            header_read += 1
        assert time.process_time() - started < SECONDS, f"file {number} of seed {seed} took too long"
    return header_read / count


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.filterwarnings("ignore")
def test_mutated_files(seed):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    share = fuzz(2_000, seed)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(f"{share:.0%} of 2,000 mutated files had a readable header; memory grew by {grown // 1024} MiB")
    assert share >= 0.5
    assert grown < 200 * 1024


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 110))
def test_mutated_files_long(seed):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert fuzz(20_000, seed) >= 0.5
