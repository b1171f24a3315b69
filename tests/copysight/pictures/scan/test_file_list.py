"""A list of files: one path a line, relative to the list; what is wrong with a line is counted."""

import tarfile

import pytest

from copysight.errors import NoPictures
from copysight.pictures.scan import ScanOptions, scan
from copysight.pictures.scan.file_list import lines


@pytest.fixture
def listed(tmp_path, jpeg, drawn):
    """A list in a folder of its own, with the pictures beside that folder and in a tar file."""
    for name in ("a.jpg", "two words.jpg", ".hidden.jpg", "sub/b.jpg", "sub/.thumb/c.jpg", "notes.md"):
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "photos" / name).write_bytes(jpeg(drawn(len(name))))
    with tarfile.open(tmp_path / "photos" / "shard.tar", "w") as tar:
        tar.add(tmp_path / "photos" / "a.jpg", "inner.jpg")
    (tmp_path / "lists").mkdir()

    def write(*names, end="\n"):
        file = tmp_path / "lists" / "train.txt"
        file.write_text(end.join(names) + end)
        return file

    return write


def test_lines_are_relative_to_the_list_and_may_be_files_folders_and_tar_files(listed, tmp_path):
    absolute = str(tmp_path / "photos" / "two words.jpg")
    names = ("../photos/a.jpg", "", "../photos/./.hidden.jpg", "../photos/sub/", "../photos/shard.tar", absolute)
    for end in ("\n", "\r\n"):
        found = scan(listed(*names, end=end))
        assert [entry.key for entry in found.entries] == [
            "../photos/.hidden.jpg",
            "../photos/a.jpg",
            "../photos/shard.tar/inner.jpg",
            "../photos/sub/b.jpg",
            absolute,
        ]
        assert all(entry.read()[:2] == b"\xff\xd8" for entry in found.entries)


def test_lines_that_give_no_picture_are_counted(listed):
    lines = ("../photos/a.jpg", "none.jpg", "../photos/notes.md", "../photos/a.jpg", "../photos/./a.jpg", "a\x00b")
    account = scan(listed(*lines)).account
    assert {name: one.count for name, one in account.passed_over.items()} == {"not_a_picture": 1, "listed_already": 2}
    assert {name: one.count for name, one in account.unreadable.items()} == {"unreadable_file": 2}
    assert account.found == len(lines)


@pytest.mark.parametrize(("pattern", "left"), [("sub/", 1), ("b.jpg", 1), ("../photos/sub", 1), ("*.png", 2)])
def test_patterns_exclude_lines(listed, pattern, left):
    file = listed("../photos/a.jpg", "../photos/sub/b.jpg")
    assert len(scan(file, ScanOptions(exclude=(pattern,))).entries) == left


def test_an_empty_list_and_a_text_file_in_a_folder(listed, tmp_path):
    with pytest.raises(NoPictures, match=r"or a list of them \(.txt\)"):
        scan(listed("", "  "))
    listed("../photos/a.jpg")
    with pytest.raises(NoPictures, match="1 not_a_picture"):
        scan(tmp_path / "lists")


def test_a_byte_order_mark_and_odd_bytes():
    assert list(lines(b"\xef\xbb\xbfa.jpg\r\n\xff.jpg\n\n b.jpg")) == ["a.jpg", "\udcff.jpg", " b.jpg"]
