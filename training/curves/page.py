"""Put runs side by side: a table of their facts, and one HTML page without external resources."""

import html
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from training.curves import figure
from training.curves.history import KNN, METRICS, History

STYLE = (
    "body{font:15px system-ui;margin:2rem;background:#fff;color:#222}svg{max-width:100%;height:auto}"
    "table{border-collapse:collapse;margin:1rem 0}td,th{padding:.2rem 1rem .2rem 0;text-align:left;vertical-align:top}"
    "tr{border-bottom:1px solid #ddd}"
)


def table(histories: Sequence[History]) -> list[list[str]]:
    """Rows of a table: the name of a fact, and its value for each run. The first row is the header."""
    facts = [summary(history) for history in histories]
    names = list(dict.fromkeys(name for one in facts for name in one))
    rows = [[name, *(_text(one.get(name)) for one in facts)] for name in names]
    return [["", *(history.name for history in histories)], *rows, *_differences(histories)]


def summary(history: History) -> dict[str, Any]:
    """The facts of a run by name: numbers, words, or ``None`` if the log does not say."""
    run, step = history.facts["run"], history.facts["step"]
    speed = history.panels[METRICS["images_per_s"]].get("")
    found: dict[str, Any] = {
        "method": run.get("method"),
        "backbone": run.get("backbone"),
        "pictures": history.facts["pictures"].get("readable"),
        "state": history.state,
        "step": step["step"],
        "of": step["of"],
        "epoch": step["epoch"],
        "minutes": step["minutes"],
        "skipped": step.get("skipped", 0),
        "images/s": round(median(speed.y), 2) if speed is not None and speed.y else None,
        "loss": history.last(METRICS["loss"]),
        "entropy": history.last(METRICS["entropy"]),
    }
    if history.state == "running, or killed":
        found["remaining_minutes"] = step.get("remaining_minutes")
    for name, line in history.panels[KNN].items():
        found[f"k-NN {name}, first"], found[f"k-NN {name}, last"] = line.y[0], line.y[-1]
        found[f"k-NN {name}, best"] = max(line.y)
    return found


def page(histories: Sequence[History]) -> str:
    """The HTML page."""
    title = "Training: " + ", ".join(history.name for history in histories)
    header, *rows = [[html.escape(cell) for cell in row] for row in table(histories)]
    body = "".join(f"<tr><th>{row[0]}</th>{''.join(f'<td>{cell}</td>' for cell in row[1:])}</tr>" for row in rows)
    head = f"<tr>{''.join(f'<th>{name}</th>' for name in header)}</tr>"
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f"<style>{STYLE}</style></head><body><h1>{html.escape(title)}</h1>{figure.svg(histories)}"
        f"<table>{head}{body}</table></body></html>\n"
    )


def _differences(histories: Sequence[History]) -> list[list[str]]:
    """Rows for the options and views that all runs have, and in which they differ."""
    runs = [history.facts["run"] for history in histories]
    settings: list[Mapping[str, Any]] = [
        {**{f"--{name}": value for name, value in run.get("options", {}).items()}, **run.get("views", {})}
        for run in runs
    ]
    shared = [name for name in settings[0] if all(name in one for one in settings)]
    rows = [[name, *(_text(one[name]) for one in settings)] for name in shared]
    return [row for row in rows if len(set(row[1:])) > 1]


def _text(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
