"""Gzip bodies in parts of every size: the same bytes, bounded pieces, clear errors."""

import asyncio
import gzip
import os

import pytest

from copysight.errors import InvalidArgument
from service.http.content_encoding import PIECE, decoded
from service.http.problems import UnsupportedEncoding


def read(body, part, encoding="gzip"):
    """The decoded messages of a body that arrives in parts of ``part`` bytes."""
    parts = [body[at : at + part] for at in range(0, len(body), part)] or [b""]
    last = len(parts) - 1
    messages = iter(
        [{"type": "http.request", "body": one, "more_body": number < last} for number, one in enumerate(parts)]
        + [{"type": "http.disconnect"}]
    )

    async def receive():
        return next(messages)

    async def everything():
        channel, found = decoded({"type": "http", "headers": [(b"content-encoding", encoding.encode())]}, receive), []
        while (message := await channel())["type"] == "http.request":
            found.append(message)
        return found

    return asyncio.run(everything())


SAMPLES = {
    "empty": b"",
    "short": b"abc",
    "random": os.urandom(3000),
    "zeros": bytes(3 * PIECE + 17),
    "exactly a piece": bytes(PIECE),
    "two pieces": b"ab" * PIECE,
}


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("part", [1, 7, 1000, 10**7])
def test_parts_of_any_size(name, part):
    data = SAMPLES[name]
    for body in (
        gzip.compress(data),
        gzip.compress(data[:5]) + gzip.compress(data[5:]),
        gzip.compress(data) + bytes(9),
    ):
        if len(body) / part > 5000:
            continue
        messages = read(body, part)
        assert b"".join(one["body"] for one in messages) == data
        assert max(len(one["body"]) for one in messages) <= PIECE
        assert [one["more_body"] for one in messages] == [True] * (len(messages) - 1) + [False]


@pytest.mark.parametrize("name", ["short", "random", "zeros"])
@pytest.mark.parametrize("part", [7, 10**7])
def test_a_damaged_body_is_an_error(name, part):
    body = gzip.compress(SAMPLES[name])
    for bad in (body[:-1], body[:-9], body[:5], b"x" + body, body + b"x", SAMPLES[name] or b"x"):
        with pytest.raises(InvalidArgument, match="gzip"):
            read(bad, part)


def test_an_empty_body_is_empty():
    assert [one["body"] for one in read(b"", 1)] == [b""]


@pytest.mark.parametrize("encoding", ["identity", "", "Identity, identity"])
def test_without_an_encoding_nothing_changes(encoding):
    assert [one["body"] for one in read(b"\x1f\x8b", 1, encoding)] == [b"\x1f", b"\x8b"]


@pytest.mark.parametrize("encoding", ["br", "deflate", "zstd", "gzip, br", "gzip,gzip", "x"])
def test_another_encoding_is_refused(encoding):
    with pytest.raises(UnsupportedEncoding, match="gzip"):
        read(b"abc", 1, encoding)


@pytest.mark.parametrize("encoding", ["GZIP", "x-gzip", "identity, gzip"])
def test_other_words_for_gzip(encoding):
    assert [one["body"] for one in read(gzip.compress(b"abc"), 100, encoding)] == [b"abc"]
