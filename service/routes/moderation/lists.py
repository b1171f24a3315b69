"""``/lists``: collections with a policy, which says what to do with a picture that matches one of their items."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from copysight.catalog.moderation import lists as stored
from copysight.catalog.moderation.lists import DENIALS, FLOOD, MOST, ListPolicy, Policy, StoredList
from copysight.errors import ItemNotFound
from copysight.scoring.decided import MIN_DECISIONS
from service.queries import search_answers
from service.routes.scopes import ADMIN, READ, key_name
from service.runtime import threads
from service.state import State

router = APIRouter(prefix="/lists", tags=["moderation"])
Name = Annotated[str, Path(description="Name of the list: the collection that holds its items.")]
Count = Annotated[int, Field(strict=True, ge=1, le=MOST)]


class PutList(BaseModel):
    """The policy of a list. Fields that are not sent get their defaults."""

    model_config = ConfigDict(extra="forbid")
    policy: Annotated[Policy, Field(description="What a match means.")]
    action: Annotated[
        str,
        Field(
            max_length=stored.LONGEST_ACTION,
            description="Text that answers carry, such as `remove and report`. Default: the policy.",
        ),
    ] = ""
    precision: Annotated[
        float | None,
        Field(
            gt=0,
            lt=1,
            description="Matches count if they keep this expected precision. Default: if their verdict is `copy` or "
            "`exact`.",
        ),
    ] = None
    expires: Annotated[
        float | None,
        Field(gt=0, lt=1e12, description="From when on the list matches nothing, in seconds since the epoch."),
    ] = None
    enabled: Annotated[bool, Field(strict=True, description="A list that is not enabled matches nothing.")] = True
    note: Annotated[str, Field(max_length=stored.LONGEST_NOTE)] = ""
    flood: Annotated[
        Count | None,
        Field(
            description=f"An item with more matches in an hour goes to quarantine. Default: {FLOOD} for `review`, else "
            "never (null)."
        ),
    ] = None
    denials: Annotated[
        Count | None, Field(description="An item with as many denied matches goes to quarantine; null: never.")
    ] = DENIALS

    def named(self, name: str) -> ListPolicy:
        """The policy of the list ``name``."""
        given = self.model_dump()
        if "flood" not in self.model_fields_set and self.policy == "review":
            given["flood"] = FLOOD
        return ListPolicy(name, **given)


@router.get("", dependencies=[READ])
async def listing(request: Request) -> Response:
    """All lists by name, with the number of their items, and of those that are disabled, expired or in quarantine.

    `calibration` says what the probabilities of the list's matches follow: the `index`, or the `decisions` about them.
    """
    state: State = request.app.state.copysight
    return search_answers.json({"lists": await threads.run(state.searchers, _all, state)})


@router.put(
    "/{name:path}",
    dependencies=[ADMIN],
    status_code=200,
    responses={201: {"description": "The list is new.", "content": {"application/json": {}}}},
)
async def put(request: Request, name: Name, policy: PutList) -> Response:
    """Make a collection a list, or replace the policy of a list. The next search uses it.

    A picture that matches several lists gets the decision of the strictest one: `block`, then `review`, then `allow`.
    If its bytes are those of an item of an `allow` list, that list decides.
    """
    state: State = request.app.state.copysight
    put_list = state.index.catalog.moderation.put_list
    created = await threads.run(state.searchers, put_list, policy.named(name), key_name(request))
    found = await threads.run(state.searchers, _all, state)
    mine = [one for one in found if one["name"] == name]
    if not mine:
        raise ItemNotFound(f"the list {name[:80]!r} was stored, and another call has deleted it since")
    return search_answers.json(mine[0], 201 if created else 200)


@router.delete("/{name:path}", dependencies=[ADMIN], status_code=204)
async def delete(request: Request, name: Name) -> Response:
    """Forget the policy of a list. Its collection and items stay."""
    state: State = request.app.state.copysight
    await threads.run(state.searchers, state.index.catalog.moderation.delete_list, name, key_name(request))
    snapshot = await threads.run(state.searchers, state.index.snapshot)
    return Response(status_code=204, headers=search_answers.index_headers(snapshot))


def _all(state: State) -> list[dict[str, Any]]:
    moderation = state.index.catalog.moderation
    counts = {
        "items": state.index.catalog.collections(),
        "disabled": moderation.counts("disabled"),
        "expired": moderation.counts("expired"),
        "quarantined": moderation.counts("quarantined"),
    }
    return [
        _json(one, {kind: found.get(one.list.name, 0) for kind, found in counts.items()}) for one in moderation.lists()
    ]


def _json(one: StoredList, counts: dict[str, int]) -> dict[str, Any]:
    learned = one.learned
    calibration = {"source": "index", "decisions": None, "needed": MIN_DECISIONS}
    if learned is not None:
        calibration |= {"source": "decisions", "decisions": learned.samples}
    return asdict(one.list) | counts | {"calibration": calibration, "changed": one.changed, "author": one.author}
