"""The command ``evaluate``: the papers' yardsticks on a bundle. Each is imported when it is called."""

import click

from copysight.system.lazy_commands import LazyGroup

COMMANDS = {
    "knn": ("evaluation.labels.knn:knn", "Classes by the vote of nearest neighbours."),
    "linear": ("evaluation.labels.linear:linear", "Classes by a linear classifier on frozen embeddings."),
    "clusters": (
        "evaluation.labels.clusters:clusters",
        "Clusters and prototypes against labels, and as pages to look at.",
    ),
    "retrieval": (
        "evaluation.retrieval.retrieval:retrieval",
        "Mean average precision: revisited Oxford and Paris, or a labelled folder.",
    ),
    "copy": (
        "evaluation.copies.copy:copy",
        "Copies among strangers: micro average precision, recall at 90 % precision.",
    ),
    "video": ("evaluation.video.follow:video", "An object followed through a video from its first mask (DAVIS)."),
    "all": ("evaluation.overview:everything", "All that the given data allow, as one HTML report."),
}
"""Sub-command -> (``module:attribute``, one line of help)."""


@click.group(cls=LazyGroup, table=COMMANDS)
def evaluate() -> None:
    """Measure a bundle by the papers' yardsticks.

    BUNDLE is a bundle's folder, or `default`. SOURCE is one, or `pixels` or `colours`: what plain pictures give.
    """
