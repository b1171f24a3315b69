"""The commands ``outliers`` and ``select``: the pictures that are unlike all others, and a diverse subset."""

import json
from pathlib import Path

import click
import numpy as np

from copysight.curation import farthest, outliers
from copysight.curation.derived import Members, members
from copysight.errors import NoPictures
from copysight.index import Index
from index_builder.options import as_json, directory

collection = click.option("--collection", default=None, help="Only this collection. The default is all.")


@click.command("outliers")
@directory
@collection
@click.option("--count", type=click.IntRange(1), default=20, show_default=True, help="Number of pictures.")
@as_json
def outliers_command(directory: Path, collection: str | None, count: int, as_json: bool) -> None:
    """List the pictures of an index that are least like all others.

    The score is one minus the mean cosine to the ten nearest other pictures.
    """
    with Index.open(directory) as opened:
        found = _members(opened, collection)
        scores = outliers.scores(found.vectors)
        rows = np.argsort(-scores, kind="stable")[:count]
        values = {int(found.ids[row]): float(scores[row]) for row in rows}
        items = opened.catalog.get_many(values)
    listed = [
        {"id": number, "key": items[number].key, "collection": items[number].collection, "outlier": round(score, 5)}
        for number, score in values.items()
        if number in items
    ]
    lines = [f"{one['outlier']:.3f}  {one['key']}" for one in listed]
    click.echo(json.dumps({"outliers": listed}) if as_json else "\n".join(lines))


@click.command("select")
@directory
@collection
@click.option("--count", type=click.IntRange(1), required=True, help="Number of pictures to select.")
@as_json
def select_command(directory: Path, collection: str | None, count: int, as_json: bool) -> None:
    """Select pictures of an index that differ most from each other.

    The first is the most typical one; each next one is the picture that is least like those before it (farthest-point
    selection). So the first 100 of 1,000 are those that a selection of 100 has.
    """
    with Index.open(directory) as opened:
        found = _members(opened, collection)
        rows = farthest.select(found.vectors, min(count, len(found.ids)))
        numbers = [int(found.ids[row]) for row in rows]
        items = opened.catalog.get_many(numbers)
    there = [items[number] for number in numbers if number in items]
    listed = [{"id": one.id, "key": one.key, "collection": one.collection} for one in there]
    click.echo(json.dumps({"selected": listed}) if as_json else "\n".join(one.key for one in there))


def _members(opened: Index, collection: str | None) -> Members:
    found = members(opened, collection)
    if not len(found.ids):
        raise NoPictures("there is no picture in this index or collection; add some with `copysight index build`")
    return found
