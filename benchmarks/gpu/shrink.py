"""Write small copies of pictures into one tar file of at most some megabytes, to bring them to a GPU.

python -m benchmarks.gpu.shrink SOURCE TARGET.tar [--side 160] [--quality 60] [--mb 10]

SOURCE is what `copysight train` takes. Pictures are chosen at random; their shortest side becomes SIDE pixels, as WebP.
"""

import argparse
import tarfile
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from copysight.pictures.scan import ORDINARY, Failure, scan


def main() -> None:
    """Write the file and say how many pictures it holds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="Folder tree, tar file or list.")
    parser.add_argument("target", type=Path, help="Tar file to write.")
    parser.add_argument("--side", type=int, default=160, help="Shortest side in pixels. Default: 160.")
    parser.add_argument("--quality", type=int, default=60, help="Quality of WebP. Default: 60.")
    parser.add_argument("--mb", type=float, default=10.0, help="Largest size of the file. Default: 10.")
    options = parser.parse_args()
    count = shrink(options.source, options.target, options.side, options.quality, int(options.mb * 1e6))
    print(f"{count} pictures, {options.target.stat().st_size / 1e6:.1f} MB")


def shrink(source: Path, target: Path, side: int, quality: int, most: int) -> int:
    """Write pictures until the file would have more than ``most`` bytes. Returns their number."""
    entries, count = scan(source, ORDINARY).entries, 0
    with tarfile.open(target, "w") as tar:
        for number in np.random.default_rng(0).permutation(len(entries)).tolist():
            found = entries[number].decode(ORDINARY.limits, at_least=side)
            if isinstance(found, Failure):
                continue
            content = _small(found.pixels, side, quality)
            # A header and padding to blocks of 512 bytes, and the end of the file, 10,240 bytes at most.
            if tar.offset + 1024 + len(content) + tarfile.RECORDSIZE > most:
                return count
            entry = tarfile.TarInfo(f"{count:06}.webp")
            entry.size = len(content)
            tar.addfile(entry, BytesIO(content))
            count += 1
    return count


def _small(picture: Image.Image, side: int, quality: int) -> bytes:
    scale = min(1.0, side / min(picture.size))
    width, height = (max(1, round(length * scale)) for length in picture.size)
    out = BytesIO()
    picture.resize((width, height), Image.Resampling.BICUBIC).save(out, "WEBP", quality=quality, method=4)
    return out.getvalue()


if __name__ == "__main__":
    main()
