"""The commands ``embed``, ``search`` and ``compare``, on local files or through a running server."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import numpy as np

from cli import explanation, local, remote
from cli.local import LocalPicture
from copysight.client import Client, Options
from copysight.errors import InvalidArgument
from copysight.index import Index, Query, Selection, find_copies, where
from copysight.index.find_copies import judge_pair
from copysight.matching import verification
from copysight.model import bundle as bundles
from copysight.model.embedder import Embedder, Runtime
from copysight.scoring.judge import Judge
from copysight.scoring.query_views import DEFAULT_EFFORT, EFFORTS, Effort, effort_of, views_of
from copysight.scoring.verified import DEFAULT_MODE, MODES, Mode, mode_of
from copysight.system.numbers import Real

FILE = click.Path(exists=True, path_type=Path)
BATCH = 16
EFFORT_HELP = (
    "Search depth: `low` uses the whole picture, `normal` also clear regions in it, `high` more regions and rotations."
)

VERIFY_HELP = (
    "Verify matches by local features, and outline them: `auto` where the score leaves it open, `always`, or `never`."
)


@click.command()
@click.argument("pictures", nargs=-1, required=True, type=FILE)
@click.option("--bundle", default="default", show_default=True, help="Directory of a bundle, or `default`.")
@remote.options
@click.option(
    "--out", type=click.Path(path_type=Path), default=None, help="Also write the embeddings (N, D) to this .npy file."
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def embed(
    pictures: tuple[Path, ...], bundle: str, server: str | None, key: str | None, out: Path | None, as_json: bool
) -> None:
    """Compute the embeddings of PICTURES.

    PICTURES are files or folders. Each embedding is L2-normalised.
    """
    files = local.files(pictures)
    if server is None:
        answer = _embed_files(files, bundle)
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
@click.option("--index", "directory", default=None, type=FILE, help="Directory of the index. Or use --server.")
@remote.options
@click.option("-k", "k", default=10, show_default=True, type=click.IntRange(1), help="Maximum number of matches.")
@click.option("--collection", default=None, help="Search only this collection. The default is all collections.")
@click.option(
    "--filter",
    "condition",
    default=None,
    help='Search only items with this metadata, as JSON, for example {"eq": ["field", "value"]}.',
)
@click.option(
    "--effort", type=click.Choice(EFFORTS), default=None, help=f"{EFFORT_HELP} The default is {DEFAULT_EFFORT}."
)
@click.option("--verify", type=click.Choice(MODES), default=None, help=f"{VERIFY_HELP} The default is {DEFAULT_MODE}.")
@click.option(
    "--precision",
    type=Real(0, 1, min_open=True, max_open=True),
    default=None,
    help="Only matches that keep this expected precision, for example 0.99.",
)
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
    verify: str | None,
    precision: float | None,
    as_json: bool,
) -> None:
    """Search an index for copies of PICTURE.

    A match may be an original that PICTURE was made from, or a picture within PICTURE. Each line has the similarity,
    the verdict, the id and the key of a match, and where in PICTURE it was found: the part of the match that PICTURE
    shows, and the part of PICTURE that shows it.
    """
    options = Options(
        k=k, collection=collection, filter=_json(condition), effort=effort, verify=verify, precision=precision
    )
    if server is not None and directory is None:
        with Client(server, key) as client:
            answer = remote.search(client, picture, options)
    elif directory is not None and server is None:
        answer = _search_index(picture, directory, options)
    else:
        raise click.UsageError("give either --index or --server, and not both")
    if as_json:
        click.echo(json.dumps(answer))
        return
    if answer["policy"] is not None:
        click.echo(_policy_line(answer["policy"]), err=True)
    for match in answer["matches"]:
        click.echo(
            f"{match['similarity']:.4f}  {match['verdict']:9}  {match['id']:>8}  "
            f"{match['key']}{_location(match['where'])}"
        )


@click.command()
@click.argument("one", type=FILE)
@click.argument("other", type=FILE)
@click.option("--bundle", default="default", show_default=True, help="Directory of a bundle, or `default`.")
@remote.options
@click.option("--effort", type=click.Choice(EFFORTS), default=DEFAULT_EFFORT, show_default=True, help=EFFORT_HELP)
@click.option("--verify", type=click.Choice(MODES), default=DEFAULT_MODE, show_default=True, help=VERIFY_HELP)
@click.option(
    "--explain",
    type=click.Path(dir_okay=False, path_type=Path),
    default=None,
    help="Draw on both pictures how much each place adds to their similarity, to this .png or .jpg file.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def compare(
    one: Path,
    other: Path,
    bundle: str,
    server: str | None,
    key: str | None,
    effort: Effort,
    verify: Mode,
    explain: Path | None,
    as_json: bool,
) -> None:
    """Decide whether one of two pictures is a copy of the other.

    Prints the verdict, the similarity, and the probability that one is a copy of the other. With --explain, JSON also
    has the maps: how much each place adds; the values of each map add up to the similarity.
    """
    if explain is not None and server is not None:
        raise click.UsageError("--explain draws local files with a local bundle; leave out --server")
    if server is None:
        answer = _compare_files(one, other, bundle, effort, verify, explain)
    else:
        with Client(server, key) as client:
            answer = remote.compare(client, one, other, effort, verify)
    if as_json:
        click.echo(json.dumps(answer))
        return
    probability = "" if answer["probability"] is None else f", probability {answer['probability']:.3f}"
    click.echo(f"{answer['verdict']}: similarity {answer['similarity']:.4f}{probability}")
    if explain is not None:
        click.echo(f"{explain}: what each place adds to the similarity")


def _embed_files(files: list[Path], bundle: str) -> dict[str, Any]:
    model = bundles.load(bundle)
    vectors = np.concatenate(list(_vectors(files, Embedder(model))))
    items = [{"path": str(path), "embedding": row.tolist()} for path, row in zip(files, vectors, strict=True)]
    return {"model": model.id, "dimension": model.dimension, "items": items}


def _search_index(picture: Path, directory: Path, options: Options) -> dict[str, Any]:
    with Index.open(directory) as index:
        snapshot = index.snapshot()
        given = local.read(picture, snapshot.bundle)
        effort = effort_of(options.effort or DEFAULT_EFFORT)
        views = views_of(given.pixels, effort)
        vectors = Embedder(snapshot.bundle, Runtime(variant=snapshot.variant)).embed([view.pixels for view in views])
        query = Query(
            vectors,
            views,
            lambda: given.pixels,
            lambda: verification.prepare(given.pixels),
            lambda _, item: item.sha256 == given.sha256,
        )
        mode = mode_of(options.verify or DEFAULT_MODE)
        wanted = Selection(options.k, options.collection, options.filter, effort, mode, options.precision)
        matches = [match.to_json(views) for match in find_copies(index, snapshot, query, wanted).matches]
        name = snapshot.generation.name if snapshot.generation else None
        policy = wanted.policy(snapshot.judge)
    about = {"model": snapshot.bundle.id, "generation": name, "policy": policy and asdict(policy)}
    return {**about, "matches": matches}


def _compare_files(
    one: Path, other: Path, bundle: str, effort: Effort, verify: Mode, explain: Path | None
) -> dict[str, Any]:
    model = bundles.load(bundle)
    first, second = local.read(one, model), local.read(other, model)
    judge, embedder = Judge.of(model), Embedder(model)
    views = [views_of(picture.pixels, effort) for picture in (first, second)]
    vectors = [embedder.embed([view.pixels for view in of_picture]) for of_picture in views]
    a, b = ([view.penalty for view in of_picture] for of_picture in views)
    found = judge.compare(vectors[0], vectors[1], (a, b), local.equal_pixels(first, second), effort)
    judgement, outcome = judge_pair(found.judgement, first.pixels, second.pixels, verify, judge, effort)
    compared = found.views(*views)
    seen = where(compared[found.picture - 1], outcome)
    answer = {
        "model": model.id,
        **asdict(judgement),
        "verified": outcome.verified,
        "where": seen and {"picture": found.picture, **seen},
    }
    if explain is None:
        return answer
    return answer | {"explanation": explanation.drawn(embedder, compared, (first.pixels, second.pixels), explain)}


def _policy_line(policy: dict[str, Any]) -> str:
    recall = "" if policy["recall"] is None else f"; about {policy['recall']:.0%} of copies are found so"
    return (
        f"matches from probability {policy['probability']:.3f} on, for a precision of {policy['precision']:g}{recall}"
    )


def _location(where: dict[str, Any] | None) -> str:
    """What is known of the place of a match, as text: the part of the query, its rotation, what was verified."""
    if where is None:
        return ""
    within = " ".join(f"{side:.2f}" for side in where["region"] or ())
    parts = [f"within {within}"] if within else []
    parts += [f"turned {where['turn']}"] if where["turn"] else []
    if "inliers" in where:
        share, of_match = where["query"]["share"], where["match"]["share"]
        parts.append(f"{of_match:.0%} of it on {share:.0%} of the query" + (", mirrored" if where["mirrored"] else ""))
        parts += ["overlay only"] if where["part"] == "overlay" else []
    return "".join(f"  {part}" for part in parts)


def _vectors(files: list[Path], embedder: Embedder) -> Iterator[np.ndarray]:
    for start in range(0, len(files), BATCH):
        batch: list[LocalPicture] = [local.read(path, embedder.bundle) for path in files[start : start + BATCH]]
        yield embedder.embed([picture.pixels for picture in batch])


def _json(text: str | None) -> Any:
    if text is None:
        return None
    try:
        return json.loads(text)
    except ValueError as error:
        raise InvalidArgument(f"got the filter {text!r}, which is not valid JSON ({error})") from error
