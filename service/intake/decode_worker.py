"""Worker process that decodes pictures under a memory limit, so that a hostile file cannot break the service.

It exchanges messages over a socket, which is its standard input. A message is a header (JSON of at most 64 KiB) and a
body (bytes), preceded by their lengths. Nothing is unpickled on either side.
"""

import json
import resource
import signal
import socket
import struct
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from copysight.errors import PictureError
from copysight.pictures import exact
from copysight.pictures.decode import Limits, decode
from copysight.pictures.formats import readers

LENGTHS = struct.Struct("<IQ")
MAX_HEADER = 64 * 2**10
READY = {"ready": True}
OUT_OF_MEMORY = "out_of_memory"
SPARE_SECONDS = 5


@dataclass(frozen=True)
class Message:
    """One message over the socket, in either direction."""

    head: Mapping[str, Any]
    body: bytes = b""


def main() -> None:
    """Decode until the service closes the socket. Arguments: limits as JSON, memory in bytes, seconds for a picture."""
    limits, memory, seconds = Limits(**json.loads(sys.argv[1])), int(sys.argv[2]), float(sys.argv[3])
    channel = socket.socket(fileno=0)
    readers.load(limits.formats)
    _limit_resources(memory)
    send(channel, Message(READY))
    while (request := receive(channel, limits.max_bytes)) is not None:
        # The service kills a worker that takes too long. If the service is gone, this alarm ends the worker.
        signal.alarm(round(seconds) + SPARE_SECONDS)
        answer = _answer(request, limits)
        send(channel, answer)
        signal.alarm(0)
        if answer.head.get("code") == OUT_OF_MEMORY:
            return


def arguments(limits: Limits, memory: int, seconds: float) -> list[str]:
    """The command line of a worker."""
    return [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "service.intake.decode_worker",
        json.dumps(asdict(limits)),
        str(memory),
        str(seconds),
    ]


def send(channel: socket.socket, message: Message) -> None:
    """Send all of a message. Raises ``OSError``, ``TimeoutError``."""
    head = json.dumps(message.head).encode()
    channel.sendall(LENGTHS.pack(len(head), len(message.body)) + head)
    channel.sendall(message.body)


def receive(channel: socket.socket, largest: int, deadline: float | None = None) -> Message | None:
    """The next message, or ``None`` if the socket was closed. ``deadline`` is a time of ``time.monotonic``.

    Raises ``OSError``, ``TimeoutError``, and ``ValueError`` for an invalid message or a body of more than ``largest``
    bytes.
    """
    lengths = _receive_exactly(channel, LENGTHS.size, deadline)
    if lengths is None:
        return None
    head_size, body_size = LENGTHS.unpack(lengths)
    if head_size > MAX_HEADER or body_size > largest:
        raise ValueError(
            f"got a message with a header of {head_size} bytes and a body of {body_size} bytes, which is too large"
        )
    head, body = _receive_exactly(channel, head_size, deadline), _receive_exactly(channel, body_size, deadline)
    if head is None or body is None:
        return None
    found = json.loads(head)
    if not isinstance(found, dict):
        raise ValueError("got a message whose header is not a JSON object")  # noqa: TRY004 - it is data, not a caller's type
    return Message(found, bytes(body))


def _limit_resources(memory: int) -> None:
    """Allow ``memory`` bytes beyond what is mapped now; allow no core file and no writes to files."""
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (mapped + memory, mapped + memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def _answer(request: Message, limits: Limits) -> Message:
    try:
        if "digest" in request.head:
            return Message({"digest": exact.digest(request.body, limits)})
        return _decoded(request, limits)
    except PictureError as error:
        if isinstance(error.__cause__, MemoryError):
            return Message({"code": OUT_OF_MEMORY})
        return Message({"code": error.code, "message": error.message})
    except MemoryError:
        return Message({"code": OUT_OF_MEMORY})


def _decoded(request: Message, limits: Limits) -> Message:
    picture = decode(request.body, limits, request.head["at_least"])
    pixels = picture.pixels.tobytes()
    size = {"columns": picture.pixels.width, "rows": picture.pixels.height}
    facts = {name: getattr(picture, name) for name in ("width", "height", "format", "taken", "camera")}
    return Message(size | facts, pixels)


def _receive_exactly(channel: socket.socket, count: int, deadline: float | None) -> bytearray | None:
    data = bytearray(count)
    view, filled = memoryview(data), 0
    while filled < count:
        if deadline is not None:  # for the whole message: with a limit for each read, a slow sender could take forever
            channel.settimeout(max(deadline - time.monotonic(), 0.001))
        got = channel.recv_into(view[filled:])
        if not got:
            return None
        filled += got
    return data


if __name__ == "__main__":
    main()
