"""The command ``copysight evaluate``: run published evaluations on a bundle."""

import click

from copysight.system.imports.lazy_commands import LazyGroup

COMMANDS = {
    "knn": ("evaluation.labels.knn:knn", "Classify pictures by their nearest neighbours."),
    "linear": ("evaluation.labels.linear:linear", "Train a linear classifier on frozen embeddings."),
    "clusters": ("evaluation.labels.clusters:clusters", "Compare clusters with labels."),
    "retrieval": ("evaluation.retrieval.retrieval:retrieval", "Measure the mean average precision of retrieval."),
    "copy": ("evaluation.copies.copy:copy", "Measure copy detection."),
    "strangers": ("evaluation.copies.strangers:strangers", "Count unrelated pictures by their stated probability."),
    "regions": ("evaluation.regions.regions:regions", "Measure how exactly the shared part of a match is outlined."),
    "video": ("evaluation.video.follow:video", "Segment objects in videos from the first mask (DAVIS)."),
    "attention": ("evaluation.attention.attention:attention", "Measure how well maps find objects, beside baselines."),
    "all": ("evaluation.overview:evaluate_all", "Run all evaluations and write one HTML report."),
}
"""Sub-command -> (``module:attribute``, one line of help)."""


@click.group(cls=LazyGroup, table=COMMANDS)
def evaluate() -> None:
    """Run published evaluations on a bundle.

    A command takes one or more sources and then the data. BUNDLE is the folder of a bundle, or `default`. SOURCE is a
    bundle or a simple baseline: `pixels` (the picture at 32 x 32 pixels), `colours` (a colour histogram), `phash`,
    `pdq` or `pdq8` (perceptual hashes). BUNDLE:patches takes the mean of the patch features of a bundle.
    """
