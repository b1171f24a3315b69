"""CPU time of one embedding: a bundle's precisions against ViT-Ti/16 at 224 px in float32, one core, in turns.

python -m benchmarks.embedding_cost [BUNDLE …]
"""

import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image

from copysight import bundle as bundles
from copysight.embedder import Embedder, Runtime
from training import networks
from training.export import export

ROUNDS, REPEATS = 7, 10


def main() -> None:
    """Print milliseconds of processor time, and the ratio to the ViT."""
    with tempfile.TemporaryDirectory() as scratch:
        vit = export([networks.load("timm:vit_tiny_patch16_224", size=224, random=True)], Path(scratch) / "vit")
        embedders = {"ViT-Ti/16 224 px fp32": Embedder(vit)}
        for source in sys.argv[1:] or ["default"]:
            bundle = bundles.load(source)
            for variant in bundle.graphs[bundle.embedding.graph].variants:
                embedders[f"{bundle.name} {variant}"] = Embedder(bundle, Runtime(variant=variant))
        times = {name: median(values) for name, values in measured(embedders).items()}
    first = next(iter(times.values()))
    for name, milliseconds in times.items():
        print(f"{name:32} {milliseconds:8.2f} ms  {milliseconds / first:6.3f}")


def measured(embedders: Mapping[str, Embedder]) -> dict[str, list[float]]:
    """Milliseconds of processor time for each, a value a round; the picture is prepared beforehand."""
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
