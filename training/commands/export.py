"""The command ``export``: write a trained network, or an ONNX file of others, as a bundle.

An ONNX file needs no torch; torch is imported for the other sources only.
"""

import json
import tempfile
from pathlib import Path
from typing import Any

import click

from copysight.errors import InvalidArgument
from copysight.model.bundle import Bundle
from copysight.pictures.preprocess import Size
from copysight.pictures.scan import ScanOptions, scan_options
from copysight.system.numbers import Pixels, Real
from training.commands.foreign_options import NAMES, foreign_options, wishes_of
from training.export.fitting import Fitting
from training.export.foreign.graph_file import is_torchscript
from training.export.foreign.write import About, ForeignExport, export_file
from training.export.whitening import RIDGE

FRAMEWORKS = ("timm", "torchvision")
"""As in `training.checkpoints.frameworks`, which needs torch."""


@click.command(short_help="Write a trained network as a bundle that the service can run.")
@click.argument("source")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of the bundle. It must not exist.")
@click.option(
    "--size",
    type=Pixels(1, 8192),
    default=None,
    help="Input size in pixels, or height and width as in 224x160. By default it is the size at which the network was "
    "trained.",
)
@click.option(
    "--recipe",
    type=click.Choice(["cls", "gem", "cls+gem", "pool"]),
    default=None,
    help="How the embedding is made: from the [CLS] token, by the generalised mean over all places, from both, or by "
    "the network's own pooling. By default it is the network's own, which is cls for most ViTs. Copy runs have their "
    "own descriptor.",
)
@click.option(
    "--beside",
    default=None,
    help="A second SOURCE, for example a ViT, that gives the outputs which the first lacks: attention, patches, "
    "prototypes.",
)
@click.option(
    "--beside-size",
    type=Pixels(1, 8192),
    default=None,
    help="Input size of the second network in pixels. By default it is the size at which it was trained.",
)
@click.option(
    "--views",
    is_flag=True,
    help="Describe each picture by four views instead of one. This is for copy runs and takes 4 times the work.",
)
@click.option(
    "--power",
    type=Real(0, min_open=True),
    default=None,
    help="Exponent of the generalised-mean pooling of a copy run. By default it is that of the training; a larger one "
    "suits views that are larger than those of the training, as in MultiGrain.",
)
@click.option(
    "--pictures",
    type=click.Path(exists=True, path_type=Path),
    help="Unlabelled pictures like those to be searched. They add a background for score normalisation and a "
    "calibration of probabilities.",
)
@click.option(
    "--whiten",
    type=click.IntRange(0, 65_536),
    default=0,
    help="Whiten the embedding to this many dimensions. It needs --pictures.",
)
@click.option(
    "--ridge",
    type=Real(0),
    default=RIDGE,
    show_default=True,
    help="With --whiten: how much is added to each variance, in units of their mean. Large values whiten less; 2 to 4 "
    "suit a descriptor that was trained long for copies.",
)
@click.option("--int8", is_flag=True, help="Add the network of the embedding in int8. It needs --pictures.")
@click.option(
    "--half", is_flag=True, help="Store the weights in half precision. Files have half the size; the speed is the same."
)
@click.option(
    "--weights",
    type=click.Choice(FRAMEWORKS),
    default=None,
    help="Add weights.safetensors: the backbone of SOURCE under the names of this framework, for training detection or "
    "segmentation.",
)
@click.option(
    "--method",
    default=None,
    help="What trained SOURCE, if it is a file that does not say so, for example dino. By default it is unknown: "
    "supervised weights look the same.",
)
@click.option(
    "--licence",
    default=None,
    help="Licence of the weights of SOURCE. By default it is unknown for files of others, and timm's entry for timm.",
)
@click.option("--name", default=None, help="Name of the bundle. By default it is made of method and backbone.")
@click.option(
    "--card",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File with the text of MODEL_CARD.md. By default the text is generated.",
)
@click.option(
    "--places/--no-places",
    default=True,
    show_default=True,
    help="Add the graphs of places that the network has, without another copy of its weights: patches of pictures of "
    "any size, and, for copy runs of convolutional networks, contributions to a match.",
)
@click.option("--random", is_flag=True, help="Use random weights for timm:NAME, as a baseline.")
@foreign_options
@scan_options
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def export(
    source: str,
    out: Path,
    size: Size | None,
    recipe: str | None,
    beside: str | None,
    beside_size: Size | None,
    views: bool,
    power: float | None,
    pictures: Path | None,
    whiten: int,
    ridge: float,
    int8: bool,
    half: bool,
    weights: str | None,
    method: str | None,
    licence: str | None,
    name: str | None,
    card: Path | None,
    places: bool,
    random: bool,
    as_json: bool,
    reading: ScanOptions,
    **foreign: Any,
) -> None:
    """Write a trained network as a bundle that the service can run.

    SOURCE is the folder of a run, a checkpoint file, a released checkpoint of DINO, SwAV, DeepCluster-v2, DINOv2 or
    DINOv3, or timm:NAME; or an ONNX or TorchScript file of others, whose output is one vector for each picture. Options
    for such files are guessed from the file where it says so; what was settled is printed.
    """
    if pictures is None and (whiten or int8):
        raise click.UsageError("--whiten and --int8 need pictures to fit on: add --pictures")
    if ridge != RIDGE and not whiten:
        raise click.UsageError("got --ridge without a whitening, which it is a part of: add --whiten")
    fitting = Fitting(pictures, whiten, ridge, int8, reading=reading) if pictures is not None else None
    kind, text = _kind(Path(source)), card.read_text() if card else None
    if kind is not None:
        others = {
            "--beside": beside,
            "--beside-size": beside_size,
            "--views": views,
            "--power": power,
            "--weights": weights,
        }
        _refuse({**others, "--random": random}, f"an {kind} file")
        about = About(name, method, licence, foreign["origin"], text, Path(source))
        wishes = {**foreign, "size": size, "recipe": recipe}
        done = _export_foreign(Path(source), kind, out, wishes, about, fitting, half)
        _report(done.bundle, "the file", done, as_json)
        return
    _refuse({f"--{option.replace('_', '-')}": foreign[option] for option in NAMES}, "other than an ONNX file")
    from training.export import exportable  # noqa: PLC0415 - needs torch
    from training.export.export import export as write_bundle  # noqa: PLC0415 - needs torch

    networks = [exportable.load(source, size, recipe, random, views, method, licence, power)]
    if beside is not None:
        networks.append(exportable.load(beside, beside_size, None, random))
    _report(write_bundle(networks, out, text, name, fitting, half, weights, places), "torch", None, as_json)


def _kind(source: Path) -> str | None:
    """ONNX or TorchScript, or None for what torch loads. Raises ``InvalidArgument`` for an ONNX file not there."""
    if source.suffix.lower() == ".onnx":
        if not source.is_file():
            raise InvalidArgument(f"there is no file {source}; download it first")
        return "ONNX"
    return "TorchScript" if is_torchscript(source) else None


def _refuse(given: dict[str, Any], source: str) -> None:
    """Raise a usage error for the options that a source does not have."""
    wrong = [option for option, value in given.items() if value]
    if wrong:
        raise click.UsageError(f"{', '.join(wrong)} cannot be used for a source that is {source}")


def _export_foreign(
    source: Path, kind: str, out: Path, wishes: dict[str, Any], about: About, fitting: Fitting | None, half: bool
) -> ForeignExport:
    if kind == "ONNX":
        return export_file(source, out, wishes_of(wishes), about, fitting, half)
    from training.export.foreign import torchscript  # noqa: PLC0415 - needs torch

    with tempfile.TemporaryDirectory() as scratch:
        converted = torchscript.convert(source, Path(scratch) / f"{source.stem}.onnx", wishes["size"])
        return export_file(converted, out, wishes_of(wishes), about, fitting, half)


def _report(bundle: Bundle, against: str, foreign: ForeignExport | None, as_json: bool) -> None:
    outputs = list(dict.fromkeys(output for graph in bundle.graphs.values() for output in graph.outputs))
    report: dict[str, Any] = {
        "path": str(bundle.path),
        "id": bundle.id,
        "name": bundle.name,
        "dimension": bundle.dimension,
        "outputs": outputs,
        "largest_difference": bundle.numerics.largest_difference,
        "cosine": bundle.numerics.cosine,
    }
    if foreign is not None:
        report |= {"settings": list(foreign.reasons), "warnings": list(foreign.warnings)}
    if as_json:
        click.echo(json.dumps(report))
        return
    for reason in foreign.reasons if foreign else ():
        click.echo(reason)
    for warning in foreign.warnings if foreign else ():
        click.echo(f"warning: {warning}", err=True)
    click.echo(f"{bundle.name} at {bundle.path}: {bundle.dimension} dimensions, outputs {', '.join(outputs)}")
    click.echo(
        f"largest difference to {against} {bundle.numerics.largest_difference:.1e}, cosine {bundle.numerics.cosine:.6f}"
    )
