"""The command ``export``: a trained network to a bundle."""

import json
from pathlib import Path

import click

from training import networks
from training.export import export as write_bundle


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
    name: str | None,
    card: Path | None,
    random: bool,
    as_json: bool,
) -> None:
    """Write SOURCE as a bundle that the service can run.

    SOURCE is a run's folder or checkpoint, an official DINO, SwAV or DeepCluster-v2 checkpoint file, or timm:NAME.
    """
    found = [networks.load(source, size, recipe, random)]
    if beside is not None:
        found.append(networks.load(beside, beside_size, None, random))
    bundle = write_bundle(found, out, card.read_text() if card else None, name)
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
