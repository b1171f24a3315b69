"""The command ``index decisions``: what people decided about the copies in an index, and to undo it."""

import json
from collections import Counter
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click

from copysight.catalog.curation.curation import Batch
from copysight.index import Index
from index_builder.options import as_json, directory

SHOWN = 20


@click.command("decisions")
@directory
@click.option(
    "--undo",
    type=click.IntRange(1, 2**63 - 1),
    default=None,
    metavar="BATCH",
    help="Forget the decisions of this batch, and restore the items that it removed.",
)
@as_json
def decisions_command(directory: Path, undo: int | None, as_json: bool) -> None:
    """List what was decided about copies, or undo a batch.

    The latest comes first. A batch is what one call or one press of a key has decided: which pictures are no duplicates
    or are all kept, which one of several is kept, and which items were removed.
    """
    with Index.open(directory) as opened:
        curation = opened.catalog.curation
        if undo is not None:
            done = curation.undo(undo)
            text = f"batch {done.batch}: {done.decisions:,} decisions forgotten, {done.restored:,} items restored"
            text += f", {len(done.left):,} could not be restored" * bool(done.left)
            click.echo(json.dumps(asdict(done)) if as_json else text)
            return
        batches = curation.batches()
    if as_json:
        click.echo(json.dumps({"batches": [asdict(one) for one in batches]}))
        return
    click.echo("\n".join(map(_line, batches[:SHOWN])) or "nothing was decided")
    if len(batches) > SHOWN:
        click.echo(f"… and {len(batches) - SHOWN:,} earlier batches")


def _line(batch: Batch) -> str:
    counts = Counter(batch.decisions)
    said = [f"{count:,} {name}" for name, count in sorted(counts.items())]
    said += [f"{batch.removed:,} removed"] if batch.removed else []
    by = f" by {batch.author}" if batch.author else ""
    return f"batch {batch.batch}: {datetime.fromtimestamp(batch.made, UTC):%Y-%m-%d %H:%M} UTC{by}: {', '.join(said)}"
