"""Compare training runs by k-NN top-1 accuracy, with pixels, a colour histogram and untrained networks as baselines.

Reads the probes in ``log.jsonl`` of each run (k-NN of Caron et al. 2021, section 4.1, at the size of a global crop) and
prints a Markdown table. ``--plot`` also draws the learning curves.

    COPYSIGHT_DATA=folder python -m benchmarks.training_methods [--plot FILE.png] NAME=RUN …
"""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor

from training.run import knn_probe
from training.run.knn_probe import Probe

SETS = ("imagenette10", "caltech100")
SIDE, BINS = 32, 8


@dataclass(frozen=True)
class Curve:
    """The learning curve of one run: pictures seen and top-1 accuracy of each probe, by labelled set."""

    name: str
    pictures_seen: Mapping[str, Sequence[int]]
    top1: Mapping[str, Sequence[float]]


@click.command()
@click.argument("runs", nargs=-1, required=True, metavar="NAME=RUN …")
@click.option("--plot", type=click.Path(path_type=Path), help="File to draw the learning curves to.")
def main(runs: tuple[str, ...], plot: Path | None) -> None:
    """Print a table of the runs and draw their learning curves."""
    curves = [read(name, Path(folder)) for name, folder in (run.split("=", 1) for run in runs)]
    folder = Path(os.environ.get("COPYSIGHT_DATA", "")) / "labelled"
    for text in table(curves, {name: baselines(knn_probe.load(folder / f"{name}.tar", 96)) for name in SETS}):
        click.echo(text)
    if plot is not None:
        draw(curves, plot)


def read(name: str, run: Path) -> Curve:
    """Read the probes of a run. In a warm-started run the pictures of the imitation phase come first and count, too."""
    pictures_seen: dict[str, list[int]] = {key: [] for key in SETS}
    top1: dict[str, list[float]] = {key: [] for key in SETS}
    before, last = 0, 0
    for text in (run / "log.jsonl").read_text().splitlines():
        line = json.loads(text)
        if line["kind"] != "probe" or line["set"] not in SETS:
            continue
        if line["pictures"] < last:
            before += last
        last = line["pictures"]
        pictures_seen[line["set"]].append(before + last)
        top1[line["set"]].append(line["top1"])
    return Curve(name, pictures_seen, top1)


def table(curves: Sequence[Curve], plain: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Return Markdown rows: the baselines, then each run before and after training."""
    lines = ["| | pictures seen | imagenette10 | caltech100 |", "|---|---|---|---|"]
    lines += [f"| {name} | – | {_pair(plain[key][name] for key in SETS)} |" for name in plain[SETS[0]]]
    for curve in curves:
        lines.append(f"| {curve.name}, untrained | 0 | {_pair(curve.top1[key][0] for key in SETS)} |")
        lines.append(
            f"| {curve.name} | {curve.pictures_seen[SETS[0]][-1]:,} | {_pair(curve.top1[key][-1] for key in SETS)} |"
        )
    return lines


def _pair(values: Iterable[float]) -> str:
    return " | ".join(f"{value:.3f}".removeprefix("0") for value in values)


def baselines(data: Probe) -> dict[str, float]:
    """Return the k-NN accuracy of centred 32x32 pixels, and of square roots of a 512-bin colour histogram."""
    kinds = {"pixels, 32x32": pixels, "colour histogram": histogram}
    return {name: knn_probe.vote(of(data.train.pictures), of(data.val.pictures), data) for name, of in kinds.items()}


def pixels(pictures: Tensor) -> Tensor:
    """Map (N, 3, S, S) uint8 to rows (N, 3 * 32 * 32) of mean 0 and length 1."""
    small = F.interpolate(pictures.float(), (SIDE, SIDE), mode="area").flatten(1)
    return F.normalize(small - small.mean(dim=1, keepdim=True), dim=1)


def histogram(pictures: Tensor) -> Tensor:
    """Map (N, 3, S, S) uint8 to rows (N, 512) of length 1: square roots of the joint histogram, 8 bins per channel."""
    bins = (pictures.long() * BINS // 256).flatten(2)
    joint = (bins[:, 0] * BINS + bins[:, 1]) * BINS + bins[:, 2]
    counts = torch.zeros(len(pictures), BINS**3).scatter_add_(1, joint, torch.ones(joint.shape))
    return F.normalize(counts.sqrt(), dim=1)


def draw(curves: Sequence[Curve], path: Path) -> None:
    """Draw top-1 accuracy over pictures seen, one panel per labelled set."""
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    panels = figure.subplots(1, len(SETS))
    for panel, key in zip(panels, SETS, strict=True):
        for curve in curves:
            panel.plot(curve.pictures_seen[key], curve.top1[key], marker="o", markersize=3, label=curve.name)
        panel.set(title=key, xlabel="pictures seen", ylabel="k-NN top-1")
        panel.xaxis.set_major_formatter("{x:,.0f}")
        panel.locator_params(axis="x", nbins=5)
        panel.grid(alpha=0.3)
    panels[0].legend(fontsize=8)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
