"""The options that all commands of ``train`` share: pictures, the folder of the run, initial weights, the machine."""

import functools
from pathlib import Path

import click

from training.commands.option_groups import GroupedOption

EXISTING = click.Path(exists=True, path_type=Path)
grouped = functools.partial(click.option, cls=GroupedOption)
FILES = (
    click.argument("source", metavar="DATA", type=EXISTING),
    grouped(
        "--out",
        required=True,
        type=click.Path(path_type=Path),
        help="Folder of the run. If it holds a checkpoint, the training resumes.",
        group="Common",
    ),
    grouped(
        "--init",
        metavar="SOURCE",
        help="Start from the weights of this backbone: the folder of a run, a bundle or `default`, timm:NAME, a "
        "released checkpoint, a state dict or a safetensors file. The log says what was loaded.",
        group="Common",
    ),
    grouped(
        "--warm-start",
        type=EXISTING,
        help="First train the backbone to imitate this one: the folder of a run, a released checkpoint, or a bundle "
        "with weights. The papers have no such step.",
        group="Common",
    ),
    grouped(
        "--warm-start-pictures",
        type=click.IntRange(1),
        default=50_000,
        show_default=True,
        help="Number of pictures for the warm start.",
        group="Common",
    ),
    grouped(
        "--warm-start-batch",
        type=click.IntRange(2),
        default=32,
        show_default=True,
        help="Number of pictures per step of the warm start.",
        group="Common",
    ),
    grouped(
        "--probe",
        "probes",
        multiple=True,
        type=EXISTING,
        help="Labelled pictures with the folders train/ and val/, for a k-NN accuracy in the log. Repeat the option "
        "for several sets.",
        group="Common",
    ),
    grouped(
        "--cache",
        type=click.Path(path_type=Path),
        help="Folder for the decoded pictures. By default it is ~/.cache/copysight.",
        group="Machine",
    ),
    grouped(
        "--threads",
        type=click.IntRange(0, 4096),
        default=0,
        show_default=True,
        help="Number of threads for torch; 0 lets torch choose.",
        group="Machine",
    ),
    grouped(
        "--tensorboard",
        is_flag=True,
        help="Also write events for TensorBoard. It needs the package tensorboard.",
        group="Machine",
    ),
)
