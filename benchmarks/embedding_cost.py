"""Measure the CPU time of one embedding: each precision of a bundle against ViT-Ti/16 at 224 px in float32.

All run on one core, in turn. If COPYSIGHT_DATA is a folder of pictures, the cost of a whole query is measured as well,
with each effort: finding the query views, preprocessing, and the passes of the model. For the ViT it is the
preprocessing of the picture and one pass.

    python -m benchmarks.embedding_cost [BUNDLE …]
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import mean, median

import numpy as np
from PIL import Image

from copysight.model import bundle as bundles
from copysight.model.embedder import Embedder, Runtime
from copysight.pictures.decode import decode
from copysight.pictures.scan import scan
from copysight.scoring.query_views import EFFORTS, Effort, views_of
from training.export import exportable
from training.export.export import export

ROUNDS, REPEATS, PICTURES = 7, 10, 100


def main() -> None:
    """Print milliseconds of CPU time and the ratio to the ViT."""
    with tempfile.TemporaryDirectory() as scratch:
        vit = export([exportable.load("timm:vit_tiny_patch16_224", size=224, random=True)], Path(scratch) / "vit")
        embedders = {"ViT-Ti/16 224 px fp32": Embedder(vit)}
        for source in sys.argv[1:] or ["default"]:
            bundle = bundles.load(source)
            for variant in bundle.graphs[bundle.embedding.graph].variants:
                embedders[f"{bundle.name} {variant}"] = Embedder(bundle, Runtime(variant=variant))
        times = {name: median(values) for name, values in measure_passes(embedders).items()}
        print_times(times)
        if data := os.environ.get("COPYSIGHT_DATA"):
            print("a query with the default precision, from the decoded picture:")
            print_times(
                measure_queries(
                    embedders["ViT-Ti/16 224 px fp32"], sys.argv[1:] or ["default"], load_sample(Path(data))
                )
            )


def print_times(times: Mapping[str, float]) -> None:
    first = next(iter(times.values()))
    for name, milliseconds in times.items():
        print(f"{name:32} {milliseconds:8.2f} ms  {milliseconds / first:6.3f}")


def load_sample(data: Path) -> list[Image.Image]:
    entries = scan(data).entries
    return [decode(entries[place].read()).pixels for place in np.linspace(0, len(entries) - 1, PICTURES).astype(int)]


def measure_queries(vit: Embedder, sources: Sequence[str], pictures: Sequence[Image.Image]) -> dict[str, float]:
    """Return the mean milliseconds of CPU time per picture: for the ViT, and for each bundle with each effort."""
    embedders = [Embedder(bundle, Runtime(variant=bundle.default_variant)) for bundle in map(bundles.load, sources)]
    tasks: dict[str, Callable[[Image.Image], object]] = {"ViT-Ti/16 224 px fp32": lambda picture: vit.embed([picture])}
    for embedder in embedders:
        for effort in EFFORTS:
            tasks[f"{embedder.bundle.name} {effort}"] = partial(embed_views, embedder, effort)
    times: dict[str, list[float]] = {name: [] for name in tasks}
    for picture in pictures:
        for name, one in tasks.items():
            began = time.process_time()
            one(picture)
            times[name].append((time.process_time() - began) * 1e3)
    return {name: mean(values) for name, values in times.items()}


def embed_views(embedder: Embedder, effort: Effort, picture: Image.Image) -> None:
    for view in views_of(picture, effort):
        embedder.embed([view.pixels])


def measure_passes(embedders: Mapping[str, Embedder]) -> dict[str, list[float]]:
    """Return milliseconds of CPU time of each model, one value per round, without preprocessing."""
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8))
    times: dict[str, list[float]] = {name: [] for name in embedders}
    for _ in range(ROUNDS):
        for name, embedder in embedders.items():
            inputs = [embedder.prepare(picture)]
            embedder.run(inputs)
            began = time.process_time()
            for _ in range(REPEATS):
                embedder.run(inputs)
            times[name].append((time.process_time() - began) / REPEATS * 1e3)
    return times


if __name__ == "__main__":
    main()
