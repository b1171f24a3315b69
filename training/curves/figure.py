"""Draw the curves of runs: a panel for each metric, a colour for each run."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO, StringIO
from typing import TYPE_CHECKING

from copysight.errors import InvalidArgument
from training.curves.history import KNN, METRICS, History

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS, WIDTH, HEIGHT = 2, 6.0, 3.2
STYLES = ("-", "--", ":", "-.")
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999999")
"""Okabe and Ito's colours, which people with colour blindness can tell apart."""


def png(histories: Sequence[History]) -> bytes:
    """The curves as a PNG file."""
    out = BytesIO()
    figure(histories).savefig(out, format="png", dpi=110)
    return out.getvalue()


def svg(histories: Sequence[History]) -> str:
    """The curves as an ``<svg>`` element, with the letters as outlines."""
    out = StringIO()
    figure(histories).savefig(out, format="svg", metadata={"Date": None})
    text = out.getvalue()
    return text[text.index("<svg") :]


def figure(histories: Sequence[History]) -> Figure:
    """The figure. Metrics that no run has are left out. Raises ``InvalidArgument`` without matplotlib."""
    try:
        from matplotlib.figure import Figure as New  # noqa: PLC0415 - slow to import, and needed here only
    except ImportError as error:
        raise InvalidArgument("curves are drawn by the package matplotlib; run: pip install matplotlib") from error
    panels = [panel for panel in (*METRICS.values(), KNN) if any(history.panels[panel] for history in histories)]
    rows = -(-len(panels) // COLUMNS)
    drawn = New(figsize=(COLUMNS * WIDTH, rows * HEIGHT + 0.3 * len(histories)), layout="constrained")
    axes = list(drawn.subplots(rows, COLUMNS, squeeze=False).flat)
    for panel, place in zip(panels, axes, strict=False):
        _panel(place, panel, histories)
    for empty in axes[len(panels) :]:
        empty.remove()
    handles = [axes[0].plot([], [], color=_colour(number))[0] for number in range(len(histories))]
    drawn.legend(handles, [history.name for history in histories], loc="outside upper left", frameon=False)
    return drawn


def _panel(axes: Axes, panel: str, histories: Sequence[History]) -> None:
    named: dict[str, str] = {}
    for number, history in enumerate(histories):
        for name, line in history.panels[panel].items():
            style = named.setdefault(name, STYLES[len(named) % len(STYLES)])
            mark = "o" if panel == KNN else None
            axes.plot(line.x, line.y, style, color=_colour(number), marker=mark, markersize=3, linewidth=1.3)
    values = [value for history in histories for line in history.panels[panel].values() for value in line.y]
    if panel == METRICS["lr"] and len(histories) > 1 and min(values) > 0:
        axes.set_yscale("log")  # methods differ by factors of a thousand
    axes.set_title(panel, fontsize=11, loc="left")
    axes.set_xlabel("pictures seen", fontsize=9)
    axes.tick_params(labelsize=9)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    if sets := [name for name in named if name]:
        handles = [axes.plot([], [], named[name], color="#666666")[0] for name in sets]
        axes.legend(handles, sets, fontsize=9, frameon=False)


def _colour(number: int) -> str:
    return COLOURS[number % len(COLOURS)]
