"""``/clusters``: find the clusters of pictures, list all, show one with its members, name it, move pictures."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Body, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from copysight.catalog.curation.cluster_moves import FIRST_NEW, MOST_ITEMS, NEW, Moves, Placement
from copysight.errors import InvalidArgument
from copysight.index import Match, Snapshot
from copysight.vectors.diverse import diverse
from service.http.problems import item_error
from service.intake import uploads
from service.queries import inference, search_answers
from service.queries.inference import PictureFeatures
from service.routes.scopes import READ, WRITE, key_name
from service.runtime import threads
from service.state import State

router = APIRouter(tags=["clusters"])
REPRESENTATIVES = 4
NEAR = 64
"""Covers of a cluster are among its members nearest to the centre: at most as many, and at most half of it."""
NAME = Body(embed=True, examples=["beaches"])
MOST = 2**63 - 1
Number = Annotated[int, Path(ge=0, le=MOST)]
Id = Annotated[int, Field(strict=True, ge=0, le=MOST)]
TO = "Id of the cluster that they move to; `new`: a new one; null: where the model puts them."


class Move(BaseModel):
    """Pictures, and the cluster that they move to."""

    model_config = ConfigDict(extra="forbid")
    items: Annotated[list[Id], Field(min_length=1, max_length=MOST_ITEMS, description="Ids of items.")]
    to: Annotated[Id | Literal["new"] | None, Field(description=TO)]


class NewMoves(BaseModel):
    """Moves, which are made at once or not at all."""

    model_config = ConfigDict(extra="forbid")
    moves: Annotated[list[Move], Field(min_length=1, max_length=MOST_ITEMS)]


@router.post("/clusters", dependencies=[READ], openapi_extra=uploads.body_of())
async def assign(request: Request) -> Response:
    """The prototypes of each picture and the cluster it belongs to. `prototypes` is null if the bundle has none."""
    state: State = request.app.state.copysight
    body = await uploads.pictures(request, state.settings)
    context = await state.query_context()
    snapshot = context.snapshot
    outputs = ("embedding", *(("prototypes",) if snapshot.bundle.prototypes else ()))
    results = await inference.infer(state, context.embedder, body.pictures, outputs)
    items = await threads.run(state.searchers, _assigned, state, snapshot, results)
    return search_answers.json({**search_answers.index_fields(snapshot, context.embedder), "items": items})


@router.get("/clusters", dependencies=[READ])
async def listing(request: Request) -> Response:
    """All clusters, the largest first, each with pictures that stand for it.

    `representatives`: the picture nearest to the centre, and others near it that differ from each other.
    """
    state: State = request.app.state.copysight
    return search_answers.json(await threads.run(state.searchers, _all, state))


@router.post("/clusters/moves", dependencies=[WRITE])
async def move(request: Request, wanted: NewMoves) -> Response:
    """Move pictures to another cluster, or to a new one. They stay there over rebuilds.

    Pictures count by their bytes: items of equal bytes move together. `before` are the moves that undo these.
    """
    state: State = request.app.state.copysight
    made = await threads.run(state.searchers, _move, state, wanted, key_name(request))
    answer = {"moves": _as_json(made.made), "before": _as_json(made.before)}
    return search_answers.json(answer)


@router.get("/clusters/{number}", dependencies=[READ])
async def one(
    request: Request,
    number: Number,
    limit: int = Query(100, ge=1, le=1000),
    offset: int = Query(0, ge=0, le=2**31),
) -> Response:
    """A cluster and its members. The members nearest to its centre come first."""
    state: State = request.app.state.copysight
    return search_answers.json(await threads.run(state.searchers, _one, state, number, limit, offset))


@router.patch("/clusters/{number}", dependencies=[WRITE])
async def rename(request: Request, number: Number, name: Annotated[Any, NAME] = None) -> Response:
    """Name a cluster, for example `{"name": "beaches"}`. `null` removes the name. Names survive rebuilds."""
    state: State = request.app.state.copysight
    if name is not None and not (isinstance(name, str) and 0 < len(name) <= 200):
        raise InvalidArgument(
            "got an invalid name; it must be a string of 1 to 200 characters, or null to remove the name"
        )
    await threads.run(state.searchers, _rename, state, number, name)
    return search_answers.json(await threads.run(state.searchers, _one, state, number, 0, 0))


def _assigned(state: State, snapshot: Snapshot, results: list[Any]) -> list[dict[str, Any]]:
    good = [one for one in results if isinstance(one, PictureFeatures)]
    vectors = np.stack([one.vector for one in good]) if good else np.empty((0, snapshot.bundle.dimension))
    found = iter(search_answers.memberships(state, snapshot, vectors.astype(np.float32)) if good else [])
    return [
        {"prototypes": search_answers.prototypes(snapshot, one.features.prototypes), "cluster": next(found)}
        if isinstance(one, PictureFeatures)
        else {"error": item_error(one)}
        for one in results
    ]


def _all(state: State) -> dict[str, Any]:
    snapshot = state.index.snapshot().clustered()
    names = state.index.catalog.names.all()
    clusters = [
        {
            "id": cluster.id,
            "size": cluster.size,
            "tightness": cluster.tightness,
            "name": names.get(cluster.id),
            "representatives": _covers(snapshot, cluster.id, cluster.size),
        }
        for cluster in snapshot.clusters()
        if cluster.size  # all pictures of the others were moved
    ]
    return search_answers.index_fields(snapshot) | {"clusters": clusters}


def _covers(snapshot: Snapshot, number: int, size: int) -> list[int]:
    """Ids of pictures of a cluster: copies of one picture, which are next to each other, would say little about it."""
    near = snapshot.members(number, max(REPRESENTATIVES, min(NEAR, (size + 1) // 2)))
    ids = np.array([match.id for match in near], np.int64)
    if snapshot.generation is None:
        return []
    gathered = snapshot.generation.searcher.gather(snapshot.generation.rows(ids))
    ids = snapshot.generation.ids[gathered.rows]
    return [int(one) for one in ids[diverse(gathered.vectors, REPRESENTATIVES)]]


def _one(state: State, number: int, limit: int, offset: int) -> dict[str, Any]:
    snapshot = state.index.snapshot().clustered()
    members = snapshot.members(number, limit, offset)
    size = next(cluster.size for cluster in snapshot.clusters() if cluster.id == number)
    about = {"id": number, "size": size, "name": state.index.catalog.names.all().get(number)}
    return search_answers.index_fields(snapshot) | about | {"members": _members(state, members)}


def _members(state: State, members: list[Match]) -> list[dict[str, Any]]:
    items = state.index.catalog.get_many([match.id for match in members])
    return [
        search_answers.item(items[match.id]) | {"similarity": match.similarity}
        for match in members
        if match.id in items
    ]


def _rename(state: State, number: int, name: str | None) -> None:
    state.index.snapshot().clustered().members(number, 1)  # raises if the cluster does not exist
    state.index.catalog.names.set(number, name)


def _move(state: State, wanted: NewMoves, author: str | None) -> Moves:
    snapshot = state.index.snapshot().clustered()
    placements = []
    for one in wanted.moves:
        # A cluster that people made is gone when all its pictures have moved on; moving them back makes it again.
        if isinstance(one.to, int) and one.to < FIRST_NEW:
            snapshot.members(one.to, 1)  # raises if the cluster does not exist
        placements.append(Placement(tuple(one.items), NEW if one.to == "new" else one.to))
    return state.index.catalog.moves.put(placements, author)


def _as_json(placements: Sequence[Placement]) -> list[dict[str, Any]]:
    return [{"items": list(one.items), "to": one.to} for one in placements]
