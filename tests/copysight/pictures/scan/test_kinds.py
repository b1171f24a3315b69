"""A name decides the kind of a file; where it says nothing, the first bytes do."""

import pytest

from copysight.pictures.decode import Limits
from copysight.pictures.scan.kinds import kind_of

FORMATS = Limits().formats
JPEG, TEXT, HEIC = b"\xff\xd8\xff\xe0", b"just text", b"\0\0\0\x18ftypheic\0\0\0\0heic"


def never() -> bytes:
    raise AssertionError("the file was opened")


@pytest.mark.parametrize(
    "name",
    [
        *("a.jpg", "A.JPG", "a.Jpeg", "a.jfif", "a.jpe", "a.tif", "a.TIFF", "a.avif", "a.apng", "a.mpo", "b.c.webp"),
        *("a.JPG_large", "a.png~", "a.jpg!d", "a.jpg?w=1", "a.jpeg(1)"),
    ],
)
def test_suffixes_of_pictures(name):
    assert kind_of(name, never, FORMATS) == "picture"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("notes.txt", "not_a_picture"),
        ("clip.mp4", "not_a_picture"),
        ("Thumbs.db", "not_a_picture"),
        ("a.jpg.part", "not_a_picture"),
        ("shots.tar", "tar"),
        ("SHOTS.TAR", "tar"),
        ("shots.tar.gz", "archive"),
        ("shots.tgz", "archive"),
        ("shots.zip", "archive"),
        ("a.psd", "unsupported_format"),
        ("a.JXL", "unsupported_format"),
        ("a.CR2", "unsupported_format"),
    ],
)
def test_other_suffixes(name, kind):
    assert kind_of(name, never, FORMATS) == kind


@pytest.mark.parametrize("name", ["IMG_1234", "Photo 2026-01-02 at 10.30.15", "a.jpg.1", "img.php?id=3", "trailing."])
def test_without_a_suffix_the_first_bytes_decide(name):
    assert kind_of(name, lambda: JPEG, FORMATS) == "picture"
    assert kind_of(name, lambda: TEXT, FORMATS) == "not_a_picture"
    assert kind_of(name, lambda: b"", FORMATS) == "not_a_picture"


def test_heic_is_taken_only_where_it_can_be_read():
    assert kind_of("a.heic", lambda: HEIC, FORMATS) == "unsupported_format"
    assert kind_of("a.heic", lambda: JPEG, FORMATS) == "picture"  # telephones rename pictures
    assert kind_of("a.heic", never, (*FORMATS, "HEIC")) == "picture"
