"""Write down the command line that was given, to repeat it."""

import os
import shlex
from typing import Any

import click
from click.core import ParameterSource


def of(context: click.Context) -> str:
    """The command of ``context`` with the arguments and options that were given, quoted for a shell.

    Several processes were started by ``torchrun``, with the same options.
    """
    words: list[str] = []
    for parameter in context.command.params:
        name = str(parameter.name)
        if context.get_parameter_source(name) == ParameterSource.COMMANDLINE:
            words += _words(parameter, context.params.get(name, True))
    commands: list[str] = []
    above = context
    while above.parent is not None:
        commands.insert(0, str(above.info_name))
        above = above.parent
    local, world = (int(os.environ.get(name, "1")) for name in ("LOCAL_WORLD_SIZE", "WORLD_SIZE"))
    if world > 1:
        nodes = f"--nnodes {world // local} … " if world > local else ""
        return f"torchrun {nodes}--nproc-per-node {local} -m cli {shlex.join([*commands, *words])}"
    return shlex.join(["copysight", *commands, *words])


def _words(parameter: click.Parameter, value: Any) -> list[str]:
    values = value if isinstance(value, tuple | list) else (value,)
    if isinstance(parameter, click.Argument):
        return [str(one) for one in values]
    flag = max(parameter.opts, key=len)
    if isinstance(value, bool):
        return [flag if value else max(parameter.secondary_opts, key=len)]
    if parameter.nargs > 1:
        return [flag, *(str(one) for one in values)]
    if not parameter.multiple:
        values = ("x".join(str(side) for side in values),)  # a size of two sides
    return [word for one in values for word in (flag, str(one))]
