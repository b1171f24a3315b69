"""Every entry of a folder tree ends in one bin; links are followed once; nothing stops a scan."""

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from copysight.errors import NoPictures
from copysight.index.generations.layout import Layout
from copysight.pictures.scan import Account, ScanOptions, scan
from copysight.pictures.scan.rules import CATALOG, PARTS


def reasons(account: Account) -> dict[str, int]:
    return {reason: one.count for reason, one in sorted({**account.passed_over, **account.unreadable}.items())}


def keys(folder: Path, *exclude: str) -> list[str]:
    return [entry.key for entry in scan(folder, ScanOptions(exclude)).entries]


@contextmanager
def without_rights() -> Iterator[None]:
    """Run as a user who may not read everything."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def shut(folder: Path) -> Iterator[Path]:
    """A copy of the pictures that every user may read, apart from one folder and one picture."""
    root = Path(tempfile.mkdtemp())
    shutil.copytree(folder, root / "pictures")
    root.chmod(0o755)
    (root / "pictures" / "link").symlink_to("holiday/beach")
    (root / "pictures" / "holiday").chmod(0)
    (root / "pictures" / "0.jpg").chmod(0)
    yield root / "pictures"
    (root / "pictures" / "holiday").chmod(0o755)
    shutil.rmtree(root)


def test_a_shut_folder_and_a_link_into_it_are_counted(shut):
    with without_rights():
        found = scan(shut)
    assert [entry.key for entry in found.entries] == ["0.jpg", "1.jpg", "2.jpg", "3.jpg"]
    assert reasons(found.account) == {"broken_link": 1, "not_a_picture": 1, "unreadable_folder": 1}
    assert found.account.unreadable["unreadable_folder"].examples[0].name == "holiday"
    assert "Permission denied" in found.account.unreadable["unreadable_folder"].examples[0].detail


def test_a_shut_source_is_an_error_that_says_so(shut):
    with without_rights(), pytest.raises(NoPictures, match=r"1 unreadable_folder; \.: .*Permission denied"):
        scan(shut / "holiday")


def test_links_are_followed_and_every_folder_is_read_once(folder, tmp_path):
    outside = tmp_path / "outside"
    (outside / "more").mkdir(parents=True)
    (outside / "more" / "far.jpg").write_bytes((folder / "0.jpg").read_bytes())
    (folder / "a-loop").symlink_to(folder)
    (folder / "holiday" / "up").symlink_to("..")
    (folder / "above").symlink_to(tmp_path)
    (folder / "again").symlink_to("holiday")
    (folder / "album").symlink_to(outside)
    (folder / "album2").symlink_to(outside / "more")
    (outside / "back").symlink_to(folder / "holiday")
    (folder / "copy.jpg").symlink_to("1.jpg")
    (folder / "gone.jpg").symlink_to("nowhere.jpg")
    (folder / "self.jpg").symlink_to("self.jpg")
    found = scan(folder)
    expected = ["0.jpg", "1.jpg", "2.jpg", "3.jpg", "album/more/far.jpg", "copy.jpg", "holiday/beach/dune.PNG"]
    assert [entry.key for entry in found.entries] == [*expected, "holiday/sea.webp"]
    assert reasons(found.account) == {"broken_link": 2, "link_loop": 3, "listed_already": 3, "not_a_picture": 1}


def test_a_folder_in_the_source_keeps_its_own_name_whatever_links_are_called(folder):
    before = keys(folder)
    (folder / "0000").symlink_to("holiday/beach")
    assert keys(folder) == before


def test_special_files_are_not_opened(folder):
    os.mkfifo(folder / "pipe.jpg")
    os.mkfifo(folder / "pipe")
    os.mkfifo(folder / "pipe.tar")
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(folder / "s.jpg"))
        assert reasons(scan(folder).account) == {"not_a_picture": 1, "special_file": 4}


def test_a_folder_called_tar_is_a_folder(folder):
    (folder / "holiday").rename(folder / "holiday.tar")
    assert "holiday.tar/sea.webp" in keys(folder)


def test_the_names_that_mark_an_index_are_those_of_the_layout(tmp_path):
    layout = Layout(tmp_path)
    assert layout.catalog.name == CATALOG
    assert {layout.blobs.name, layout.generations.name, layout.bundles.name} == PARTS


def test_a_picture_beside_an_unrelated_catalog_is_taken(folder):
    (folder / CATALOG).write_bytes(b"another program's file")
    assert len(keys(folder)) == 6


def test_a_path_that_is_too_long_for_a_key_is_counted(folder):
    deep = folder / os.fsdecode(b"\xe9" * 250) / os.fsdecode(b"\xe9" * 250) / os.fsdecode(b"\xe9" * 250)
    deep.mkdir(parents=True)
    (deep / "a.jpg").write_bytes((folder / "0.jpg").read_bytes())
    found = scan(folder)
    assert len(found.entries) == 6
    assert reasons(found.account) == {"name_too_long": 1, "not_a_picture": 1}


def test_the_bins_add_up_to_what_is_there(folder):
    (folder / ".hidden").write_bytes(b"")
    (folder / "@eaDir").mkdir()
    (folder / "@eaDir" / "0.jpg").write_bytes(b"x")
    (folder / "gone.jpg").symlink_to("nowhere")
    account = scan(folder, ScanOptions(("beach",))).account
    entries = sum(len(list(path.iterdir())) for path in (folder, folder / "holiday"))  # the folders that are read
    assert account.found + account.folders - 1 == entries
    assert account.taken == 5
    assert reasons(account) == {"broken_link": 1, "excluded": 1, "hidden": 1, "not_a_picture": 1, "system_folder": 1}
