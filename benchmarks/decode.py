"""A JPEG's bytes to the network's input: the plain way of Pillow, ours, and simplejpeg where it is installed.

    OMP_NUM_THREADS=1 python -m benchmarks.decode [--rounds 5] [--bundle default]

Milliseconds of processor time, in turns, median; in brackets least and most. The plain way decodes every pixel, resizes
and normalises; its tensor's embedding is what the cosine compares with (the least of all pictures). Pictures come from
COPYSIGHT_DATA (a folder) or are drawn, are brought to the size in question and given the grain of a camera.
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

from benchmarks.service_throughput import pictures, processor
from copysight.model import bundle as bundles
from copysight.model.bundle import Bundle
from copysight.model.embedder import Embedder
from copysight.pictures.decode import decode
from copysight.pictures.preprocess import RESAMPLING, Preprocess, crop_box, to_tensor

Float = npt.NDArray[np.float32]
SIZES = {"12 MP": (4000, 3000), "1 MP": (1152, 864), "500 px": (500, 375)}
PICTURES, QUALITY = 6, 88


def main() -> None:
    """Print a line a way and size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--bundle", default="default")
    options = parser.parse_args()
    bundle, data = bundles.load(options.bundle), pictures(os.environ.get("COPYSIGHT_DATA"))[:PICTURES]
    print(
        f"{processor()}; {bundle.name}: ms of processor a picture, its share of the plain way's, least cosine to that"
    )
    for name, size in SIZES.items():
        show(name, [grown(one, size, seed) for seed, one in enumerate(data)], bundle, options.rounds)


def grown(data: bytes, size: tuple[int, int], seed: int) -> bytes:
    """The picture as a JPEG of ``size``, with grain."""
    large = decode(data).pixels.resize(size, Image.Resampling.LANCZOS)
    grain = np.random.default_rng(seed).integers(-3, 4, (size[1], size[0], 1))
    out = BytesIO()
    Image.fromarray((np.asarray(large) + grain).clip(0, 255).astype(np.uint8)).save(out, "JPEG", quality=QUALITY)
    return out.getvalue()


def ways(bundle: Bundle) -> dict[str, Callable[[bytes], Float]]:
    """Bytes to (3, S, S)."""
    preprocess = bundle.graphs[bundle.embedding.graph].preprocess

    def ours(data: bytes) -> Float:
        return to_tensor(decode(data, at_least=bundle.at_least).pixels, preprocess)

    found: dict[str, Callable[[bytes], Float]] = {
        "plain Pillow": lambda data: plain(data, preprocess),
        "ours, every pixel": lambda data: to_tensor(decode(data).pixels, preprocess),
        "ours": ours,
    }
    if importlib.util.find_spec("simplejpeg"):
        found["simplejpeg"] = lambda data: to_tensor(_scaled(data, bundle.at_least), preprocess)
    return found


def plain(data: bytes, preprocess: Preprocess) -> Float:
    """What one writes first: decode all, resize what the network sees, divide, subtract, divide, transpose."""
    picture = Image.open(BytesIO(data)).convert("RGB")
    side, box = preprocess.size, crop_box(picture.width, picture.height, preprocess)
    square = picture.resize((side, side), RESAMPLING[preprocess.interpolation], box=box)
    pixels = np.asarray(square).astype(np.float32) / np.float32(255)
    normalised = (pixels - np.asarray(preprocess.mean, np.float32)) / np.asarray(preprocess.std, np.float32)
    return np.ascontiguousarray(normalised.transpose(2, 0, 1))


def _scaled(data: bytes, least: int) -> Image.Image:
    simplejpeg = importlib.import_module("simplejpeg")  # not among the dependencies
    return Image.fromarray(simplejpeg.decode_jpeg(data, colorspace="RGB", min_height=least, min_width=least))


def show(name: str, data: Sequence[bytes], bundle: Bundle, rounds: int) -> None:
    """One size."""
    embedder, graph = Embedder(bundle), bundle.embedding.graph
    times: dict[str, list[float]] = {way: [] for way in ways(bundle)}
    tensors: dict[str, list[Float]] = {}
    for _ in range(rounds):
        for way, work in ways(bundle).items():
            began = time.thread_time()
            tensors[way] = [work(one) for one in data]
            times[way].append((time.thread_time() - began) / len(data) * 1e3)
    base = embedder.run([{graph: one} for one in tensors["plain Pillow"]]).embedding
    print(f"{name} ({np.mean([*map(len, data)]) / 1e3:.0f} KB)")
    for way, spent in times.items():
        vectors = embedder.run([{graph: one} for one in tensors[way]]).embedding
        cosine = float((np.asarray(vectors) * np.asarray(base)).sum(axis=1).min())
        share = median(one / other for one, other in zip(spent, times["plain Pillow"], strict=True))
        spread = f"{median(spent):7.2f} ({min(spent):.2f}–{max(spent):.2f})"
        print(f"  {way:18} {spread:>24} {share:7.3f} = 1/{1 / share:.1f} {cosine:9.5f}", flush=True)


if __name__ == "__main__":
    main()
