"""Where new generations are made: COPYSIGHT_VECTORS, the address of a Milvus server, or files."""

import os
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from copysight.errors import InvalidArgument

VARIABLE = "COPYSIGHT_VECTORS"
FILES = "files"
"""The value that means what no value means, too: generations are files with a FAISS index."""


@dataclass(frozen=True)
class Address:
    """A Milvus server: ``url`` without credentials, the ``database`` in it, and the ``token`` (``USER:PASSWORD``)."""

    url: str
    database: str = ""
    token: str = field(default="", repr=False)


def configured() -> Address | None:
    """The server of COPYSIGHT_VECTORS; None for files. Raises ``InvalidArgument``.

    It is read here and not handed down, as COPYSIGHT_CATALOG is: it may hold a password, and every command that opens
    an index needs it.
    """
    return address(os.environ.get(VARIABLE, ""))


def address(given: str) -> Address | None:
    """The server of an address ``http://[USER:PASSWORD@]HOST:PORT[/DATABASE]``; None for files.

    Raises ``InvalidArgument``.
    """
    if given in {"", FILES}:
        return None
    try:
        parts = urlsplit(given)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if host is None or port is None or parts.scheme not in {"http", "https"} or parts.query or parts.fragment:
        raise InvalidArgument(  # without the address, which may hold a password
            f"got an address in {VARIABLE} that cannot be read; it must be http://HOST:PORT or https://HOST:PORT, with "
            "USER:PASSWORD@ before the host and /DATABASE behind the port if they are needed, or the word 'files'"
        )
    database = parts.path.strip("/")
    if "/" in database:
        raise InvalidArgument(f"got the database {database!r:.80} in {VARIABLE}; a name has no slash")
    shown = f"[{host}]" if ":" in host else host
    token = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}" if parts.username else ""
    return Address(f"{parts.scheme}://{shown}:{port}", database, token)
