"""Compare the speed of a DINO training step: our loop, lightly, and a bare step on random tensors.

    [COPYSIGHT_DATA=folder] python -m benchmarks.training_speed [--rounds 3] [--steps 6] [--device cpu] [--augmentation]

All use the same network, crops, batch and precision, and are measured in turn. Prints images/s of each in fp32 and
bf16, the time of each stage of our step, and the speed of augmentation alone on one core (decoded picture to all
views). Pictures come from the folder or are drawn, and are first resized to a shortest side of 256 pixels. Our loop
reads them from the packed cache, lightly from the JPEG files.
"""

import argparse
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
import torch
from PIL import Image

from benchmarks import training_lightly
from benchmarks.service_throughput import pictures as load_pictures
from benchmarks.training_lightly import Lightly
from benchmarks.training_steps import Setting, bare_steps, loop_steps, seconds_per_step, stage_seconds, start_run
from copysight.pictures.decode import decode
from copysight.pictures.preprocess import sides
from training.data import pack as packs
from training.data.pack import Pack
from training.methods.dino import DinoConfig
from training.views import multi_crop

SIDE, PICTURES = 256, 192


def main() -> None:
    """Print the speed of augmentation, then the speed and the stages of a step for each precision."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", default="vit_small_patch16_224", help="timm name of the network.")
    parser.add_argument("--global-size", type=int, default=224, help="Size of the 2 global crops. Default: 224.")
    parser.add_argument("--local-size", type=int, default=96, help="Size of the local crops. Default: 96.")
    parser.add_argument("--local-crops", type=int, default=8, help="Number of local crops. Default: 8.")
    parser.add_argument("--batch", type=int, default=16, help="Pictures per step. Default: 16.")
    parser.add_argument("--prototypes", type=int, default=65536, help="Outputs of the head. Default: 65536.")
    parser.add_argument("--precision", nargs="+", default=["fp32", "bf16"], help="Precisions. Default: fp32 bf16.")
    parser.add_argument("--device", default="cpu", help="Torch device. Default: cpu.")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="Torch threads. Default: all CPUs.")
    parser.add_argument(
        "--workers", type=int, default=os.cpu_count() or 1, help="Loader processes of lightly. Default: all CPUs."
    )
    parser.add_argument("--rounds", type=int, default=3, help="Number of rounds. Default: 3.")
    parser.add_argument("--steps", type=int, default=6, help="Steps per measurement. Default: 6.")
    parser.add_argument("--augmentation", action="store_true", help="Only measure augmentation.")
    options = parser.parse_args()
    with TemporaryDirectory() as scratch:
        folder = Path(scratch) / "pictures"
        write_pictures(folder)
        pack = packs.pack(folder, Path(scratch) / "cache", SIDE)
        recipe = multi_crop.dino_recipe(options.global_size, options.local_size, options.local_crops)
        torch.set_num_threads(1)
        augmentation(pack, folder, recipe, options.rounds)
        if options.augmentation:
            return
        torch.set_num_threads(options.threads)
        print(f"{options.backbone}, batch {options.batch}, {options.threads} threads, {options.device}")
        for precision in options.precision:
            setting = Setting(
                options.backbone, options.global_size, options.local_size, options.local_crops, options.batch,
                precision, options.device, options.workers,
            )  # fmt: skip
            compare(setting, DinoConfig(prototypes=options.prototypes, warmup_epochs=0), recipe, pack, folder, options)


def write_pictures(folder: Path) -> None:
    """Write ``PICTURES`` JPEGs with a shortest side of 256 pixels. Pictures are repeated if there are fewer."""
    folder.mkdir()
    given = [decode(content).pixels for content in load_pictures(os.environ.get("COPYSIGHT_DATA"))]
    for number in range(PICTURES):
        picture = given[number % len(given)]
        scale = SIDE / min(picture.size)
        small = picture.resize([max(SIDE, round(length * scale)) for length in picture.size], Image.Resampling.BICUBIC)
        small.save(folder / f"{number:04d}.jpg", quality=90)


def augmentation(pack: Pack, folder: Path, recipe: multi_crop.Recipe, rounds: int) -> None:
    """Print the images per second of CPU time on one core, from decoded pictures to all views."""
    indices = np.arange(32)
    decoded = [Image.open(file).convert("RGB") for file in sorted(folder.iterdir())[:32]]
    sizes = [max(sides(crops.size)) for crops in recipe.crops]
    transform = training_lightly.transform(sizes[0], sizes[-1], recipe.views - 2)
    rng = np.random.default_rng(0)

    def our_views() -> None:
        parameters = multi_crop.sample(recipe, pack.sizes[indices], rng)
        pictures = [torch.from_numpy(pack.picture(int(n))) for n in indices]
        multi_crop.apply(recipe, pictures, parameters, torch.device("cpu"))

    def lightly_views() -> None:
        for picture in decoded:
            transform(picture)

    rates: dict[str, list[float]] = {"ours": [], "lightly": []}
    for number in range(rounds + 1):
        for name, work in (("ours", our_views), ("lightly", lightly_views)):
            rate = len(indices) / seconds(work)
            if number:  # round 0 is a warm-up
                rates[name].append(rate)
    print(f"augmentation alone, 1 core, {' + '.join(f'{len(c.blur)} x {c.size}' for c in recipe.crops)}")
    report(rates, "lightly")


def compare(
    setting: Setting,
    config: DinoConfig,
    recipe: multi_crop.Recipe,
    pack: Pack,
    folder: Path,
    options: argparse.Namespace,
) -> None:
    """Print the images/s of our loop, lightly and the bare step, and the time of each stage of our step."""
    ours = start_run(setting, config, recipe, pack, folder)
    bare = start_run(setting, config, recipe, pack, folder)
    lightly = Lightly(setting, config, folder)
    systems: dict[str, Callable[[], Iterator[None]]] = {
        "ours": lambda: loop_steps(ours),
        "bare": lambda: bare_steps(bare),
        "lightly": lightly.steps_forever,
    }
    rates: dict[str, list[float]] = {name: [] for name in systems}
    for _ in range(options.rounds):
        for name, begin in systems.items():
            rates[name].append(setting.batch / seconds_per_step(begin(), options.steps, setting.device))
    print(f"{setting.precision}: images/s, median [min, max] of {options.rounds} rounds of {options.steps} steps")
    report(rates, "bare")
    stages = [stage_seconds(bare, step) for step in range(options.steps)]
    total = sum(median(row[name] for row in stages) for name in stages[0])
    for name in stages[0]:
        value = median(row[name] for row in stages)
        print(f"  {name:28} {value * 1000:8.1f} ms  {value / total:6.1%}")


def seconds(work: Callable[[], None]) -> float:
    """Return the CPU seconds of work in one thread."""
    start = time.process_time()
    work()
    return time.process_time() - start


def report(rates: dict[str, list[float]], to: str) -> None:
    """Print one line per system: median, minimum, maximum, and the median ratio per round to the system ``to``."""
    for name, values in rates.items():
        ratio = median(value / other for value, other in zip(values, rates[to], strict=True))
        print(f"  {name:8} {median(values):8.2f} [{min(values):.2f}, {max(values):.2f}] images/s, {ratio:5.2f} x {to}")


if __name__ == "__main__":
    main()
