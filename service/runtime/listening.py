"""Bind the sockets of the server before anything is loaded, so that a taken port is reported at once."""

import errno
import socket
from collections.abc import Sequence

from copysight.errors import InvalidArgument

BACKLOG = 2048
NOT_HERE = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}
"""Errors of an address that a name has and this machine has not, for example ``::1`` of ``localhost`` without IPv6."""
ADVICE = {
    errno.EADDRINUSE: "another program listens there; stop it, or choose another --port (0 picks a free one)",
    errno.EADDRNOTAVAIL: "no interface of this machine has this address; use 127.0.0.1, 0.0.0.0, ::1 or ::",
    errno.EACCES: "ports below 1024 need special rights; choose a higher --port",
}


def bind(host: str, port: int) -> list[socket.socket]:
    """Sockets that are bound to every address of ``host``, all on one port. Raises ``InvalidArgument``."""
    found = _addresses(host, port)
    bound: list[socket.socket] = []
    refused: OSError | None = None
    for family, address in found:
        try:
            bound.append(_bound(family, (address[0], port, *address[2:]), alone=len(found) == 1))
            port = bound[0].getsockname()[1]  # the second address of a name gets the free port of the first
        except OSError as error:
            refused = error
            if error.errno not in NOT_HERE:
                break
    if not bound or (refused is not None and refused.errno not in NOT_HERE):
        close(bound)
        raise _cannot_listen(host, port, refused)
    return bound


def listen(bound: Sequence[socket.socket], host: str) -> None:
    """Accept connections from now on. Raises ``InvalidArgument`` if another process has taken the port meanwhile."""
    try:
        for one in bound:
            one.listen(BACKLOG)
    except OSError as error:
        port = bound[0].getsockname()[1]
        close(bound)
        raise _cannot_listen(host, port, error) from error


def url(bound: Sequence[socket.socket], host: str) -> str:
    """The address of the server. The port is the real one, also for port 0."""
    name, port = bound[0].getsockname()[:2]
    shown = host or name
    return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"


def close(bound: Sequence[socket.socket]) -> None:
    """Close all sockets."""
    for one in bound:
        one.close()


def _addresses(host: str, port: int) -> list[tuple[int, tuple[str, int]]]:
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise InvalidArgument(
            f"got the host {host!r}, which has no address ({error}); use 127.0.0.1, for example"
        ) from error
    return list(dict.fromkeys((one[0], one[4]) for one in found))  # type: ignore[misc]  # AF_INET and AF_INET6


def _bound(family: int, address: tuple[str | int, ...], alone: bool) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6 and not alone:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind(address)
    except BaseException:
        made.close()
        raise
    return made


def _cannot_listen(host: str, port: int, error: OSError | None) -> InvalidArgument:
    number = error.errno if error is not None else None
    advice = ADVICE.get(number or 0, f"{error}")
    return InvalidArgument(f"got the address {host or '*'} and port {port}, which cannot be used: {advice}")
