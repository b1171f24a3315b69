"""The ``copysight`` command. Every sub-command is loaded when it is called, so serving never imports torch."""

import importlib
import traceback

import click

from copysight.errors import CopysightError

COMMANDS = {
    "train": ("training.commands.train", "Train a backbone on your own pictures, without labels."),
    "export": ("training.commands.export", "Write a trained network as a bundle that the service can run."),
    "amend": ("training.commands.amend", "Renew what is around a bundle's embedding: attention, calibrations, card."),
    "evaluate": ("evaluation.cli", "Measure a bundle by the papers' yardsticks."),
    "index": ("index_builder.cli", "Make a collection of pictures searchable."),
    "serve": ("service.cli", "Answer over HTTP."),
    "keys": ("service.auth.keys_cli", "API keys of a service."),
    "embed": ("cli.offline", "Embeddings of local pictures."),
    "search": ("cli.offline", "Find local pictures in an index."),
    "compare": ("cli.offline", "Say whether two local pictures are copies of each other."),
    "attention": ("cli.attention", "Draw what a network looks at in a local picture or video."),
}
"""Name of a sub-command -> the module that holds it under that name, and one line about it."""


class Roof(click.Group):
    """A group whose commands are imported when they are called, and whose domain errors are one line each."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """All names, in the order of the work."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command of a name, imported now."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(importlib.import_module(COMMANDS[cmd_name][0]), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, about) for name, (_, about) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> object:
        """Run; what the user can mend is one line on stderr and exit 1, with ``--debug`` below its trace."""
        try:
            return super().invoke(ctx)
        except (click.exceptions.Exit, click.ClickException, click.Abort):
            raise
        except Exception as error:  # noqa: BLE001 - the outermost door
            if ctx.params["debug"]:
                traceback.print_exc()
            click.echo(f"copysight: {_line(error)}", err=True)
            ctx.exit(1)


@click.group(cls=Roof, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, help="Show the trace of an error.")
@click.version_option(package_name="copysight")
def main(debug: bool) -> None:
    """Find copies of pictures: have we seen this one before, where in it, and how sure are we.

    The loop: train, export, index, serve.
    """


def _line(error: Exception) -> str:
    if isinstance(error, CopysightError):
        return error.message
    return f"{type(error).__name__}: {error} (add --debug before the command for the trace)"
