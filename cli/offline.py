"""``embed``, ``search`` and ``compare``: the answers of the service, on local files; or asked of one."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import numpy as np

from cli import local, remote
from cli.local import Local
from copysight.client import Client, Options
from copysight.errors import InvalidArgument
from copysight.index import Index
from copysight.model import bundle as bundles
from copysight.model.embedder import Embedder, Runtime
from copysight.scoring.judge import Judge
from copysight.scoring.query_views import EFFORTS, USUAL, Effort, effort_of, views_of

FILE = click.Path(exists=True, path_type=Path)
BATCH = 16


@click.command()
@click.argument("pictures", nargs=-1, required=True, type=FILE)
@click.option("--bundle", default="default", show_default=True, help="A bundle's directory, or `default`.")
@remote.options
@click.option("--out", type=click.Path(path_type=Path), default=None, help="Write the (N, D) array as .npy here.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def embed(
    pictures: tuple[Path, ...], bundle: str, server: str | None, key: str | None, out: Path | None, as_json: bool
) -> None:
    """Embeddings of PICTURES (files or folders), L2-normalised."""
    files = local.files(pictures)
    if server is None:
        answer = _embedded(files, bundle)
    else:
        with Client(server, key) as client:
            answer = remote.embed(client, files)
    if out is not None:
        with out.open("wb") as file:
            np.save(file, np.asarray([item["embedding"] for item in answer["items"]], np.float32))
    if as_json:
        click.echo(json.dumps(answer))
        return
    for item in answer["items"]:
        row = item["embedding"]
        click.echo(f"{item['path']}: {' '.join(f'{value:+.4f}' for value in row[:6])} … ({len(row)} numbers)")


@click.command()
@click.argument("picture", type=FILE)
@click.option("--index", "directory", default=None, type=FILE, help="Directory of the index; or --server.")
@remote.options
@click.option("-k", "k", default=10, show_default=True, type=click.IntRange(1), help="How many matches.")
@click.option("--collection", default=None, help="Only this collection. Default: all.")
@click.option("--filter", "condition", default=None, help='JSON, for example {"eq": ["field", "value"]}.')
@click.option("--effort", type=click.Choice(EFFORTS), default=None, help="How hard to look. Default: normal.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def search(
    picture: Path,
    directory: Path | None,
    server: str | None,
    key: str | None,
    k: int,
    collection: str | None,
    condition: str | None,
    effort: str | None,
    as_json: bool,
) -> None:
    """Find PICTURE, or what it was made from, in an index."""
    asked = Options(k=k, collection=collection, filter=_json(condition), effort=effort)
    if server is not None and directory is None:
        with Client(server, key) as client:
            answer = remote.search(client, picture, asked)
    elif directory is not None and server is None:
        answer = _found(picture, directory, asked)
    else:
        raise click.UsageError("name an --index or a --server, one of the two")
    if as_json:
        click.echo(json.dumps(answer))
        return
    for match in answer["matches"]:
        click.echo(
            f"{match['similarity']:.4f}  {match['verdict']:9}  {match['id']:>8}  {match['key']}{_place(match['where'])}"
        )


@click.command()
@click.argument("one", type=FILE)
@click.argument("other", type=FILE)
@click.option("--bundle", default="default", show_default=True, help="A bundle's directory, or `default`.")
@remote.options
@click.option("--effort", type=click.Choice(EFFORTS), default=USUAL, show_default=True, help="How hard to look.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def compare(
    one: Path, other: Path, bundle: str, server: str | None, key: str | None, effort: Effort, as_json: bool
) -> None:
    """Say how alike two pictures are, and whether one is a copy of the other."""
    if server is None:
        answer = _compared(one, other, bundle, effort)
    else:
        with Client(server, key) as client:
            answer = remote.compare(client, one, other, effort)
    if as_json:
        click.echo(json.dumps(answer))
        return
    chance = "" if answer["probability"] is None else f", probability {answer['probability']:.3f}"
    click.echo(f"{answer['verdict']}: similarity {answer['similarity']:.4f}{chance}")


def _embedded(files: list[Path], bundle: str) -> dict[str, Any]:
    model = bundles.load(bundle)
    vectors = np.concatenate(list(_vectors(files, Embedder(model))))
    items = [{"path": str(path), "embedding": row.tolist()} for path, row in zip(files, vectors, strict=True)]
    return {"model": model.id, "dimension": model.dimension, "items": items}


def _found(picture: Path, directory: Path, asked: Options) -> dict[str, Any]:
    with Index.open(directory) as index:
        snapshot = index.snapshot()
        query = local.read(picture, snapshot.bundle)
        effort = effort_of(asked.effort or USUAL)
        seen = views_of(query.pixels, effort)
        vectors = Embedder(snapshot.bundle, Runtime(variant=snapshot.variant)).embed([view.pixels for view in seen])
        penalties = [view.penalty for view in seen]
        found = snapshot.ask(vectors, asked.k, penalties, collection=asked.collection, filter=asked.filter)
        items = index.catalog.get_many([hit.id for hit in found])
        matches = [
            {
                "id": hit.id,
                "key": items[hit.id].key,
                "collection": items[hit.id].collection,
                **asdict(
                    snapshot.judge.judge(hit.similarity, hit.penalty, items[hit.id].sha256 == query.sha256, effort)
                ),
                "where": seen[hit.view].where(),
                "metadata": dict(items[hit.id].metadata),
            }
            for hit in found
            if hit.id in items
        ]
        name = snapshot.generation.name if snapshot.generation else None
    return {"model": snapshot.bundle.id, "generation": name, "matches": matches}


def _compared(one: Path, other: Path, bundle: str, effort: Effort) -> dict[str, Any]:
    model = bundles.load(bundle)
    first, second = local.read(one, model), local.read(other, model)
    judge, embedder = Judge.of(model), Embedder(model)
    seen = [views_of(picture.pixels, effort) for picture in (first, second)]
    vectors = [embedder.embed([view.pixels for view in some]) for some in seen]
    a, b = ([view.penalty for view in some] for some in seen)
    found = judge.compare(vectors[0], vectors[1], (a, b), local.equal_pixels(first, second), effort)
    where = seen[found.picture - 1][found.view].where()
    return {"model": model.id, **asdict(found.judgement), "where": where and {"picture": found.picture, **where}}


def _place(where: dict[str, Any] | None) -> str:
    """Where in the query a match was found, in words."""
    if where is None:
        return ""
    within = " ".join(f"{side:.2f}" for side in where["region"] or ())
    return (f"  within {within}" if within else "") + (f"  turned {where['turn']}" if where["turn"] else "")


def _vectors(files: list[Path], embedder: Embedder) -> Iterator[np.ndarray]:
    for start in range(0, len(files), BATCH):
        batch: list[Local] = [local.read(path, embedder.bundle) for path in files[start : start + BATCH]]
        yield embedder.embed([picture.pixels for picture in batch])


def _json(text: str | None) -> Any:
    if text is None:
        return None
    try:
        return json.loads(text)
    except ValueError as error:
        raise InvalidArgument(f"got the filter {text!r}, which is no JSON ({error})") from error
