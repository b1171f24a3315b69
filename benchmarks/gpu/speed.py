"""Speed on a GPU: the input pipeline, a training step, embedding, and a search."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from benchmarks.gpu.proofs import pictures, provider_of
from benchmarks.gpu.step import Setting
from benchmarks.service_throughput import drawn, jpeg_of


def pipeline(setting: Setting) -> dict[str, Any]:
    """Views a second of DINO from pictures that are decoded already: mapped from the pack's file, and on the device."""
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
    return {"pictures_per_second": found}


def training(setting: Setting) -> dict[str, Any]:
    """Pictures a second of a network's forward and backward pass alone, in each precision, plain and compiled."""
    import timm
    import torch

    device, batch = torch.device(setting.device), setting.pick(2, 128)
    side = setting.pick(32, 224)
    network = timm.create_model("test_resnet" if setting.tiny else "vit_small_patch16_224", num_classes=0).to(device)
    images = torch.randn(batch, 3, side, side, device=device).to(memory_format=torch.channels_last)
    found = {}
    for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        for compiled in (False,) if setting.tiny else (False, True):
            model = torch.compile(network) if compiled else network

            def step(model: Any = model, dtype: Any = dtype) -> None:
                with torch.autocast(device.type, torch.bfloat16, enabled=dtype is torch.bfloat16):
                    loss = model(images).float().square().mean()
                loss.backward()
                network.zero_grad(set_to_none=True)
                _wait(device)

            step()
            rate = batch / _seconds(step, setting.pick(2, 10))
            found[name + (" compiled" if compiled else "")] = round(rate, 1)
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
    from copysight.index.generations import faiss_index
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
