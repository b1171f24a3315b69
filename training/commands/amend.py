"""The command ``amend``: a bundle with something around its embedding renewed."""

from pathlib import Path

import click

from copysight.model import bundle as bundles
from training.export import exportable
from training.export.amend import amend as write_bundle

EXISTING = click.Path(exists=True, path_type=Path)


@click.command()
@click.argument("bundle")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The new bundle's folder; must not exist.")
@click.option("--rest", default=None, help="A SOURCE as `export` has it: gives attention, prototypes and patches.")
@click.option("--rest-size", type=int, default=None, help="Its input size in pixels. Default: what it was trained at.")
@click.option("--half", is_flag=True, help="Store its weights in half precision.")
@click.option("--pictures", type=EXISTING, help="Unlabelled pictures: rehearse the calibrations with them anew.")
@click.option("--name", default=None, help="Name of the new bundle. Default: the same.")
@click.option("--card", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Text of MODEL_CARD.md.")
def amend(
    bundle: str,
    out: Path,
    rest: str | None,
    rest_size: int | None,
    half: bool,
    pictures: Path | None,
    name: str | None,
    card: Path | None,
) -> None:
    """Write BUNDLE anew with other attention, calibrations, name or card; its embedding stays bit for bit."""
    network = None if rest is None else exportable.load(rest, rest_size)
    text = None if card is None else card.read_text()
    made = write_bundle(bundles.load(bundle), out, network, pictures, text, name, half)
    outputs = [output for graph in made.graphs.values() for output in graph.outputs]
    click.echo(f"{made.name} at {made.path}: {made.dimension} dimensions, outputs {', '.join(outputs)}")
