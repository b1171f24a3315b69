"""Names keep what people write; what is refused is escaped, and no two names fall together."""

import itertools
import os
from pathlib import Path

import pytest

from copysight.system import names

ORDINARY = [
    "Screenshot 2026-01-02 at 10.30.15\u202fAM.png",  # macOS
    "été\u00a0à la mer.jpg",
    "写真\u30001.jpg",
    "family \U0001f468\u200d\U0001f469\u200d\U0001f467.jpg",  # zero-width joiners
    "می\u200cخواهم.jpg",  # zero-width non-joiner
    "\u200eWhatsApp Image.jpg",  # a mark, which changes nothing after it
    "Apple \uf8ff.jpg",  # private use
    "new \U0001fae9 emoji.jpg",
    "flag \U0001f3f4\U000e0067\U000e0062\U000e007f.jpg",
    "soft\u00adhyphen\ufeff.jpg",
    "back\\slash.jpg",
]
REFUSED = [
    "\0",
    "\n",
    "\r",
    "\t",
    "\x1b",
    "\x7f",
    "\x85",
    "\u2028",
    "\u2029",
    "\u202e",
    "\u2066",
    "\u2069",
    "\ud800",
    "\udce9",
]


@pytest.mark.parametrize("name", ORDINARY, ids=ascii)
def test_what_people_write_stays_as_it_is(name):
    assert names.is_allowed(name)
    assert names.key_of(name) == name


@pytest.mark.parametrize("character", REFUSED, ids=ascii)
def test_a_refused_character_is_escaped(character):
    name = f"a{character}b.jpg"
    assert not names.is_allowed(name)
    key = names.key_of(name)
    assert names.is_allowed(key)
    assert key == ascii(name)[1:-1]  # as version 0.1 did
    assert key.encode().decode() == key


def test_different_names_have_different_keys():
    pieces = [
        "a",
        "\\",
        "\n",
        "n",
        "\u202e",
        "u202e",
        "x41",
        "\\x41",
        "\udce9",
        "udce9",
        "'",
        '"',
        "é",
        "\u202f",
        "u202f",
    ]
    given = {"".join(parts) for size in range(1, 4) for parts in itertools.product(pieces, repeat=size)}
    given |= {names.key_of(name) for name in given} | {names.key_of(names.key_of(name)) for name in given}
    keys = [names.key_of(name) for name in given]
    assert len(set(keys)) == len(given)
    assert all(map(names.is_allowed, keys))


def test_the_former_key_is_what_version_0_1_made():
    assert names.former_key("plain.jpg") is None
    assert names.former_key("a\u202fb.jpg") == "a\\u202fb.jpg"
    assert names.former_key("été\u00a0.jpg") == "\\xe9t\\xe9\\xa0.jpg"
    assert names.former_key("caf\udce9.jpg") is None
    assert names.former_key("caf\\udce9.jpg") == "caf\\udce9.jpg"  # the key of another file now


@pytest.mark.parametrize("name", [*ORDINARY, "a\nb", os.fsdecode(b"caf\xe9.jpg"), "a%b\u202e#?"], ids=ascii)
def test_a_source_names_its_path(name):
    path = Path("/pictures") / name
    source = names.source_of(path)
    assert names.is_allowed(source)
    assert names.path_of(source) == path
