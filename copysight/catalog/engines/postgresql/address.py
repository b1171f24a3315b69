"""Where a catalog on PostgreSQL is: the server of the environment, and the schema that the index names."""

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

from copysight.errors import IndexCorrupt, IndexNotFound, InvalidArgument

VARIABLE = "COPYSIGHT_CATALOG"
SUFFIX = ".json"
"""A catalog whose file ends so is on a server: the file names the schema. Others are SQLite files."""
SCHEMES = ("postgresql", "postgres")
SCHEMA = re.compile(r"[a-z_][a-z0-9_]{0,62}")


@dataclass(frozen=True)
class Server:
    """The address of a database as libpq reads it, and the ``schema`` that it asks for; None: any."""

    url: str
    schema: str | None


@dataclass(frozen=True)
class Place:
    """What the file of a catalog says: its ``schema``, and the ``identity`` of the catalog in it."""

    schema: str
    identity: str


def configured() -> Server | None:
    """The server of COPYSIGHT_CATALOG; None if the variable is not set. Raises ``InvalidArgument``.

    It is read here and not handed down, like libpq's own variables: it holds a password, and every command that opens
    an index needs it.
    """
    given = os.environ.get(VARIABLE, "")
    return server(given) if given else None


def server(given: str) -> Server:
    """The server of an address ``postgresql://USER@HOST/DATABASE?schema=NAME``. Raises ``InvalidArgument``."""
    parts = urlsplit(given)
    if parts.scheme not in SCHEMES:
        raise InvalidArgument(f"got {VARIABLE} = {parts.scheme}:…; it must be an address postgresql://HOST/DATABASE")
    words = parse_qsl(parts.query, keep_blank_values=True)
    schemas = [value for name, value in words if name == "schema"]
    if any(not SCHEMA.fullmatch(one) for one in schemas):
        raise InvalidArgument(f"got the schema {schemas[0]!r:.80}; a name has letters a to z, digits and underscores")
    rest = urlencode([pair for pair in words if pair[0] != "schema"])
    return Server(parts._replace(query=rest).geturl(), schemas[-1] if schemas else None)


def read(path: Path) -> Place:
    """What the file of a catalog says. Raises ``IndexCorrupt``."""
    try:
        found = json.loads(path.read_bytes())
        place = Place(found["schema"], found["identity"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise IndexCorrupt(f"{path} does not name a catalog ({error}); restore it from a backup") from error
    if not isinstance(place.schema, str) or not SCHEMA.fullmatch(place.schema):
        raise IndexCorrupt(f"{path} names the schema {place.schema!r:.80}, which cannot be; restore it from a backup")
    return place


def content(place: Place) -> bytes:
    """The file of a catalog."""
    return (json.dumps({"engine": "postgresql", "schema": place.schema, "identity": place.identity}) + "\n").encode()


def server_of(path: Path, place: Place) -> Server:
    """The server of the catalog in the file ``path``. Raises ``IndexNotFound`` or ``InvalidArgument``."""
    found = configured()
    if found is None:
        raise IndexNotFound(f"the catalog of {path.parent} is on PostgreSQL; set {VARIABLE} to its address")
    if found.schema not in {None, place.schema}:
        raise InvalidArgument(
            f"the catalog of {path.parent} is in the schema {place.schema!r}, got {VARIABLE} with the schema "
            f"{found.schema!r}; leave the schema out"
        )
    return found
