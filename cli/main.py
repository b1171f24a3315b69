"""The ``copysight`` command. Every sub-command is loaded when it is called, so serving never imports torch."""

import traceback

import click

from copysight.errors import CopysightError
from copysight.system.lazy_commands import LazyGroup

COMMANDS = {
    "train": ("training.commands.train:train", "Train a backbone on your own pictures, without labels."),
    "export": ("training.commands.export:export", "Write a trained network as a bundle that the service can run."),
    "amend": (
        "training.commands.amend:amend",
        "Renew what is around a bundle's embedding: attention, calibrations, card.",
    ),
    "evaluate": ("evaluation.cli:evaluate", "Measure a bundle by the papers' yardsticks."),
    "index": ("index_builder.cli:index", "Make a collection of pictures searchable."),
    "serve": ("service.cli:serve", "Answer over HTTP."),
    "keys": ("service.auth.keys_cli:keys", "API keys of a service."),
    "embed": ("cli.offline:embed", "Embeddings of local pictures."),
    "search": ("cli.offline:search", "Find local pictures in an index."),
    "compare": ("cli.offline:compare", "Say whether two local pictures are copies of each other."),
    "attention": ("cli.attention:attention", "Draw what a network looks at in a local picture or video."),
}
"""Sub-command -> (``module:attribute``, one line of help)."""


class Main(LazyGroup):
    """The command ``copysight``. It prints a domain error as one line on stderr and exits 1."""

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


@click.group(cls=Main, table=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
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
