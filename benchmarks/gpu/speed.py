"""Speed on a GPU: the input pipeline, a training step, embedding, and a search."""

import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from benchmarks.gpu.proofs import pictures, provider_of
from benchmarks.gpu.step import Setting, partly
from benchmarks.service_throughput import drawn, jpeg_of


def pipeline(setting: Setting) -> dict[str, Any]:
    """Pictures a second whose views are made, all decoded before: of DINO (mapped, on the device), and edited pairs.

    The edits of the device are those that a CPU computes in the same way, but for rounding.
    """
    import torch

    from training.data import resident
    from training.data.pack import pack
    from training.views import multi_crop

    device, batch = torch.device(setting.device), setting.pick(4, 128)
    packed = pack(pictures(setting.scratch, setting.pick(8, 256)), setting.scratch / "cache", side=160)
    rows = np.arange(batch) % len(packed)
    recipe = multi_crop.dino_recipe(32, 16, 2) if setting.tiny else multi_crop.dino_recipe()
    held = resident.held(packed, device, free=None if device.type == "cuda" else 1 << 40)
    sources: dict[str, Callable[[], Any]] = {
        "mapped": lambda: [torch.from_numpy(packed.picture(int(row))) for row in rows],
    }
    if held is not None:
        sources["on the device"] = lambda: [resident.picture(held, packed, int(row)) for row in rows]
    rng, found, views = np.random.default_rng(0), {}, {}
    parameters = multi_crop.sample(recipe, packed.sizes[rows], rng)
    for name, source in sources.items():

        def make(source: Callable[[], Any] = source) -> Any:
            made = multi_crop.apply(recipe, source(), parameters, device)
            _wait(device)
            return made

        views[name] = make()
        found[name] = round(batch / _seconds(make, setting.pick(2, 10)), 1)
    if len(views) == 2:
        pairs = zip(views["mapped"], views["on the device"], strict=True)
        assert all(torch.equal(one, other) for one, other in pairs), "views of mapped pictures and of kept ones differ"
    return {"pictures_per_second": found, "edited_pairs": _edited_pairs(setting, packed, held, device)}


def _edited_pairs(setting: Setting, packed: Any, held: Any, device: Any) -> dict[str, float]:
    """Pictures a second that become pairs, by Pillow on one core and in batches; their difference to a CPU's batch."""
    import torch

    from training.views import edited_pairs
    from training.views.batched.pairs import BatchedPairs

    recipe = edited_pairs.EditRecipe(setting.pick(32, 160))
    indices = np.arange(setting.pick(4, 128)) % len(packed)
    seeds = [(0, row) for row in range(len(indices))]
    few = slice(0, 8)
    count = setting.pick(2, 48)
    batched = BatchedPairs(packed, held, device, 0, 1.0, count)
    plain = BatchedPairs(packed, None, torch.device("cpu"), 0, 1.0, count)
    plans = [batched.plan(recipe, int(i), np.random.default_rng(seed)) for i, seed in zip(indices, seeds, strict=True)]
    # Grain comes from a generator of the device.
    same = [row for row in range(len(indices))[few] if not any(view.noise for view in plans[row])]
    one, other = (made.views(recipe, indices[few], seeds[few])[1].cpu()[same] for made in (batched, plain))
    difference = float((one - other).abs().mean())
    assert difference < 0.01, f"edits on {device} differ from a CPU's by {difference} on average"

    def make() -> None:
        batched.views(recipe, indices, seeds)
        _wait(device)

    make()
    pillow = _seconds(lambda: edited_pairs.views(recipe, packed, indices[few], seeds[few]), 1)
    return {
        "pillow_on_one_core": round(len(indices[few]) / pillow, 1),
        "in_batches": round(len(indices) / _seconds(make, setting.pick(1, 10)), 1),
        "difference": difference,
    }


def training(setting: Setting) -> dict[str, Any]:
    """Pictures a second of a DINO step in bf16: our loop, the bare step on the same tensors, and lightly.

    lightly may be missing. It has one loader process for each processor.
    """
    from benchmarks import training_steps
    from training.data.pack import pack
    from training.methods.dino import DinoConfig
    from training.views import multi_crop

    sizes = (32, 16, 2) if setting.tiny else (224, 96, 8)
    backbone, batch = "test_resnet" if setting.tiny else "vit_small_patch16_224", setting.pick(4, 128)
    workers = setting.pick(0, len(os.sched_getaffinity(0)))
    of = training_steps.Setting(backbone, *sizes, batch, "bf16", setting.device, workers)
    config = DinoConfig(prototypes=setting.pick(64, 8192), warmup_epochs=0)
    folder = pictures(setting.scratch, setting.pick(8, 256))
    recipe, packed = multi_crop.dino_recipe(*sizes), pack(folder, setting.scratch / "cache", side=256)
    systems: dict[str, Callable[[], Iterator[None]]] = {
        "ours": lambda: training_steps.loop_steps(training_steps.start_run(of, config, recipe, packed, folder)),
        "bare": lambda: training_steps.bare_steps(training_steps.start_run(of, config, recipe, packed, folder)),
    }
    found: dict[str, Any] = {}
    try:
        from benchmarks.training_lightly import Lightly

        systems["lightly"] = lambda: Lightly(of, config, folder).steps_forever()
    except ModuleNotFoundError as error:
        found["lightly_not_run"] = str(error)
    for name, begin in systems.items():
        found[name] = round(batch / training_steps.seconds_per_step(begin(), setting.pick(1, 10), of.device), 1)
        partly(found)
    ratios = {f"ours_over_{name}": round(found["ours"] / found[name], 2) for name in systems if name != "ours"}
    return {"pictures_per_second": found, **ratios}


def compiled(setting: Setting) -> dict[str, Any]:
    """Pictures a second of a network's forward and backward pass: fp32, bf16, compiled, and with CUDA graphs."""
    import timm
    import torch

    device, batch = torch.device(setting.device), setting.pick(2, 128)
    side = setting.pick(32, 224)
    network = timm.create_model("test_resnet" if setting.tiny else "vit_small_patch16_224", num_classes=0).to(device)
    images = torch.randn(batch, 3, side, side, device=device).to(memory_format=torch.channels_last)
    found: dict[str, float] = {}
    modes = {"fp32": None, "bf16": None, "bf16 default": "default", "bf16 graphs": "reduce-overhead"}
    for name, mode in modes.items():
        if mode is None:
            model: Any = network
        elif setting.tiny:  # torch's compiler takes minutes on a CPU
            model = torch.compile(network, backend="eager")
        else:
            model = torch.compile(network, mode=mode)

        def step(model: Any = model, half: bool = name != "fp32") -> None:
            with torch.autocast(device.type, torch.bfloat16, enabled=half):
                loss = model(images).float().square().mean()
            loss.backward()
            network.zero_grad(set_to_none=True)
            _wait(device)

        for _ in range(setting.pick(1, 3)):  # CUDA graphs are recorded in the second step
            step()
        found[name] = round(batch / _seconds(step, setting.pick(2, 10)), 1)
        partly(found)
    return {"pictures_per_second": found}


def embedding(setting: Setting) -> dict[str, Any]:
    """Pictures a second of the default bundle by batch: the session alone, and with decoding on one thread."""
    from copysight.model import bundle as bundles
    from copysight.model.embedder import Embedder, Runtime
    from copysight.pictures.decode import decode

    embedder = Embedder(bundles.load("default"), Runtime(provider=provider_of(setting)))
    data = [jpeg_of(drawn(seed)) for seed in range(setting.pick(2, 64))]
    inputs = [embedder.prepare(decode(one).pixels) for one in data]
    found = {}
    for batch in (1, 4, 16, 64):
        if batch <= len(data):
            embedder.run(inputs[:batch])
            seconds = _seconds(partial(embedder.run, inputs[:batch]), setting.pick(1, 10))
            found[batch] = round(batch / seconds, 1)
    decoding = _seconds(lambda: [embedder.prepare(decode(one).pixels) for one in data], setting.pick(1, 3))
    return {"pictures_per_second_by_batch": found, "decoded_per_second_and_core": round(len(data) / decoding, 1)}


def search(setting: Setting) -> dict[str, Any]:
    """Milliseconds of a search of an inverted file, and of its build, where a GPU finds the centroids if it can."""
    from benchmarks.mixture import mixture
    from copysight.index.generations.engines.files import faiss_index
    from copysight.index.generations.index_type import default_index_type

    count = setting.pick(4000, 1_000_000)
    data = mixture(count, 256, centres=max(1, count // 50), planted=100)
    choice = default_index_type("ivf_sq8", count)
    began = time.perf_counter()
    index = faiss_index.build(choice, data.vectors)
    built = time.perf_counter() - began
    queries = data.unseen[:100]
    seconds = _seconds(lambda: [faiss_index.candidates(index, choice, one[None], 10, None) for one in queries], 2)
    return {"vectors": count, "build_seconds": round(built, 2), "search_ms": round(seconds / len(queries) * 1e3, 3)}


def _wait(device: Any) -> None:
    import torch

    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _seconds(work: Callable[[], Any], times: int) -> float:
    """The median of some runs."""
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return float(np.median(taken))
