"""Base64 of every length in every spelling."""

import base64
from urllib.parse import quote

import pytest

from service.http.problems import NotBase64
from service.intake.base64_text import decoded


@pytest.mark.parametrize("length", [*range(1, 13), 255, 1000])
def test_every_spelling_gives_the_same_bytes(length):
    data = bytes((number * 61 + 251) % 256 for number in range(length))
    plain = base64.b64encode(data).decode()
    safe = base64.urlsafe_b64encode(data).decode()
    for text in (plain, safe):
        for bare in (text, text.rstrip("=")):
            for written in (bare, f" {bare}\n", "\r\n".join(bare), "\t".join(bare), bare.replace("=", "\n=")):
                assert decoded(written) == data
                assert decoded(f"data:image/png;base64,{written}") == data
                assert decoded(f"\nDATA:;a=b; Base64,{written}") == data
    assert decoded(f"data:image/png;base64,{quote(plain, safe='')}") == data


@pytest.mark.parametrize(
    "text",
    [
        "A",
        "AAAAA",
        "AA=A",
        "=AAA",
        "AAAA=AAA",
        "AA====",
        "a.jpg",
        "é",
        "data:image/png,AAAA",
        "data:base64",
        "data:,",
        "AA%3D%3D",
    ],
)
def test_what_is_not_base64_is_refused(text):
    with pytest.raises(NotBase64):
        decoded(text)
