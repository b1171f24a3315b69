"""The commands ``audit verify|export``."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

import click

from copysight.catalog.audit import chain
from copysight.catalog.audit.chain import Checked, Link
from copysight.errors import IndexCorrupt
from copysight.index import Index

INDEX = click.option(
    "--index", "directory", type=click.Path(path_type=Path), default=Path("index"), show_default=True,
    envvar="COPYSIGHT_INDEX", help="Directory of the index.",
)  # fmt: skip
KNOWN = "Hash that `audit verify` printed before: fail unless an entry has it, so that nobody cut off entries since."


@click.group()
def audit() -> None:
    """Check and export the audit trail: who did what to which item, when, and from which address."""


@audit.command()
@INDEX
@click.option("--file", "file", type=click.File("rb"), default=None, help="Check this export instead of an index.")
@click.option("--known", default=None, metavar="HASH", help=KNOWN)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def verify(directory: Path, file: IO[bytes] | None, known: str | None, as_json: bool) -> None:
    """Check that every entry is there as it was written. Each hash covers the hash before it and its entry.

    Keep the hash that is printed elsewhere: whoever can write the whole file could also write another chain.
    """
    checked = _check(directory, known) if file is None else _seek(_exported(file), known)
    if checked.fault is not None:
        raise IndexCorrupt(f"the audit trail was changed: {checked.fault}")
    if as_json:
        click.echo(json.dumps({"entries": checked.count, "head": checked.head}))
    else:
        click.echo(f"{checked.count:,} entries, each as it was written. Last hash: {checked.head}")


@audit.command()
@INDEX
@click.option("--out", type=click.File("w"), default="-", show_default=True, help="File to write, or - for stdout.")
def export(directory: Path, out: IO[str]) -> None:
    """Write all entries as JSON lines, `{"entry": {…}, "hash": "…"}`, which `audit verify --file` checks."""
    index = Index.open(directory)
    try:
        for link in index.catalog.audit.links():
            out.write(f'{{"entry":{link.entry},"hash":"{link.hash}"}}\n')
    finally:
        index.close()


def _check(directory: Path, known: str | None) -> Checked:
    index = Index.open(directory)
    try:
        checked = index.catalog.audit.check()
        return checked if known is None or checked.fault else _seek(index.catalog.audit.links(), known)
    finally:
        index.close()


def _seek(links: Iterable[Link], known: str | None) -> Checked:
    """Check a chain; with a ``known`` hash, also that an entry has it."""
    found = known is None or known == chain.GENESIS

    def watched() -> Iterator[Link]:
        nonlocal found
        for link in links:
            found = found or link.hash == known
            yield link

    checked = chain.check(watched())
    if checked.fault is None and not found:
        return Checked(checked.count, checked.head, "no entry has the known hash")
    return checked


def _exported(file: IO[bytes]) -> Iterator[Link]:
    for number, line in enumerate(file, 1):
        try:
            content = json.loads(line)
            yield Link(chain.canonical(content["entry"]), str(content["hash"]))
        except (ValueError, KeyError, TypeError) as error:
            raise IndexCorrupt(
                f"line {number} is no entry of an export ({error}); give a file of `audit export`"
            ) from error
