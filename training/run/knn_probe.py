"""k-NN probe: classify a labelled set by nearest neighbours of the features, during a training."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from copysight.errors import NoPictures
from copysight.pictures.decode import Limits
from copysight.pictures.preprocess import Preprocess, Size, scaled, sides, to_batch
from copysight.pictures.scan import ORDINARY, Entry, Failure, ScanOptions, scan
from training.hardware import compiler
from training.networks.input_sizes import in_eval

NEIGHBOURS = (5, 10, 20)
TEMPERATURE = 0.07
BATCH = 64


@dataclass(frozen=True)
class Split:
    """Pictures (N, 3, height, width) uint8 and labels (N,)."""

    pictures: Tensor
    labels: Tensor


@dataclass(frozen=True)
class Probe:
    """A labelled set: neighbours are in ``train``, queries in ``val``. ``name`` is the name of its folder or tar."""

    name: str
    train: Split
    val: Split
    classes: int


def load(path: Path, size: Size, reading: ScanOptions = ORDINARY) -> Probe:
    """Read a labelled set: a tar or a folder with ``train/<class>/*.jpg`` and ``val/<class>/*.jpg``.

    The shortest side is resized to 8/7 of ``size`` pixels and the central square, or rectangle, is cut out, as in
    DINO's evaluation (256 and 224). Pictures that cannot be read are left out. Raises ``NoPictures`` if a split is
    empty.
    """
    files = scan(path, reading).entries
    splits = {split: [file for file in files if _split_and_class(file)[0] == split] for split in ("train", "val")}
    for split, found in splits.items():
        if not found:
            raise NoPictures(
                f"{path} has no pictures in {split}/<class>/; a probe needs pictures in both train and val"
            )
    classes = sorted({_split_and_class(file)[1] for found in splits.values() for file in found})
    return Probe(
        name=path.stem,
        train=_split(splits["train"], classes, size, reading.limits),
        val=_split(splits["val"], classes, size, reading.limits),
        classes=len(classes),
    )


def measure(backbone: nn.Module, probe: Probe, recipe_mean: Iterable[float], recipe_std: Iterable[float]) -> float:
    """Top-1 accuracy (0..1), the best of k = 5, 10, 20. A neighbour's vote has weight exp(cosine / 0.07)."""
    device = next(backbone.parameters()).device
    mean, std = (torch.tensor(list(v), device=device)[:, None, None] for v in (recipe_mean, recipe_std))
    with in_eval(backbone), compiler.uncompiled(backbone):
        train, val = (_features(backbone, split.pictures, mean, std) for split in (probe.train, probe.val))
    return vote(train, val, probe)


def vote(train: Tensor, val: Tensor, probe: Probe) -> float:
    """Top-1 accuracy from L2-normalised features: ``train`` (N, D) of the neighbours, ``val`` (Q, D) of the queries."""
    similarity, index = (val @ train.t()).topk(min(max(NEIGHBOURS), len(train)))
    labels = probe.train.labels[index]
    weights = (similarity / TEMPERATURE).exp()
    best = 0.0
    for k in NEIGHBOURS:
        votes = torch.zeros(len(val), probe.classes).scatter_add_(1, labels[:, :k], weights[:, :k])
        best = max(best, float((votes.argmax(dim=1) == probe.val.labels).float().mean()))
    return best


@torch.inference_mode()
def _features(backbone: nn.Module, pictures: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    rows = []
    for batch in torch.split(pictures, BATCH):
        x = batch.to(mean.device).float().div_(255).sub_(mean).div_(std)
        rows.append(F.normalize(backbone(x).float(), dim=1).cpu())
    return torch.cat(rows)


def _split(files: list[Entry], classes: list[str], size: Size, limits: Limits) -> Split:
    plain = Preprocess(size, "shortest", scaled(size, 8 / 7), "bicubic", (0, 0, 0), (1, 1, 1))
    pixels = np.empty((len(files), 3, *sides(size)), np.uint8)
    labels: list[int] = []
    for file in files:
        found = file.decode(limits, plain.at_least)
        if not isinstance(found, Failure):
            pixels[len(labels)] = np.rint(to_batch([found.pixels], plain)[0] * 255).clip(0, 255)
            labels.append(classes.index(_split_and_class(file)[1]))
    if not labels:
        raise NoPictures(f"none of the {len(files)} pictures of a probe can be read, {files[0].key} for example")
    return Split(torch.from_numpy(pixels[: len(labels)]), torch.tensor(labels))


def _split_and_class(file: Entry) -> tuple[str, str]:
    parts = PurePosixPath(file.key).parts
    return (parts[-3], parts[-2]) if len(parts) >= 3 else ("", "")
