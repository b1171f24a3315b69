"""Every call of the API: its request, and the function that parses the response. No network access here."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import numpy as np
import numpy.typing as npt
import orjson

from copysight.client import answers
from copysight.client.answers import (
    Added,
    Caller,
    ClusterMove,
    ClusterMoves,
    Comparison,
    Decided,
    Duplicates,
    Embeddings,
    Fault,
    Found,
    Group,
    Index,
    Item,
    Job,
    ListState,
    Maps,
    MatchDecision,
    MatchDecisions,
    Members,
    Membership,
    Page,
    Plane,
    Ready,
)
from copysight.client.call import (
    Call,
    added_item,
    added_lines,
    flag,
    form,
    known,
    nothing,
    of_fields,
    of_json,
    response_content,
    stored,
    text,
)
from copysight.client.options import DuplicateOptions, ListPolicy, MapMethod, New, Options
from copysight.client.pictures import Source, encoded
from copysight.system import storable


def embed(pictures: Sequence[Source]) -> Call[Embeddings]:
    """``POST /embed``."""
    return Call("POST", "/embed", of_json(answers.embeddings), files=form(pictures))


def clusters() -> Call[list[Group]]:
    """``GET /clusters``."""
    return Call("GET", "/clusters", of_json(lambda given: [answers.from_json(Group, one) for one in given["clusters"]]))


def cluster(number: int, limit: int = 100, offset: int = 0) -> Call[Members]:
    """``GET /clusters/{number}``."""
    return Call("GET", f"/clusters/{number}", of_json(answers.members), {"limit": limit, "offset": offset})


def move_pictures(moves: Sequence[ClusterMove]) -> Call[ClusterMoves]:
    """``POST /clusters/moves``."""
    content = orjson.dumps({"moves": [{"items": list(one.items), "to": one.to} for one in moves]})
    return Call("POST", "/clusters/moves", of_json(answers.cluster_moves), content=content, retry_safe=False)


def name_cluster(number: int, name: str | None) -> Call[Members]:
    """``PATCH /clusters/{number}``."""
    return Call("PATCH", f"/clusters/{number}", of_json(answers.members), content=text("name", name))


def search(pictures: Sequence[Source], options: Options) -> Call[Found]:
    """``POST /search`` with pictures."""
    params = options.given()
    if options.filter is not None:
        params["filter"] = orjson.dumps(options.filter).decode()
    return Call("POST", "/search", of_json(answers.found), params, form(pictures))


def search_ids(ids: Sequence[int], options: Options) -> Call[Found]:
    """``POST /search`` with item ids."""
    return Call("POST", "/search", of_json(answers.found), content=orjson.dumps({"ids": list(ids)} | options.given()))


def search_vectors(vectors: npt.NDArray[np.float32], options: Options) -> Call[Found]:
    """``POST /search`` with vectors (N, D)."""
    body = {"vectors": np.ascontiguousarray(vectors, np.float32)} | options.given()
    content = orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY)
    return Call("POST", "/search", of_json(answers.found), content=content)


def compare(
    one: Source, other: Source, effort: str | None = None, verify: str | None = None, explain: bool = False
) -> Call[Comparison]:
    """``POST /compare``."""
    params = known(effort=effort, verify=verify) | flag("explain", explain)
    return Call("POST", "/compare", of_json(answers.comparison), params, form([one, other]))


def assign(pictures: Sequence[Source]) -> Call[list[Membership | Fault]]:
    """``POST /clusters``."""
    return Call("POST", "/clusters", of_json(answers.memberships), files=form(pictures))


def attention(
    pictures: Sequence[Source],
    head: int | None = None,
    threshold: float | None = None,
    method: MapMethod | None = None,
) -> Call[list[Maps | Fault]]:
    """``POST /attention``, with the maps as numbers."""
    params = known(head=head, threshold=threshold, method=method)
    return Call("POST", "/attention", of_json(answers.maps), params, form(pictures))


def attention_png(
    picture: Source, head: int | None = None, threshold: float | None = None, method: MapMethod | None = None
) -> Call[bytes]:
    """``POST /attention``, with the maps as a PNG drawing."""
    params = known(head=head, threshold=threshold, method=method, format="png")
    return Call("POST", "/attention", response_content, params, form([picture]))


def add(new: New, replace: bool = False, match: bool = False) -> Call[Added]:
    """``POST /images`` with one picture."""
    params = known(key=new.key, collection=new.collection, metadata=orjson.dumps(stored(new.metadata)).decode())
    params |= flag("replace", replace) | flag("match", match)
    return Call("POST", "/images", added_item, params, form([new.picture]))


def add_lines(lines: bytes, replace: bool = False, match: bool = False) -> Call[list[Added | Fault]]:
    """``POST /images`` with many pictures, as lines made by ``line``."""
    params = flag("replace", replace) | flag("match", match)
    return Call("POST", "/images", added_lines, params, content=lines, content_type="application/x-ndjson")


def line(new: New) -> bytes:
    """A picture to add, as one line of JSON."""
    about = known(key=new.key, collection=new.collection, metadata=stored(new.metadata))
    return orjson.dumps(about | {"image": base64.b64encode(encoded(new.picture)).decode()}) + b"\n"


def page(
    collection: str | None = None,
    key: str | None = None,
    after: int = 0,
    limit: int = 100,
    filter: Mapping[str, Any] | None = None,  # noqa: A002 - the API's word
    state: str | None = None,
    text: str | None = None,
    sort: str | None = None,
    descending: bool = False,
    offset: int | None = None,
) -> Call[Page]:
    """``GET /images``."""
    wanted = None if filter is None else orjson.dumps(filter).decode()
    params = known(collection=collection, key=key, after=after, limit=limit, filter=wanted, state=state)
    params |= known(text=text, sort=sort, offset=offset) | flag("descending", descending)
    return Call("GET", "/images", of_json(answers.page), params)


def item(number: int) -> Call[Item]:
    """``GET /images/{number}``."""
    return Call("GET", f"/images/{number}", of_fields(Item))


def set_metadata(number: int, metadata: Mapping[str, Any]) -> Call[Item]:
    """``PATCH /images/{number}``."""
    content = orjson.dumps({"metadata": stored(metadata)})
    return Call("PATCH", f"/images/{number}", of_fields(Item), content=content)


def change(number: int, changes: Mapping[str, Any]) -> Call[Item]:
    """``PATCH /images/{number}`` with any fields."""
    storable.check(dict(changes), "changes")
    return Call("PATCH", f"/images/{number}", of_fields(Item), content=orjson.dumps(dict(changes)))


def lists() -> Call[list[ListState]]:
    """``GET /lists``."""
    return Call("GET", "/lists", of_json(answers.list_states))


def put_list(policy: ListPolicy) -> Call[ListState]:
    """``PUT /lists/{name}``."""
    name, content = quote(policy.name, safe=""), orjson.dumps(policy.given())
    return Call("PUT", f"/lists/{name}", of_fields(ListState), content=content)


def delete_list(name: str) -> Call[None]:
    """``DELETE /lists/{name}``."""
    name = quote(name, safe="")
    return Call("DELETE", f"/lists/{name}", nothing, retry_safe=False)


def decide_match(
    decision: str, match: int | None, reason: str, query: str | None, item: int | None
) -> Call[MatchDecision]:
    """``POST /decisions``."""
    content = orjson.dumps(known(decision=decision, match=match, reason=reason, query=query, item=item))
    return Call("POST", "/decisions", of_fields(MatchDecision), content=content, retry_safe=False)


def withdraw_match_decision(number: int) -> Call[None]:
    """``DELETE /decisions/{number}``."""
    return Call("DELETE", f"/decisions/{number}", nothing, retry_safe=False)


def match_decisions(
    list: str | None = None,  # noqa: A002 - the API's word
    item: int | None = None,
    after: int = 0,
    limit: int = 100,
) -> Call[MatchDecisions]:
    """``GET /decisions``."""
    params = known(list=list, item=item, after=after, limit=limit)
    return Call("GET", "/decisions", of_json(answers.match_decisions), params)


def delete(number: int) -> Call[None]:
    """``DELETE /images/{number}``."""
    return Call("DELETE", f"/images/{number}", nothing, retry_safe=False)


def delete_matching(
    key: str | None,
    collection: str | None,
    filter: Mapping[str, Any] | None,  # noqa: A002 - the API's word
    dry_run: bool,
) -> Call[int]:
    """``DELETE /images``."""
    wanted = None if filter is None else orjson.dumps(filter).decode()
    params = known(key=key, collection=collection, filter=wanted, dry_run=dry_run)
    return Call("DELETE", "/images", of_json(_number_deleted), params, retry_safe=dry_run)


def original(number: int) -> Call[bytes]:
    """``GET /images/{number}/original``."""
    return Call("GET", f"/images/{number}/original", response_content)


def thumbnail(number: int) -> Call[bytes]:
    """``GET /images/{number}/thumbnail``."""
    return Call("GET", f"/images/{number}/thumbnail", response_content)


def duplicates(wanted: DuplicateOptions, offset: int = 0, limit: int = 50) -> Call[Duplicates]:
    """``GET /duplicates``."""
    return Call("GET", "/duplicates", of_json(answers.duplicates), wanted.given() | {"offset": offset, "limit": limit})


def find_duplicates(collection: str | None = None) -> Call[Job]:
    """``POST /duplicates``."""
    return Call("POST", "/duplicates", of_fields(Job), content=text("collection", collection))


def decide(decisions: Sequence[tuple[str, Sequence[int]]]) -> Call[Decided]:
    """``POST /duplicates/decisions`` with decisions: the name of each, and the ids of its items."""
    listed = [{"decision": name, "ids": list(ids)} for name, ids in decisions]
    return Call(
        "POST",
        "/duplicates/decisions",
        of_fields(Decided),
        content=orjson.dumps({"decisions": listed}),
        retry_safe=False,
    )


def resolve_duplicates(wanted: DuplicateOptions) -> Call[Decided]:
    """``POST /duplicates/decisions`` for all groups."""
    return Call(
        "POST",
        "/duplicates/decisions",
        of_fields(Decided),
        content=orjson.dumps({"resolve": wanted.given()}),
        retry_safe=False,
    )


def undo_decisions(batch: int) -> Call[Decided]:
    """``POST /duplicates/decisions`` that undoes a batch."""
    content = orjson.dumps({"undo": batch})
    return Call("POST", "/duplicates/decisions", of_fields(Decided), content=content, retry_safe=False)


def plane(collection: str | None = None, field: str | None = None) -> Call[Plane]:
    """``GET /map``."""
    return Call("GET", "/map", of_fields(Plane), known(collection=collection, field=field))


def index() -> Call[Index]:
    """``GET /index``."""
    return Call("GET", "/index", of_json(answers.index))


def rebuild(bundle: str | None = None, allow_missing: bool = False) -> Call[Job]:
    """``POST /index/rebuild``."""
    content = orjson.dumps({"bundle": bundle, "allow_missing": allow_missing})
    return Call("POST", "/index/rebuild", of_fields(Job), content=content)


def reload() -> Call[Index]:
    """``POST /index/reload``."""
    return Call("POST", "/index/reload", of_json(answers.index))


def rollback(to: str | None = None) -> Call[Index]:
    """``POST /index/rollback``."""
    return Call("POST", "/index/rollback", of_json(answers.index), content=text("to", to), retry_safe=False)


def jobs() -> Call[list[Job]]:
    """``GET /jobs``."""
    return Call("GET", "/jobs", of_json(lambda given: [answers.from_json(Job, one) for one in given["jobs"]]))


def job(number: int) -> Call[Job]:
    """``GET /jobs/{number}``."""
    return Call("GET", f"/jobs/{number}", of_fields(Job))


def whoami() -> Call[Caller]:
    """``GET /whoami``."""
    return Call("GET", "/whoami", of_fields(Caller))


def ready() -> Call[Ready]:
    """``GET /readyz``."""
    return Call("GET", "/readyz", of_fields(Ready))


def _number_deleted(answer: Mapping[str, Any]) -> int:
    return int(answer["deleted"])
