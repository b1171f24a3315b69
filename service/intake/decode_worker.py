"""A process that decodes one picture after another, under a cap of memory; what a hostile file breaks is only this.

It talks over the socket that is its standard input. A message is a head (JSON of at most 64 KiB) and a body (bytes),
each after its length; nothing is unpickled on either side.
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

from PIL import Image

from copysight.errors import PictureError
from copysight.pictures.decode import Limits, decode

LENGTHS = struct.Struct("<IQ")
LARGEST_HEAD = 64 * 2**10
READY = {"ready": True}
OUT_OF_MEMORY = "out_of_memory"
SPARE_SECONDS = 5


@dataclass(frozen=True)
class Message:
    """What goes over the socket, either way."""

    head: Mapping[str, Any]
    body: bytes = b""


def main() -> None:
    """Decode until the other side hangs up. Arguments: the limits as JSON, bytes of memory, seconds of one picture."""
    limits, memory, seconds = Limits(**json.loads(sys.argv[1])), int(sys.argv[2]), float(sys.argv[3])
    channel = socket.socket(fileno=0)
    Image.init()
    _confine(memory)
    send(channel, Message(READY))
    while (asked := receive(channel, limits.max_bytes)) is not None:
        # The other side ends a worker that takes too long. Should it be gone itself, the kernel does.
        signal.alarm(round(seconds) + SPARE_SECONDS)
        answer = _decoded(asked, limits)
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
    """The next message, or ``None`` when the other side has hung up; ``deadline`` is a time of ``time.monotonic``.

    Raises ``OSError``, ``TimeoutError``; ``ValueError`` when it is no message of ours, or its body has more than
    ``largest`` bytes.
    """
    lengths = _exactly(channel, LENGTHS.size, deadline)
    if lengths is None:
        return None
    head_size, body_size = LENGTHS.unpack(lengths)
    if head_size > LARGEST_HEAD or body_size > largest:
        raise ValueError(f"got a message of {head_size} and {body_size} bytes")
    head, body = _exactly(channel, head_size, deadline), _exactly(channel, body_size, deadline)
    if head is None or body is None:
        return None
    found = json.loads(head)
    if not isinstance(found, dict):
        raise ValueError("got a message whose head is no object")  # noqa: TRY004 - it is data, not a caller's type
    return Message(found, bytes(body))


def _confine(memory: int) -> None:
    """Leave ``memory`` bytes beyond what is mapped now; no core file, no file written."""
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (mapped + memory, mapped + memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def _decoded(asked: Message, limits: Limits) -> Message:
    try:
        picture = decode(asked.body, limits, asked.head["at_least"])
        pixels = picture.pixels.tobytes()
    except PictureError as error:
        if isinstance(error.__cause__, MemoryError):
            return Message({"code": OUT_OF_MEMORY})
        return Message({"code": error.code, "message": error.message})
    except MemoryError:
        return Message({"code": OUT_OF_MEMORY})
    size = {"columns": picture.pixels.width, "rows": picture.pixels.height}
    return Message(size | {"width": picture.width, "height": picture.height, "format": picture.format}, pixels)


def _exactly(channel: socket.socket, count: int, deadline: float | None) -> bytearray | None:
    data = bytearray(count)
    view, filled = memoryview(data), 0
    while filled < count:
        if deadline is not None:  # of the whole message: one that comes in drops would outlive a cap of each wait
            channel.settimeout(max(deadline - time.monotonic(), 0.001))
        got = channel.recv_into(view[filled:])
        if not got:
            return None
        filled += got
    return data


if __name__ == "__main__":
    main()
