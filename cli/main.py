"""The ``copysight`` command. It imports each sub-command only when it is called, so `serve` never imports torch."""

import errno
import traceback

import click

from copysight.errors import CopysightError
from copysight.system.imports.lazy_commands import LazyGroup
from copysight.system.stopping import Stopped

COMMANDS = {
    "train": ("training.commands.train:train", "Train a backbone on your own pictures, without labels."),
    "export": ("training.commands.export:export", "Write a trained network as a bundle that the service can run."),
    "amend": (
        "training.commands.amend:amend",
        "Renew a bundle's attention output, background, calibrations and model card.",
    ),
    "curves": ("training.commands.curves:curves", "Draw the curves of trainings, several side by side."),
    "evaluate": ("evaluation.cli:evaluate", "Measure a bundle on the benchmarks of the papers."),
    "index": ("index_builder.cli:index", "Build and maintain an index of pictures."),
    "dedupe": ("index_builder.dedupe.command:dedupe", "Find groups of copies in folders or an index."),
    "outliers": (
        "index_builder.curation_commands:outliers_command",
        "List the pictures of an index that are least like all others.",
    ),
    "select": (
        "index_builder.curation_commands:select_command",
        "Select pictures of an index that differ most from each other.",
    ),
    "serve": ("service.cli:serve", "Start the HTTP service."),
    "keys": ("service.auth.keys_cli:keys", "Manage the API keys of a service."),
    "audit": ("cli.audit:audit", "Check and export the audit trail of an index."),
    "embed": ("cli.offline:embed", "Compute the embeddings of pictures."),
    "search": ("cli.offline:search", "Search an index for copies of a picture."),
    "compare": ("cli.offline:compare", "Decide whether one of two pictures is a copy of the other."),
    "attention": ("cli.attention:attention", "Draw the object of a picture or video, or its attention maps."),
}
"""Sub-command -> (``module:attribute``, one line of help)."""


class Main(LazyGroup):
    """The command ``copysight``. It prints a domain error as one line on stderr and exits 1."""

    def invoke(self, ctx: click.Context) -> object:
        """Run the sub-command. An error is one line on stderr and exit code 1; ``--debug`` adds its traceback."""
        try:
            return super().invoke(ctx)
        except (click.exceptions.Exit, click.ClickException, click.Abort):
            raise
        except Stopped as stopped:
            click.echo(f"copysight: {stopped}", err=True)
            ctx.exit(stopped.status)
        except Exception as error:  # noqa: BLE001 - the outermost door
            if ctx.params["debug"]:
                traceback.print_exc()
            click.echo(f"copysight: {_error_line(error)}", err=True)
            ctx.exit(1)


@click.group(cls=Main, table=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, help="Print the traceback of an error.")
@click.version_option(package_name="copysight")
def main(debug: bool) -> None:
    """Find copies of pictures in a collection.

    Each match has a similarity, a calibrated probability, and the region in which it was found. The usual order of
    work is train, export, index, serve.
    """


def _error_line(error: Exception) -> str:
    if isinstance(error, CopysightError):
        return error.message
    if isinstance(error, OSError) and error.errno in {errno.EMFILE, errno.ENFILE}:
        return f"{error}; raise the limit of open files, for example with `ulimit -n 4096`"
    return f"{type(error).__name__}: {error} (put --debug before the command to see the traceback)"
