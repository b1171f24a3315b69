"""What a yardstick prints: a table for people, JSON for programs."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import click


def show(report: Mapping[str, Any], header: Sequence[str], rows: Sequence[Sequence[object]], as_json: bool) -> None:
    """Print ``report`` as one line of JSON, or its ``rows`` below ``header``; numbers stand right, text left."""
    click.echo(json.dumps(report) if as_json else table(header, rows))


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
