"""Reliability of predicted probabilities: bins of equal mass, expected calibration error, diagram."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

BINS = 15


@dataclass(frozen=True)
class Bin:
    """``count`` results of similar probability: the mean predicted one (``stated``), the true ``share`` of copies."""

    count: int
    stated: float
    share: float


@dataclass(frozen=True)
class Reliability:
    """Expected calibration error (Naeini et al. 2015, with bins of equal mass) and the bins in ascending order."""

    expected_calibration_error: float
    bins: tuple[Bin, ...]

    @property
    def worst(self) -> float:
        """The largest difference between predicted probability and true share over all bins."""
        return max(abs(one.stated - one.share) for one in self.bins)


def reliability(stated: npt.ArrayLike, right: npt.ArrayLike, bins: int = BINS) -> Reliability:
    """Compare probabilities (Q,) with whether each result was right (Q,). There are at most Q bins."""
    p, y = np.asarray(stated, np.float64), np.asarray(right, bool)
    parts = np.array_split(np.argsort(p, kind="stable"), min(bins, len(p)))
    found = tuple(Bin(len(rows), float(p[rows].mean()), float(y[rows].mean())) for rows in parts)
    error = sum(one.count * abs(one.stated - one.share) for one in found) / len(p)
    return Reliability(float(error), found)


def draw(bins: Sequence[Bin], path: Path) -> None:
    """Save the reliability diagram. The suffix of ``path`` sets the file format."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - writes a cache of fonts into the home folder when imported

    figure = Figure(figsize=(5, 5), layout="constrained")
    axes = figure.add_subplot(xlabel="predicted probability", ylabel="true share of copies", xlim=(0, 1), ylim=(0, 1))
    axes.plot([0, 1], [0, 1], color="0.7", linewidth=1)
    axes.fill_between([0, 1], [-0.08, 0.92], [0.08, 1.08], color="0.93", label="within 0.08")
    stated, share = [one.stated for one in bins], [one.share for one in bins]
    axes.plot(stated, share, marker="o", label=f"{len(bins)} bins of {bins[0].count} results")
    axes.legend(loc="upper left")
    figure.savefig(path)
