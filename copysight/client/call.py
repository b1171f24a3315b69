"""One API call as data: the request, and the function that parses its response. No network access here."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Generic, Literal, TypeVar

import httpx
import orjson

from copysight.client import answers
from copysight.client.answers import Added, Fault
from copysight.client.errors import Refused
from copysight.client.pictures import Source, encoded
from copysight.system import exact_json, storable

T = TypeVar("T")
Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]


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


def form(pictures: Sequence[Source]) -> list[tuple[str, bytes]]:
    """The pictures as parts of a form."""
    return [("file", encoded(picture)) for picture in pictures]


def known(**values: Any) -> dict[str, Any]:
    """The parameters that are set."""
    return {name: value for name, value in values.items() if value is not None}


def flag(name: str, value: bool) -> dict[str, str]:
    """A parameter that is sent only if it is true."""
    return {name: "true"} if value else {}


def stored(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """The metadata. Raises ``InvalidArgument`` for values that JSON cannot hold exactly, as the server does."""
    storable.check(dict(metadata), "metadata")
    return dict(metadata)


def text(name: str, value: str | None) -> bytes:
    """A JSON object with one text. Raises ``InvalidArgument``."""
    storable.check(value, name)
    return orjson.dumps({name: value})


def of_json(read: Callable[[Mapping[str, Any]], T]) -> Callable[[httpx.Response], T]:
    """Parse a response that is a JSON object with ``read``."""
    return lambda response: read(exact_json.loads_answer(response.content))


def of_fields(kind: type[T]) -> Callable[[httpx.Response], T]:
    """Parse a response whose fields are those of ``kind``."""
    return of_json(partial(answers.from_json, kind))


def response_content(response: httpx.Response) -> bytes:
    """The bytes of a response."""
    return response.content


def nothing(response: httpx.Response) -> None:  # noqa: ARG001 - the signature of all parsers
    """Parse a response without content."""
    return


def added_item(response: httpx.Response) -> Added:
    """Parse the response to one new picture."""
    given = exact_json.loads_answer(response.content)
    return answers.added_item(given, given)


def added_lines(response: httpx.Response) -> list[Added | Fault]:
    """Parse the response to many new pictures. Raises ``Refused`` for an error of the whole request."""
    given = [exact_json.loads_answer(one) for one in response.content.splitlines()]
    for one in given:
        if "line" not in one:
            raise Refused(response.status_code, one["error"]["code"], one["error"]["detail"])
    return [answers.added(one) for one in given]
