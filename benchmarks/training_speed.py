"""The same DINO step three ways, in turns: through our loop, through lightly, and bare on random tensors.

    [COPYSIGHT_DATA=folder] python -m benchmarks.training_speed [--rounds 3] [--steps 6] [--device cpu] [--augmentation]

Same network, crops, batch and precision; images/s of each in fp32 and bf16, the time of each stage of our step, and
augmentation alone on one core (decoded picture to all views). Pictures, of the folder or drawn, are brought to a
shortest side of 256 pixels beforehand for both; ours come from the packed cache, lightly's from those JPEG files.
"""

import argparse
import os
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from benchmarks import training_lightly
from benchmarks.service_throughput import pictures as some
from benchmarks.training_lightly import Lightly, Setting
from copysight.pictures.decode import decode
from training.data import pack as packs
from training.data.pack import Pack
from training.methods.dino import Dino, DinoConfig
from training.methods.method import Outcome
from training.optim import parameter_groups
from training.run import loop
from training.run.collapse_guard import Watch
from training.run.plan import Plan
from training.run.run import Run
from training.run.training_log import Journal, Meter
from training.views import multi_crop

SIDE, PICTURES, WARM = 256, 192, 2


def main() -> None:
    """Print augmentation alone, then a table and the stages of a step for each precision."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", default="vit_small_patch16_224")
    parser.add_argument("--global-size", type=int, default=224)
    parser.add_argument("--local-size", type=int, default=96)
    parser.add_argument("--local-crops", type=int, default=8)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--prototypes", type=int, default=65536)
    parser.add_argument("--precision", nargs="+", default=["fp32", "bf16"])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="loader processes of lightly")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--augmentation", action="store_true", help="augmentation alone, no steps")
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
    """``PICTURES`` JPEGs with a shortest side of 256 pixels, some of them several times."""
    folder.mkdir()
    given = [decode(content).pixels for content in some(os.environ.get("COPYSIGHT_DATA"))]
    for number in range(PICTURES):
        picture = given[number % len(given)]
        scale = SIDE / min(picture.size)
        small = picture.resize([max(SIDE, round(length * scale)) for length in picture.size], Image.Resampling.BICUBIC)
        small.save(folder / f"{number:04d}.jpg", quality=90)


def augmentation(pack: Pack, folder: Path, recipe: multi_crop.Recipe, rounds: int) -> None:
    """Images a second of one core's time, from decoded pictures to all views."""
    numbers = np.arange(32)
    decoded = [Image.open(file).convert("RGB") for file in sorted(folder.iterdir())[:32]]
    sizes = [crops.size for crops in recipe.crops]
    transform = training_lightly.transform(sizes[0], sizes[-1], recipe.views - 2)
    rng = np.random.default_rng(0)

    def ours() -> None:
        drawn = multi_crop.draw(recipe, pack.sizes[numbers], rng)
        multi_crop.apply(recipe, [torch.from_numpy(pack.picture(int(n))) for n in numbers], drawn, torch.device("cpu"))

    def theirs() -> None:
        for picture in decoded:
            transform(picture)

    rates: dict[str, list[float]] = {"ours": [], "lightly": []}
    for turn in range(rounds + 1):
        for name, work in (("ours", ours), ("lightly", theirs)):
            rate = len(numbers) / seconds(work)
            if turn:
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
    """Images/s of ours, lightly and the bare step, and where our step's time goes."""
    ours = start_run(setting, config, recipe, pack, folder)
    bare = start_run(setting, config, recipe, pack, folder)
    lightly = Lightly(setting, config, folder)
    ways: dict[str, Callable[[], Iterator[None]]] = {
        "ours": lambda: through_loop(ours),
        "bare": lambda: on_random(bare),
        "lightly": lightly.turn,
    }
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(options.rounds):
        for name, begin in ways.items():
            rates[name].append(setting.batch / seconds_per_step(begin(), options.steps, setting.device))
    print(f"{setting.precision}: images/s, median [least, most] of {options.rounds} rounds of {options.steps} steps")
    report(rates, "bare")
    stages = [staged(bare, step) for step in range(options.steps)]
    total = sum(median(row[name] for row in stages) for name in stages[0])
    for name in stages[0]:
        value = median(row[name] for row in stages)
        print(f"  {name:28} {value * 1000:8.1f} ms  {value / total:6.1%}")


def start_run(setting: Setting, config: DinoConfig, recipe: multi_crop.Recipe, pack: Pack, folder: Path) -> Run:
    """Our training at its first step, told that it goes on for long."""
    plan = Plan(
        backbone=setting.backbone, image_size=setting.global_size, epochs=1000, batch=setting.batch,
        precision=setting.precision, device=setting.device,
    )  # fmt: skip
    torch.manual_seed(0)
    method = Dino(config, setting.backbone, setting.global_size, recipe)
    return Run(method, plan, pack, [], folder.parent, Journal(None, print))


def through_loop(run: Run) -> Iterator[None]:
    """Our loop's steps, with all that it does in a training but probes and checkpoints."""
    meter, watch = Meter(), Watch(run.plan.collapse_steps)
    while True:
        loop.step(run, run.method, meter, watch)
        yield


def on_random(run: Run) -> Iterator[None]:
    """The bare step: the same tensors again and again, no data, no figures."""
    crops, numbers = random_views(run)
    run.optimizer.param_groups[0]["lr"] = 1e-4
    while True:
        run.method.begin_step(run.moment)
        run.optimizer.zero_grad(set_to_none=True)
        forward(run, crops, numbers).loss.backward()  # type: ignore[no-untyped-call]
        parameter_groups.clip(run.method.parameters(), run.plan.clip)
        run.optimizer.step()
        run.method.after_update(run.moment)
        yield


def staged(run: Run, step: int) -> dict[str, float]:
    """Seconds of each stage of our step, one after the other: views are not made ahead."""
    begun = [now(run.plan.device)]

    def lap() -> float:
        begun.append(now(run.plan.device))
        return begun[-1] - begun[-2]

    run.optimizer.zero_grad(set_to_none=True)
    run.method.begin_step(run.moment)
    views = run.feed.views(step)
    times = {"views (hidden by prefetch)": lap()}
    outcome = forward(run, views.crops, views.numbers)
    times["forward, student and teacher"] = lap()
    outcome.loss.backward()  # type: ignore[no-untyped-call]
    times["backward"] = lap()
    parameter_groups.clip(run.method.parameters(), run.plan.clip)
    times["clip"] = lap()
    run.optimizer.step()
    times["optimiser"] = lap()
    run.method.after_update(run.moment)
    times["teacher and centre"] = lap()
    return times


def forward(run: Run, crops: Sequence[Tensor], numbers: Tensor) -> Outcome:
    with run.plan.autocast():
        outcome: Outcome = run.method(crops, numbers)
    return outcome


def random_views(run: Run) -> tuple[list[Tensor], Tensor]:
    """Tensors of the shapes and layout of a batch's views."""
    views = run.feed.views(0)
    return [torch.randn_like(crop) for crop in views.crops], views.numbers


def seconds_per_step(turn: Iterator[None], steps: int, device: str) -> float:
    """Of steps in a row, after some that fill queues and caches."""
    for _ in islice(turn, WARM):
        pass
    start = now(device)
    for _ in islice(turn, steps):
        pass
    return (now(device) - start) / steps


def seconds(work: Callable[[], None]) -> float:
    """Of processor time: one thread does the work."""
    start = time.process_time()
    work()
    return time.process_time() - start


def now(device: str) -> float:
    """The time once the device has done what it was given."""
    if device.startswith("cuda"):
        torch.cuda.synchronize()
    return time.perf_counter()


def report(rates: dict[str, list[float]], to: str) -> None:
    """A line a way: median, least, most, and the median of the rounds' ratios to one of them."""
    for name, values in rates.items():
        ratio = median(value / other for value, other in zip(values, rates[to], strict=True))
        print(f"  {name:8} {median(values):8.2f} [{min(values):.2f}, {max(values):.2f}] images/s, {ratio:5.2f} x {to}")


if __name__ == "__main__":
    main()
