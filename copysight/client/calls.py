"""Every API call as data: the request, and the function that parses the response. No network access here."""

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Generic, Literal, TypeVar

import httpx
import numpy as np
import numpy.typing as npt
import orjson

from copysight.client import answers
from copysight.client.answers import (
    Added,
    Caller,
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
    Maps,
    Members,
    Membership,
    Page,
    Ready,
)
from copysight.client.errors import Refused
from copysight.client.pictures import Source, encoded
from copysight.system import exact_json, storable

T = TypeVar("T")
Method = Literal["GET", "POST", "PATCH", "DELETE"]


@dataclass(frozen=True)
class Call(Generic[T]):
    """One request. ``retry_safe``: it may be sent again if it is unknown whether the first one arrived."""

    method: Method
    path: str
    read: Callable[[httpx.Response], T]
    params: Mapping[str, Any] = field(default_factory=dict)
    files: Sequence[tuple[str, bytes]] = ()
    content: bytes | None = None
    content_type: str = "application/json"
    retry_safe: bool = True


@dataclass(frozen=True)
class New:
    """A picture to add. Without a ``key``, its sha256 becomes the key."""

    picture: Source
    key: str | None = None
    collection: str = "default"
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Options:
    """Options of a search."""

    k: int = 10
    min_probability: float | None = None
    collection: str | None = None
    filter: Mapping[str, Any] | None = None
    effort: str | None = None
    verify: str | None = None
    precision: float | None = None

    def given(self) -> dict[str, Any]:
        """The options that are set, by name."""
        return {name: value for name, value in vars(self).items() if value is not None}


@dataclass(frozen=True)
class DuplicateOptions:
    """Which groups of copies are wanted. ``keep``: the keep rules. ``verdict``: names separated by commas."""

    collection: str | None = None
    min_probability: float | None = None
    verdict: str | None = None
    prefix: str | None = None
    keep: str | None = None

    def given(self) -> dict[str, Any]:
        """The options that are set, by name."""
        return {name: value for name, value in vars(self).items() if value is not None}


def embed(pictures: Sequence[Source]) -> Call[Embeddings]:
    """``POST /embed``."""
    return Call("POST", "/embed", _json(answers.embeddings), files=_files(pictures))


def clusters() -> Call[list[Group]]:
    """``GET /clusters``."""
    return Call("GET", "/clusters", _json(lambda given: [answers.from_json(Group, one) for one in given["clusters"]]))


def cluster(number: int, limit: int = 100, offset: int = 0) -> Call[Members]:
    """``GET /clusters/{number}``."""
    return Call("GET", f"/clusters/{number}", _json(answers.members), {"limit": limit, "offset": offset})


def name_cluster(number: int, name: str | None) -> Call[Members]:
    """``PATCH /clusters/{number}``."""
    return Call("PATCH", f"/clusters/{number}", _json(answers.members), content=_text("name", name))


def search(pictures: Sequence[Source], options: Options) -> Call[Found]:
    """``POST /search`` with pictures."""
    params = options.given()
    if options.filter is not None:
        params["filter"] = orjson.dumps(options.filter).decode()
    return Call("POST", "/search", _json(answers.found), params, _files(pictures))


def search_ids(ids: Sequence[int], options: Options) -> Call[Found]:
    """``POST /search`` with item ids."""
    return Call("POST", "/search", _json(answers.found), content=orjson.dumps({"ids": list(ids)} | options.given()))


def search_vectors(vectors: npt.NDArray[np.float32], options: Options) -> Call[Found]:
    """``POST /search`` with vectors (N, D)."""
    body = {"vectors": np.ascontiguousarray(vectors, np.float32)} | options.given()
    content = orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY)
    return Call("POST", "/search", _json(answers.found), content=content)


def compare(one: Source, other: Source, effort: str | None = None, verify: str | None = None) -> Call[Comparison]:
    """``POST /compare``."""
    params = {name: value for name, value in (("effort", effort), ("verify", verify)) if value is not None}
    return Call("POST", "/compare", _one(Comparison), params, _files([one, other]))


def assign(pictures: Sequence[Source]) -> Call[list[Membership | Fault]]:
    """``POST /clusters``."""
    return Call("POST", "/clusters", _json(answers.memberships), files=_files(pictures))


def attention(
    pictures: Sequence[Source], head: int | None = None, threshold: float | None = None
) -> Call[list[Maps | Fault]]:
    """``POST /attention``, with the maps as numbers."""
    return Call("POST", "/attention", _json(answers.maps), _known(head=head, threshold=threshold), _files(pictures))


def attention_png(picture: Source, head: int | None = None, threshold: float | None = None) -> Call[bytes]:
    """``POST /attention``, with the maps as a PNG drawing."""
    params = _known(head=head, threshold=threshold, format="png")
    return Call("POST", "/attention", _content, params, _files([picture]))


def add(new: New, replace: bool = False) -> Call[Added]:
    """``POST /images`` with one picture."""
    params = _known(key=new.key, collection=new.collection, metadata=orjson.dumps(_storable(new.metadata)).decode())
    return Call("POST", "/images", _added, params | _flag("replace", replace), _files([new.picture]))


def add_lines(lines: bytes, replace: bool = False) -> Call[list[Added | Fault]]:
    """``POST /images`` with many pictures, as lines made by ``line``."""
    return Call(
        "POST", "/images", _lines, _flag("replace", replace), content=lines, content_type="application/x-ndjson"
    )


def line(new: New) -> bytes:
    """A picture to add, as one line of JSON."""
    about = _known(key=new.key, collection=new.collection, metadata=_storable(new.metadata))
    return orjson.dumps(about | {"image": base64.b64encode(encoded(new.picture)).decode()}) + b"\n"


def page(collection: str | None = None, key: str | None = None, after: int = 0, limit: int = 100) -> Call[Page]:
    """``GET /images``."""
    params = _known(collection=collection, key=key, after=after, limit=limit)
    return Call("GET", "/images", _json(answers.page), params)


def item(number: int) -> Call[Item]:
    """``GET /images/{number}``."""
    return Call("GET", f"/images/{number}", _one(Item))


def set_metadata(number: int, metadata: Mapping[str, Any]) -> Call[Item]:
    """``PATCH /images/{number}``."""
    return Call("PATCH", f"/images/{number}", _one(Item), content=orjson.dumps({"metadata": _storable(metadata)}))


def delete(number: int) -> Call[None]:
    """``DELETE /images/{number}``."""
    return Call("DELETE", f"/images/{number}", _nothing, retry_safe=False)


def thumbnail(number: int) -> Call[bytes]:
    """``GET /images/{number}/thumbnail``."""
    return Call("GET", f"/images/{number}/thumbnail", _content)


def duplicates(wanted: DuplicateOptions, offset: int = 0, limit: int = 50) -> Call[Duplicates]:
    """``GET /duplicates``."""
    return Call("GET", "/duplicates", _json(answers.duplicates), wanted.given() | {"offset": offset, "limit": limit})


def find_duplicates(collection: str | None = None) -> Call[Job]:
    """``POST /duplicates``."""
    return Call("POST", "/duplicates", _one(Job), content=_text("collection", collection))


def decide(decisions: Sequence[tuple[str, Sequence[int]]]) -> Call[Decided]:
    """``POST /duplicates/decisions`` with decisions: the name of each, and the ids of its items."""
    listed = [{"decision": name, "ids": list(ids)} for name, ids in decisions]
    return Call(
        "POST", "/duplicates/decisions", _one(Decided), content=orjson.dumps({"decisions": listed}), retry_safe=False
    )


def resolve_duplicates(wanted: DuplicateOptions) -> Call[Decided]:
    """``POST /duplicates/decisions`` for all groups."""
    return Call(
        "POST",
        "/duplicates/decisions",
        _one(Decided),
        content=orjson.dumps({"resolve": wanted.given()}),
        retry_safe=False,
    )


def undo_decisions(batch: int) -> Call[Decided]:
    """``POST /duplicates/decisions`` that undoes a batch."""
    return Call("POST", "/duplicates/decisions", _one(Decided), content=orjson.dumps({"undo": batch}), retry_safe=False)


def index() -> Call[Index]:
    """``GET /index``."""
    return Call("GET", "/index", _json(answers.index))


def rebuild(bundle: str | None = None, allow_missing: bool = False) -> Call[Job]:
    """``POST /index/rebuild``."""
    content = orjson.dumps({"bundle": bundle, "allow_missing": allow_missing})
    return Call("POST", "/index/rebuild", _one(Job), content=content)


def reload() -> Call[Index]:
    """``POST /index/reload``."""
    return Call("POST", "/index/reload", _json(answers.index))


def rollback(to: str | None = None) -> Call[Index]:
    """``POST /index/rollback``."""
    return Call("POST", "/index/rollback", _json(answers.index), content=_text("to", to), retry_safe=False)


def jobs() -> Call[list[Job]]:
    """``GET /jobs``."""
    return Call("GET", "/jobs", _json(lambda given: [answers.from_json(Job, one) for one in given["jobs"]]))


def job(number: int) -> Call[Job]:
    """``GET /jobs/{number}``."""
    return Call("GET", f"/jobs/{number}", _one(Job))


def whoami() -> Call[Caller]:
    """``GET /whoami``."""
    return Call("GET", "/whoami", _one(Caller))


def ready() -> Call[Ready]:
    """``GET /readyz``."""
    return Call("GET", "/readyz", _one(Ready))


def _files(pictures: Sequence[Source]) -> list[tuple[str, bytes]]:
    return [("file", encoded(picture)) for picture in pictures]


def _known(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _storable(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """The metadata. Raises ``InvalidArgument`` for values that JSON cannot hold exactly, as the server does."""
    storable.check(dict(metadata), "metadata")
    return dict(metadata)


def _text(name: str, text: str | None) -> bytes:
    """A JSON object with one text. Raises ``InvalidArgument``."""
    storable.check(text, name)
    return orjson.dumps({name: text})


def _flag(name: str, value: bool) -> dict[str, str]:
    return {name: "true"} if value else {}


def _json(read: Callable[[Mapping[str, Any]], T]) -> Callable[[httpx.Response], T]:
    return lambda response: read(exact_json.loads_answer(response.content))


def _one(kind: type[T]) -> Callable[[httpx.Response], T]:
    return _json(partial(answers.from_json, kind))


def _content(response: httpx.Response) -> bytes:
    return response.content


def _nothing(response: httpx.Response) -> None:  # noqa: ARG001 - the signature of all parsers
    return None


def _added(response: httpx.Response) -> Added:
    given = exact_json.loads_answer(response.content)
    return Added(given["status"], answers.from_json(Item, given))


def _lines(response: httpx.Response) -> list[Added | Fault]:
    given = [exact_json.loads_answer(one) for one in response.content.splitlines()]
    for one in given:
        if "line" not in one:  # an error of the whole request, not of one picture
            raise Refused(response.status_code, one["error"]["code"], one["error"]["detail"])
    return [answers.added(one) for one in given]
