"""Time decoding and preprocessing of JPEG files: plain Pillow, Copysight, and simplejpeg if it is installed.

    OMP_NUM_THREADS=1 python -m benchmarks.decode [--rounds 5] [--bundle default]

Times are milliseconds of CPU time: the median of all rounds, with the minimum and maximum in brackets. The methods are
measured in turn. Plain Pillow decodes every pixel, resizes and normalises. The cosine compares the embedding of each
method with that of plain Pillow; the smallest over all pictures is printed. Pictures come from COPYSIGHT_DATA (a
folder) or are drawn. They are resized to each tested size, and noise like that of a camera is added.
"""

import argparse
import importlib
import importlib.util
import os
import time
from collections.abc import Callable, Sequence
from io import BytesIO
from statistics import median

import numpy as np
import numpy.typing as npt
from PIL import Image

from benchmarks.service_throughput import pictures, processor_name
from copysight.model import bundle as bundles
from copysight.model.bundle import Bundle
from copysight.model.embedder import Embedder
from copysight.pictures.decode import decode
from copysight.pictures.preprocess import RESAMPLING, Preprocess, crop_box, to_tensor

Float = npt.NDArray[np.float32]
SIZES = {"12 MP": (4000, 3000), "1 MP": (1152, 864), "500 px": (500, 375)}
PICTURES, QUALITY = 6, 88


def main() -> None:
    """Print one line per method and size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="Rounds per size. Default: 5.")
    parser.add_argument("--bundle", default="default", help="Bundle whose preprocessing is used. Default: default.")
    options = parser.parse_args()
    bundle, data = bundles.load(options.bundle), pictures(os.environ.get("COPYSIGHT_DATA"))[:PICTURES]
    print(
        f"{processor_name()}; {bundle.name}: CPU ms per picture, ratio to plain Pillow, smallest cosine to plain Pillow"
    )
    for name, size in SIZES.items():
        print_size(name, [resize_with_grain(one, size, seed) for seed, one in enumerate(data)], bundle, options.rounds)


def resize_with_grain(data: bytes, size: tuple[int, int], seed: int) -> bytes:
    """Return the picture as a JPEG of ``size`` with noise."""
    large = decode(data).pixels.resize(size, Image.Resampling.LANCZOS)
    grain = np.random.default_rng(seed).integers(-3, 4, (size[1], size[0], 1))
    out = BytesIO()
    Image.fromarray((np.asarray(large) + grain).clip(0, 255).astype(np.uint8)).save(out, "JPEG", quality=QUALITY)
    return out.getvalue()


def methods(bundle: Bundle) -> dict[str, Callable[[bytes], Float]]:
    """Return the methods by name. Each maps JPEG bytes to a tensor (3, S, S)."""
    preprocess = bundle.graphs[bundle.embedding.graph].preprocess

    def decode_reduced(data: bytes) -> Float:
        return to_tensor(decode(data, at_least=bundle.at_least).pixels, preprocess)

    found: dict[str, Callable[[bytes], Float]] = {
        "plain Pillow": lambda data: plain_pillow(data, preprocess),
        "Copysight, every pixel": lambda data: to_tensor(decode(data).pixels, preprocess),
        "Copysight": decode_reduced,
    }
    if importlib.util.find_spec("simplejpeg"):
        found["simplejpeg"] = lambda data: to_tensor(_scaled(data, bundle.at_least), preprocess)
    return found


def plain_pillow(data: bytes, preprocess: Preprocess) -> Float:
    """Decode and preprocess in the simplest way: decode every pixel, crop and resize, normalise, transpose."""
    picture = Image.open(BytesIO(data)).convert("RGB")
    box = crop_box(picture.width, picture.height, preprocess)
    square = picture.resize((preprocess.width, preprocess.height), RESAMPLING[preprocess.interpolation], box=box)
    pixels = np.asarray(square).astype(np.float32) / np.float32(255)
    normalised = (pixels - np.asarray(preprocess.mean, np.float32)) / np.asarray(preprocess.std, np.float32)
    return np.ascontiguousarray(normalised.transpose(2, 0, 1))


def _scaled(data: bytes, least: int) -> Image.Image:
    simplejpeg = importlib.import_module("simplejpeg")  # not a dependency of the project
    return Image.fromarray(simplejpeg.decode_jpeg(data, colorspace="RGB", min_height=least, min_width=least))


def print_size(name: str, data: Sequence[bytes], bundle: Bundle, rounds: int) -> None:
    """Measure all methods at one size and print their lines."""
    embedder, graph = Embedder(bundle), bundle.embedding.graph
    times: dict[str, list[float]] = {method: [] for method in methods(bundle)}
    tensors: dict[str, list[Float]] = {}
    for _ in range(rounds):
        for method, work in methods(bundle).items():
            began = time.thread_time()
            tensors[method] = [work(one) for one in data]
            times[method].append((time.thread_time() - began) / len(data) * 1e3)
    base = embedder.run([{graph: one} for one in tensors["plain Pillow"]]).embedding
    print(f"{name} ({np.mean([*map(len, data)]) / 1e3:.0f} KB)")
    for method, spent in times.items():
        vectors = embedder.run([{graph: one} for one in tensors[method]]).embedding
        cosine = float((np.asarray(vectors) * np.asarray(base)).sum(axis=1).min())
        share = median(one / other for one, other in zip(spent, times["plain Pillow"], strict=True))
        spread = f"{median(spent):7.2f} ({min(spent):.2f}–{max(spent):.2f})"
        print(f"  {method:22} {spread:>24} {share:7.3f} = 1/{1 / share:.1f} {cosine:9.5f}", flush=True)


if __name__ == "__main__":
    main()
