"""Listing pictures: stable keys, shards read in place, clear errors."""

import os
import tarfile

import pytest

from copysight.errors import NoPictures
from copysight.pictures.scan import scan
from copysight.system import names

KEYS = ["0.jpg", "1.jpg", "2.jpg", "3.jpg", "holiday/beach/dune.PNG", "holiday/sea.webp"]


def test_a_tree_is_listed_in_order_with_relative_keys(folder):
    found = scan(folder)
    assert [entry.key for entry in found.entries] == KEYS
    assert found.ignored == 1
    assert found.entries[4].read() == (folder / "holiday/beach/dune.PNG").read_bytes()
    assert found.entries[4].source == str((folder / "holiday/beach/dune.PNG").resolve())


def test_a_single_file_is_a_source(folder):
    assert [entry.key for entry in scan(folder / "2.jpg").entries] == ["2.jpg"]


def test_hidden_files_are_left_out(folder):
    (folder / "._0.jpg").write_bytes(b"resource fork")
    (folder / ".thumbnails").mkdir()
    (folder / ".thumbnails" / "0.jpg").write_bytes(b"x")
    assert [entry.key for entry in scan(folder).entries] == KEYS


def test_members_of_shards_are_read_in_place(folder, tmp_path):
    shards = tmp_path / "shards"
    shards.mkdir()
    for name in ("b", "a"):
        with tarfile.open(shards / f"{name}.tar", "w") as tar:
            tar.add(folder, arcname=name)
    found = scan(shards)
    assert [entry.key for entry in found.entries] == [f"{s}.tar/{s}/{key}" for s in "ab" for key in KEYS]
    assert found.entries[7].read() == (folder / "1.jpg").read_bytes()
    assert found.entries[7].source is None
    assert next(entry.key for entry in scan(shards / "a.tar").entries) == "a.tar/a/0.jpg"


def test_the_stamp_changes_when_the_file_changes(folder):
    before = scan(folder).entries[0].stamp
    os.utime(folder / "0.jpg", ns=(0, 12345))
    assert scan(folder).entries[0].stamp != before


def test_a_name_that_is_not_printable_is_escaped(folder):
    (folder / os.fsdecode(b"caf\xe9.jpg")).write_bytes((folder / "0.jpg").read_bytes())
    (folder / "two\nlines.jpg").write_bytes((folder / "0.jpg").read_bytes())
    odd = [entry for entry in scan(folder).entries if entry.key not in KEYS]
    assert [entry.key for entry in odd] == ["caf\\udce9.jpg", "two\\nlines.jpg"]
    assert [names.path_of(entry.source) for entry in odd] == [entry.file.resolve() for entry in odd]
    assert odd[0].read() == (folder / "0.jpg").read_bytes()


@pytest.mark.parametrize("name", ["empty", "texts"])
def test_a_source_without_pictures_is_an_error(folder, tmp_path, name):
    (tmp_path / "empty").mkdir()
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("a")
    with pytest.raises(NoPictures, match=r"give a folder or tar shards"):
        scan(tmp_path / name)


def test_a_damaged_shard_is_an_error(tmp_path):
    (tmp_path / "a.tar").write_bytes(b"this is not a tar file" * 100)
    with pytest.raises(NoPictures, match=r"cannot be read as a tar file"):
        scan(tmp_path)
