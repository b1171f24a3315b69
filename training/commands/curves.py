"""The command ``curves``: what trainings did, several side by side."""

import json
from pathlib import Path

import click

from training.curves import figure, history
from training.curves.page import page, summary, table


@click.command(short_help="Draw the curves of trainings, several side by side.")
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to draw the curves to: .png, or .html for one page with the curves and the table.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def curves(runs: tuple[Path, ...], out: Path | None, as_json: bool) -> None:
    """Print what each RUN did, and draw its loss, entropy, k-NN accuracy, learning rate and speed.

    RUN is the folder of a training, finished or not. All runs are drawn over the number of pictures that they have
    seen, so runs with different batches can be compared.
    """
    if out is not None and out.suffix.lower() not in {".png", ".html"}:
        raise click.UsageError(f"got --out {out}; its name must end with .png or .html")
    histories = [history.read(run) for run in runs]
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_bytes(figure.png(histories) if out.suffix.lower() == ".png" else page(histories).encode())
    if as_json:
        found = [{"run": one.name, **summary(one)} for one in histories]
        click.echo(json.dumps({"out": None if out is None else str(out), "runs": found}))
        return
    rows = table(histories)
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    if out is not None:
        click.echo(f"curves at {out}")
