"""The command ``evaluate``: the papers' yardsticks on a bundle. Each is imported when it is called."""

import importlib

import click

COMMANDS = {
    "knn": ("evaluation.labels.knn", "Classes by the vote of nearest neighbours."),
    "linear": ("evaluation.labels.linear", "Classes by a linear classifier on frozen embeddings."),
    "clusters": ("evaluation.labels.clusters", "Clusters and prototypes against labels, and as pages to look at."),
    "retrieval": (
        "evaluation.retrieval.retrieval",
        "Mean average precision: revisited Oxford and Paris, or a labelled folder.",
    ),
    "copy": ("evaluation.copies.copy", "Copies among strangers: micro average precision, recall at 90 % precision."),
    "video": ("evaluation.video.follow", "An object followed through a video from its first mask (DAVIS)."),
    "all": ("evaluation.overview", "All that the given data allow, as one HTML report."),
}
"""Name of a yardstick -> the module that holds its command under that name, and one line about it."""


class Yardsticks(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """All names."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command of a name, imported now."""
        if cmd_name not in COMMANDS:
            return None
        module = COMMANDS[cmd_name][0]
        command: click.Command = getattr(importlib.import_module(module), module.rpartition(".")[2])
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, about) for name, (_, about) in COMMANDS.items()])


@click.group(cls=Yardsticks)
def evaluate() -> None:
    """Measure a bundle by the papers' yardsticks.

    BUNDLE is a bundle's folder, or `default`. SOURCE is one, or `pixels` or `colours`: what plain pictures give.
    """
