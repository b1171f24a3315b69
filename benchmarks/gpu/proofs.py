"""Proofs: what a GPU computes is what a CPU computes, for trainings, exports, the service and FAISS."""

import json
import sys
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from benchmarks.gpu.step import NotRun, Setting
from benchmarks.service_throughput import drawn, jpeg_of, run_server

SMALL = (
    "--backbone", "test_resnet", "--global-size", "32", "--batch", "8", "--epochs", "1", "--log-seconds", "0",
    "--threads", "1",
)  # fmt: skip
CROPS = ("--local-crops", "2", "--local-size", "16", "--warmup-epochs", "0")
ON_CPU = ("--edits", "cpu", "--warmup", "0", "--first-size", "32")
"""Edits by Pillow, so that all devices train on the same views."""
METHODS = {
    "dino": (*CROPS, "--prototypes", "64", "--warmup-teacher-epochs", "0"),
    "swav": (*CROPS, "--prototypes", "16"),
    "deepcluster": (*CROPS, "--prototypes", "8"),
    "deepcluster-v1": ("--clusters", "4", "--pca", "8"),
    "copy": ON_CPU,
    "distil": (*ON_CPU, "--teacher", "default"),
}
FP32, BF16 = 0.02, 0.1
"""Largest relative difference of a loss to the CPU's: views on a GPU are not rounded to 8 bits."""


def parity(setting: Setting) -> dict[str, Any]:
    """The losses of the first steps of each method, on the device in fp32 and bf16, and on a CPU in fp32."""
    folder, found = pictures(setting.scratch, 16), {}
    for method, options in METHODS.items():
        base = losses(setting, method, folder, options, "cpu", "fp32", "base")
        for precision, most in (("fp32", FP32), ("bf16", BF16)):
            got = losses(setting, method, folder, options, setting.device, precision)
            difference = max(abs(one - other) / abs(other) for one, other in zip(got, base, strict=True))
            found[f"{method} {precision}"] = round(difference, 4)
            assert difference <= most, f"{method} {precision}: losses {got} differ from the CPU's {base}"
    return {"relative_differences": found}


def resume(setting: Setting) -> dict[str, Any]:
    """A training that goes on from its checkpoint on the device ends with nearly the loss of one that never stopped."""
    folder, options = pictures(setting.scratch, 16), METHODS["dino"]
    whole = losses(setting, "dino", folder, (*options, "--epochs", "2"), setting.device, "fp32")
    out = setting.scratch / "resumed"
    first = ("dino", str(folder), "--out", str(out), *SMALL, *options, "--device", setting.device)
    copysight("train", *first)
    copysight("train", *first, "--epochs", "2", "--extend")
    last = read_losses(out)[-1]
    # Not equal: the learning rate of the first epoch knew nothing of a second one.
    assert abs(last - whole[-1]) <= 0.02 * whole[-1], (
        f"the resumed training ends with {last}, the other with {whole[-1]}"
    )
    return {"uninterrupted": whole[-1], "resumed": last}


def nccl(setting: Setting) -> dict[str, Any]:
    """A process group of one (NCCL on a GPU, gloo on a CPU): its gradients are those of the network alone.

    A training joins a group from two processes on, so this calls what it would use.
    """
    import timm
    import torch
    import torch.distributed as dist
    from torch.nn.parallel import DistributedDataParallel

    backend = "nccl" if setting.provider == "cuda" else "gloo"
    dist.init_process_group(backend, init_method=f"file://{setting.scratch / 'group'}", rank=0, world_size=1)
    torch.manual_seed(0)
    network = timm.create_model("test_resnet", num_classes=8).to(setting.device)
    images, gradients = torch.randn(4, 3, 32, 32, device=setting.device), []
    for model in (network, DistributedDataParallel(network)):
        network.zero_grad(set_to_none=True)
        model(images).square().mean().backward()
        gradients.append(torch.cat([one.grad.flatten() for one in network.parameters() if one.grad is not None]))
    dist.destroy_process_group()
    difference = float((gradients[0] - gradients[1]).abs().max())
    assert difference <= 1e-4 * float(gradients[0].abs().max()), f"gradients differ by {difference}"
    return {"backend": backend, "largest_difference": difference}


def export(setting: Setting) -> dict[str, Any]:
    """A network trained on the device is exported; its embeddings by both providers agree."""
    from copysight.model import bundle as bundles
    from copysight.model.embedder import Embedder, Runtime

    folder, run = pictures(setting.scratch, 16), setting.scratch / "run"
    copysight("train", "dino", str(folder), "--out", str(run), *SMALL, *METHODS["dino"], "--device", setting.device)
    copysight("export", str(run), "--out", str(setting.scratch / "bundle"))
    bundle = bundles.load(str(setting.scratch / "bundle"))
    shown = [drawn(seed) for seed in range(8)]
    cpu, other = (Embedder(bundle, Runtime(provider=one)).embed(shown) for one in ("cpu", provider_of(setting)))
    least = float((cpu * other).sum(axis=1).min())
    assert least > 0.999, f"the smallest cosine between the providers is {least}"
    return {"smallest_cosine": least}


def service(setting: Setting) -> dict[str, Any]:
    """A server on the device embeds batches of 1, 4, 16 and 64 pictures as one on the CPU does."""
    data = [jpeg_of(drawn(seed)) for seed in range(setting.pick(4, 64))]
    found: dict[str, dict[int, np.ndarray]] = {}
    for provider in dict.fromkeys(("cpu", provider_of(setting))):
        index = setting.scratch / f"index-{provider}"
        command = [sys.executable, "-m", "cli", "serve", "--index", str(index), "--provider", provider]
        command += ["--variant", "fp32", "--deadline", "120", "--port"]
        with run_server(command) as server:
            url = f"http://127.0.0.1:{server.port}/embed"
            sizes = [size for size in (1, 4, 16, 64) if size <= len(data)]
            found[provider] = {size: _embeddings(url, data[:size]) for size in sizes}
    cosines = {
        size: float((one * found[provider_of(setting)][size]).sum(axis=1).min()) for size, one in found["cpu"].items()
    }
    assert min(cosines.values()) > 0.999, f"smallest cosine by batch: {cosines}"
    return {"smallest_cosine_by_batch": cosines}


def faiss(setting: Setting) -> dict[str, Any]:
    """An inverted file whose centroids a GPU finds has the recall of one whose centroids the CPU finds."""
    import faiss as library

    if setting.provider == "cuda" and not getattr(library, "get_num_gpus", int)():
        raise NotRun("FAISS without GPU")
    from benchmarks.mixture import mixture
    from copysight.index.generations.engines.files import faiss_index
    from copysight.index.generations.index_type import default_index_type

    count = setting.pick(4000, 400_000)
    data = mixture(count, 256, centres=max(1, count // 50), planted=200)
    choice = default_index_type("ivf_sq8", count)
    index = faiss_index.build(choice, data.vectors)
    rows = faiss_index.candidates(index, choice, data.duplicates, 10, None)
    recall = float(np.mean([original in row for original, row in zip(data.originals, rows, strict=True)]))
    assert recall > 0.95, f"recall of planted duplicates {recall}"
    return {"vectors": count, "recall_of_duplicates": recall, "gpus": getattr(library, "get_num_gpus", int)()}


def pictures(folder: Path, count: int) -> Path:
    """A folder of drawn pictures."""
    made = folder / "pictures"
    if not made.exists():
        made.mkdir()
        for seed in range(count):
            (made / f"{seed:04}.jpg").write_bytes(jpeg_of(drawn(seed)))
    return made


def losses(
    setting: Setting,
    method: str,
    folder: Path,
    options: tuple[str, ...],
    device: str,
    precision: str,
    name: str = "other",
) -> list[float]:
    """The loss of every step of a short training; ``name`` tells its folder from others of this device."""
    out = setting.scratch / f"{method}-{device}-{precision}-{name}-{len(options)}"
    common = (*SMALL, *options, "--device", device, "--precision", precision, "--no-prefetch")
    copysight("train", method, str(folder), "--out", str(out), *common)
    return read_losses(out)


def read_losses(run: Path) -> list[float]:
    """The losses in the log of a training, in which no step may have been skipped."""
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    skipped = [line for line in lines if line["kind"] == "skipped"]
    assert not skipped, f"{run.name} skipped steps whose values were not finite: {skipped}"
    return [line["loss"] for line in lines if line["kind"] == "step"]


def copysight(*arguments: str) -> None:
    """Run a command in this process, which has loaded torch already."""
    from cli.main import main

    status = main.main([*arguments], standalone_mode=False)
    assert not status, f"copysight {arguments[0]} ended with status {status}"


def provider_of(setting: Setting) -> str:
    if setting.provider == "cuda":
        import onnxruntime

        if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
            raise NotRun("ONNX Runtime without CUDA")
    return setting.provider


def _embeddings(url: str, data: list[bytes]) -> np.ndarray:
    files = [("file", ("a.jpg", one, "image/jpeg")) for one in data]
    answer = httpx.post(url, files=files, headers={"accept": "application/octet-stream"}, timeout=200)
    answer.raise_for_status()
    return np.frombuffer(answer.content, "<f4").reshape(len(data), -1)
