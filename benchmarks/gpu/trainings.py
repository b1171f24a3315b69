"""Train on a GPU for some minutes, from checkpoint to checkpoint: a descriptor of copies, and dense features.

The settings are those of the runs on a CPU with larger batches. They have not been tried on a GPU.
"""

import json
import shlex
from pathlib import Path
from typing import Any

from benchmarks.gpu import wheels
from benchmarks.gpu.proofs import copysight, pictures
from benchmarks.gpu.step import Setting

PIECE, MOST = 15_000_000, 45_000_000
"""Bytes of a file that is kept, at most; larger ones are cut. A checkpoint that is larger than ``MOST`` is left out."""
DESCRIPTOR = (
    "copy", "--backbone", "resnet10t", "--dimension", "512", "--global-size", "160", "--first-size", "160", "--batch",
    "512", "--epochs", "100", "--lr", "2e-3", "--warmup", "0.05", "--clip", "5", "--mild", "0.9",
)  # fmt: skip
DENSE = (
    "dino", "--backbone", "vit_small_patch16_224", "--prototypes", "8192", "--batch", "256", "--epochs", "100",
    "--momentum", "0.996", "--koleo", "0.1", "--freeze-last-layer", "0.5",
)  # fmt: skip
TINY = {
    "descriptor": (
        "copy", "--backbone", "test_resnet", "--dimension", "16", "--global-size", "32", "--first-size", "32",
        "--batch", "8", "--epochs", "400", "--edits", "device",
    ),
    "dense": (
        "dino", "--backbone", "test_vit", "--global-size", "32", "--local-size", "16", "--local-crops", "2",
        "--prototypes", "64", "--hidden", "64", "--bottleneck", "32", "--batch", "8", "--epochs", "400",
    ),
}  # fmt: skip


def descriptor(setting: Setting) -> dict[str, Any]:
    """``train copy`` from the default bundle's network."""
    return train(setting, "descriptor", (*DESCRIPTOR, "--init", "default"))


def dense(setting: Setting) -> dict[str, Any]:
    """``train dino`` of a ViT-S/16 with 2 crops of 224 px and 8 of 96 px, from random weights."""
    return train(setting, "dense", DENSE)


def train(setting: Setting, name: str, options: tuple[str, ...]) -> dict[str, Any]:
    """Train for the seconds of the setting, keep weights and checkpoint, and say how far it is."""
    asked = setting.training
    runs = Path(asked.runs) if asked.runs else setting.scratch
    run, since = runs / name, Path(asked.since) if asked.since else None
    given = [*(TINY[name] if setting.tiny else (*options, "--compile", "default")), *shlex.split(asked.options)]
    started = _begin(run, name, since)
    if started.suffix == ".safetensors":
        given += ["--init", str(started)]
    often = "0" if setting.tiny else "5"
    source = asked.pictures or str(pictures(setting.scratch, setting.pick(16, 1024)))
    copysight(
        "train", given[0], source, *given[1:], "--out", str(run), "--cache", str(runs / "cache"), "--device",
        setting.device, "--precision", "bf16", "--stop-after", str(asked.seconds / 60), "--log-seconds", often,
    )  # fmt: skip
    kept = keep(run, name, Path(asked.keep)) if asked.keep else []
    return {"started_from": started.name, **_progress(run), "kept": kept}


def _begin(run: Path, name: str, since: Path | None) -> Path:
    """What a training goes on from: the checkpoint of its run, else what an earlier call kept, else an empty path."""
    held = run / "checkpoint.pt"
    if not held.exists() and since is not None:
        run.mkdir(parents=True, exist_ok=True)
        if list(since.glob(f"{name}.pt*")):
            return wheels.join(since, f"{name}.pt", held)
        if list(since.glob(f"{name}.safetensors*")):
            return wheels.join(since, f"{name}.safetensors", run / f"{name}.safetensors")
    return held if held.exists() else Path()


def keep(run: Path, name: str, folder: Path) -> list[str]:
    """Write the exported weights in half precision and the checkpoint, in pieces; returns the names of the files.

    Weights and averages of the checkpoint are in half precision, the optimiser's in bf16: a training goes on with it.
    """
    import torch
    from safetensors.torch import save_file

    from training.checkpoints import checkpoint

    saved = checkpoint.load(run)
    half = {f"backbone.{key}": value.half().contiguous() for key, value in saved.backbone_state.items()}
    if name == "descriptor":
        half |= {f"project.{key}": value.half().contiguous() for key, value in saved.head_state.items()}
    size = saved.image_size if isinstance(saved.image_size, int) else saved.image_size[0]
    weights, small = run / f"{name}.safetensors", run / f"{name}.pt"
    save_file(half, weights, {"backbone": saved.backbone, "size": str(size)})
    content = torch.load(run / checkpoint.NAME, map_location="cpu", weights_only=True)
    torch.save({**content, "state": _halved(content["state"]), "optimizer": _halved(content["optimizer"])}, small)
    files = [weights] if small.stat().st_size > MOST else [weights, small]
    for old in [*folder.glob(f"{name}.pt*"), *folder.glob(f"{name}.safetensors*")]:
        old.unlink()
    kept = [piece.name for file in files for piece in wheels.split(file, folder, PIECE)]
    (folder / f"{name}.log.jsonl").write_bytes((run / "log.jsonl").read_bytes())
    small.unlink()
    return kept


def _halved(content: Any) -> Any:
    """The same with tensors of half the size, but for numbers: float16 where it can hold them, else bfloat16."""
    import torch

    if isinstance(content, dict):
        return {key: _halved(value) for key, value in content.items()}
    if isinstance(content, list):
        return [_halved(value) for value in content]
    if not isinstance(content, torch.Tensor) or content.dtype != torch.float32 or content.ndim == 0:
        return content
    half = content.half()
    # The second moments of AdamW are smaller than float16 can hold, and running variances may be larger.
    holds = bool(half.isfinite().all()) and bool(((half == 0) == (content == 0)).all())
    return half if holds else content.bfloat16()


def _progress(run: Path) -> dict[str, Any]:
    """How far a training is: the last line of its log, and losses and speed of this call."""
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    begun = max(number for number, line in enumerate(lines) if line["kind"] == "run")
    steps = [line for line in lines[begun:] if line["kind"] == "step" and "loss" in line]
    rates = sorted(line["images_per_s"] for line in steps) or [0.0]
    return {
        "from_step": lines[begun]["step"],
        "to_step": lines[-1]["step"],
        "done": lines[-1]["kind"] == "done",
        "losses": [round(line["loss"], 4) for line in (steps[0], steps[-1])] if steps else [],
        "pictures_per_second": round(rates[len(rates) // 2], 1),
        "skipped": lines[-1]["skipped"],
    }
