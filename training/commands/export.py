"""The command ``export``: a trained network to a bundle."""

import json
from pathlib import Path

import click

from training.checkpoints import frameworks
from training.export import exportable
from training.export.export import export as write_bundle
from training.export.fitting import Fitting


@click.command()
@click.argument("source")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The bundle's folder; must not exist.")
@click.option("--size", type=int, default=None, help="Input size in pixels. Default: what it was trained at.")
@click.option(
    "--recipe",
    type=click.Choice(["cls", "gem", "cls+gem", "pool"]),
    default=None,
    help="What the embedding is made of. Default: cls for a ViT, the trained descriptor or pool for the rest.",
)
@click.option(
    "--beside",
    default=None,
    help="A second SOURCE that gives what the first lacks: attention, patches, prototypes (a ViT, say).",
)
@click.option("--beside-size", type=int, default=None, help="Input size of the second network.")
@click.option("--views", is_flag=True, help="Describe four views of a picture, not one (copy runs; 4 times the work).")
@click.option(
    "--pictures",
    type=click.Path(exists=True, path_type=Path),
    help="Unlabelled pictures, like those to come: adds a background for score normalisation, and a calibration.",
)
@click.option("--whiten", type=int, default=0, help="Fit a whitening to so many dimensions (needs --pictures).")
@click.option("--int8", is_flag=True, help="Add the embedding in 8 bits, for convolutional networks (--pictures).")
@click.option("--half", is_flag=True, help="Store weights in half precision: half the size, the same speed.")
@click.option(
    "--weights",
    type=click.Choice(frameworks.FRAMEWORKS),
    default=None,
    help="Add weights.safetensors: SOURCE's backbone under the names of a framework, to detect or segment with.",
)
@click.option("--name", default=None, help="Name of the bundle. Default: method and backbone.")
@click.option("--card", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Text of MODEL_CARD.md.")
@click.option("--random", is_flag=True, help="Leave timm:NAME untrained: a baseline.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def export(
    source: str,
    out: Path,
    size: int | None,
    recipe: str | None,
    beside: str | None,
    beside_size: int | None,
    views: bool,
    pictures: Path | None,
    whiten: int,
    int8: bool,
    half: bool,
    weights: str | None,
    name: str | None,
    card: Path | None,
    random: bool,
    as_json: bool,
) -> None:
    """Write SOURCE as a bundle that the service can run.

    SOURCE is a run's folder or checkpoint, an official DINO, SwAV or DeepCluster-v2 checkpoint file, or timm:NAME.
    """
    if pictures is None and (whiten or int8):
        raise click.UsageError("--whiten and --int8 learn from pictures: name some by --pictures")
    found = [exportable.load(source, size, recipe, random, views)]
    if beside is not None:
        found.append(exportable.load(beside, beside_size, None, random))
    fitting = Fitting(pictures, whiten, int8) if pictures is not None else None
    bundle = write_bundle(found, out, card.read_text() if card else None, name, fitting, half, weights)
    outputs = [output for graph in bundle.graphs.values() for output in graph.outputs]
    report = {
        "path": str(bundle.path),
        "id": bundle.id,
        "name": bundle.name,
        "dimension": bundle.dimension,
        "outputs": outputs,
        "largest_difference": bundle.numerics.largest_difference,
        "cosine": bundle.numerics.cosine,
    }
    if as_json:
        click.echo(json.dumps(report))
        return
    click.echo(f"{bundle.name} at {bundle.path}: {bundle.dimension} dimensions, outputs {', '.join(outputs)}")
    click.echo(f"agrees with torch to {bundle.numerics.largest_difference:.1e}, cosine {bundle.numerics.cosine:.6f}")
