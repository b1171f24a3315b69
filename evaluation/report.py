"""Print the result of an evaluation as a table or as JSON."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click

from evaluation.provenance import provenance
from evaluation.sources import current

SOURCE = "source"
"""Column with the name of a source."""


def print_report(
    report: Mapping[str, Any], header: Sequence[str], rows: Sequence[Sequence[object]], as_json: bool
) -> None:
    """Print ``report`` as one line of JSON, or print ``rows`` below ``header`` as a table.

    The accounts of the sources are the field ``scans``, or go to stderr.
    """
    click.echo(to_json(with_accounts(report)) if as_json else table(header, rows))
    if not as_json:
        print_accounts()


@dataclass(frozen=True)
class Answer:
    """What a command found for one source: a report for JSON, and ``rows`` of a table below ``header``.

    ``notes``: lines after the table. ``seed``: ``None`` if nothing was drawn at random.
    """

    source: str
    report: Mapping[str, Any]
    header: Sequence[str]
    rows: Sequence[Sequence[object]]
    seed: int | None = None
    notes: Sequence[str] = ()


def print_answers(answers: Sequence[Answer], as_json: bool) -> None:
    """Print one table, or one line of JSON: the report of the only source, or ``sources`` with one report each.

    In a table of several sources the first column names the source.
    """
    if as_json:
        reports = [{**one.report, "provenance": provenance(one.source, one.seed)} for one in answers]
        click.echo(to_json(with_accounts(reports[0] if len(reports) == 1 else {"sources": reports})))
        return
    header, rows = joined(answers)
    click.echo(table(header, rows))
    for one in answers:
        for note in one.notes:
            click.echo(note if len(answers) == 1 else f"{one.source}: {note}")
    print_accounts()


def joined(answers: Sequence[Answer]) -> tuple[Sequence[str], list[Sequence[object]]]:
    """The header and rows of all sources; with several, each row begins with its source."""
    header = answers[0].header
    rows = [row for one in answers for row in one.rows]
    if len(answers) == 1 or header[0] == SOURCE:
        return header, rows
    return (SOURCE, *header), [[one.source, *row] for one in answers for row in one.rows]


def with_accounts(report: Mapping[str, Any]) -> dict[str, Any]:
    """The report and the accounts of the sources that the command has read."""
    return {**report, "scans": [account.to_json() for account in current().accounts()]}


def print_accounts() -> None:
    """Print on stderr what became of the files of each source."""
    for account in current().accounts():
        click.echo(f"{account.source}: " + "\n".join(account.lines()), err=True)


def to_json(report: object) -> str:
    """Return one line of JSON. A number that is not finite (the mean over no query, for example) becomes null."""
    return json.dumps(_without_nan(report), allow_nan=False)


def _without_nan(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _without_nan(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(part) for part in value]
    return value


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a text table: numbers right-aligned, text left-aligned, fractions with four digits."""
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
