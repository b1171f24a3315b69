"""What a yardstick prints: a table for people, JSON for programs."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import click


def show(report: Mapping[str, Any], header: Sequence[str], rows: Sequence[Sequence[object]], as_json: bool) -> None:
    """Print ``report`` as one line of JSON, or its ``rows`` below ``header``; numbers stand right, text left."""
    click.echo(to_json(report) if as_json else table(header, rows))


def to_json(report: object) -> str:
    """One line of JSON; a figure that does not exist (NaN: a mean over no query, say) is null."""
    return json.dumps(_known(report), allow_nan=False)


def _known(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _known(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_known(part) for part in value]
    return value


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Columns as wide as their widest cell; fractions with four digits."""
    cells = [[_text(value) for value in row] for row in rows]
    widths = [max(len(line[column]) for line in [list(header), *cells]) for column in range(len(header))]
    numeric = [all(isinstance(row[column], int | float) for row in rows) for column in range(len(header))]
    return "\n".join(_line(line, widths, numeric) for line in [list(header), *cells])


def _line(cells: Sequence[str], widths: Sequence[int], numeric: Sequence[bool]) -> str:
    padded = [
        cell.rjust(width) if right else cell.ljust(width)
        for cell, width, right in zip(cells, widths, numeric, strict=True)
    ]
    return "  ".join(padded).rstrip()


def _text(value: object) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)
