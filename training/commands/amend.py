"""The command ``amend``: replace attention, calibrations, name or card of a bundle."""

from pathlib import Path

import click

from copysight.model import bundle as bundles
from copysight.model.bundle import Bundle
from training.export import exportable
from training.export.amend import amend as write_bundle
from training.export.network import Network

EXISTING = click.Path(exists=True, path_type=Path)


@click.command(short_help="Replace attention, background, calibrations, name or card of a bundle.")
@click.argument("bundle")
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder of the new bundle. It must not exist.",
)
@click.option(
    "--rest",
    default=None,
    help="Network that gives attention, prototypes and patches instead: a SOURCE as in `copysight export`, or a "
    "bundle, whose network is taken as it is.",
)
@click.option(
    "--rest-size",
    type=click.IntRange(1, 8192),
    default=None,
    help="Input size of the network of --rest in pixels. By default it is the size at which it was trained.",
)
@click.option("--half", is_flag=True, help="Store the weights of the network of --rest in half precision.")
@click.option(
    "--places",
    is_flag=True,
    help="Add the graphs of places, from the network of the embedding: patches of pictures of any size, and "
    "contributions to a match. For bundles that were exported without them, or by an older version.",
)
@click.option("--pictures", type=EXISTING, help="Unlabelled pictures. Fit the calibrations again with them.")
@click.option("--background", is_flag=True, help="With --pictures: make the background from them again, too.")
@click.option("--name", default=None, help="Name of the new bundle. By default the name does not change.")
@click.option(
    "--card",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File with the text of MODEL_CARD.md. By default the text does not change.",
)
def amend(
    bundle: str,
    out: Path,
    rest: str | None,
    rest_size: int | None,
    half: bool,
    places: bool,
    pictures: Path | None,
    background: bool,
    name: str | None,
    card: Path | None,
) -> None:
    """Write a copy of BUNDLE with other attention, graphs of places, background, calibrations, name or card.

    The embedding stays bit for bit. BUNDLE is the folder of a bundle, or `default`.
    """
    network = None if rest is None else _rest(rest, rest_size)
    text = None if card is None else card.read_text()
    amended = write_bundle(bundles.load(bundle), out, network, pictures, text, name, half, background, places)
    outputs = dict.fromkeys(output for graph in amended.graphs.values() for output in graph.outputs)
    click.echo(f"{amended.name} at {amended.path}: {amended.dimension} dimensions, outputs {', '.join(outputs)}")


def _rest(source: str, size: int | None) -> Network | Bundle:
    if source != "default" and not (Path(source) / bundles.DESCRIPTION).is_file():
        return exportable.load(source, size)
    if size is not None:
        raise click.UsageError(
            f"got --rest-size {size} for the bundle {source}, whose networks have their sizes; omit it"
        )
    return bundles.load(source)
