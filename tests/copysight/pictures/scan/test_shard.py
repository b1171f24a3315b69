"""Every member of a tar file ends in one bin; a tar file that cannot be read stops nothing."""

import gzip
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from copysight.errors import NoPictures
from copysight.pictures.scan import Scan, scan
from copysight.pictures.scan.rules import CATALOG
from tests.copysight.pictures.scan.test_folder import reasons

Make = Callable[..., Scan]


class Tar:
    """A tar file in memory."""

    def __init__(self) -> None:
        self.out = io.BytesIO()
        self.tar = tarfile.TarFile(fileobj=self.out, mode="w")

    def file(self, name: str, data: bytes = b"data", **fields: object) -> "Tar":
        member = tarfile.TarInfo(name)
        member.size = len(data) if fields.get("type", tarfile.REGTYPE) == tarfile.REGTYPE else 0
        for field, value in fields.items():
            setattr(member, field, value)
        self.tar.addfile(member, io.BytesIO(data))
        return self

    def link(self, name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> "Tar":
        return self.file(name, b"", type=kind, linkname=target)

    def bytes(self) -> bytes:
        self.tar.close()
        return self.out.getvalue()


@pytest.fixture
def scanned(tmp_path: Path) -> Callable[[Tar | bytes], Scan]:
    def scanned(tar: Tar | bytes) -> Scan:
        (tmp_path / "s").mkdir(exist_ok=True)
        (tmp_path / "s" / "a.tar").write_bytes(tar if isinstance(tar, bytes) else tar.bytes())
        (tmp_path / "s" / "beside.jpg").write_bytes(b"x")
        return scan(tmp_path / "s")

    return scanned


def contents(found: Scan) -> dict[str, bytes]:
    return {entry.key: entry.read() for entry in found.entries if entry.in_shard}


def test_hidden_members_and_system_folders_are_counted(scanned):
    tar = Tar().file("x.jpg").file("._x.jpg").file("./.thumbs/y.jpg").file("__MACOSX/a/._x.jpg").file("d/z.txt")
    found = scanned(tar)
    assert contents(found) == {"a.tar/x.jpg": b"data"}
    assert reasons(found.account) == {"hidden": 1, "not_a_picture": 1, "system_folder": 2}
    assert (found.account.found, found.account.shards) == (6, 1)


def test_links_lead_to_the_bytes_of_their_file(scanned):
    tar = Tar().file("d/x.jpg", b"x").link("hard.jpg", "d/x.jpg", tarfile.LNKTYPE).link("d/soft.jpg", "x.jpg")
    tar.link("e/up.jpg", "../d/soft.jpg").link("album", "d").link("gone.jpg", "nowhere.jpg").link("o.jpg", "/etc/x.jpg")
    tar.link("l1.jpg", "l2.jpg").link("l2.jpg", "l1.jpg").link("later.jpg", "z.jpg").file("z.jpg", b"z")
    found = scanned(tar)
    one, other = ("d/x", "hard", "d/soft", "e/up"), ("later", "z")
    assert contents(found) == {f"a.tar/{n}.jpg": b"x" for n in one} | {f"a.tar/{n}.jpg": b"z" for n in other}
    assert reasons(found.account) == {"broken_link": 4, "listed_already": 1}


def test_the_last_member_of_a_name_counts_as_when_it_is_unpacked(scanned):
    found = scanned(Tar().file("x.jpg", b"old").file("y.jpg", b"y").file("x.jpg", b"new"))
    assert contents(found) == {"a.tar/x.jpg": b"new", "a.tar/y.jpg": b"y"}
    assert reasons(found.account) == {"replaced_in_tar": 1}


def test_a_file_that_tar_stored_twice_as_a_link_to_itself_is_read(scanned):
    found = scanned(Tar().file("x.jpg", b"x").link("x.jpg", "x.jpg", tarfile.LNKTYPE))  # tar cf a.tar x.jpg x.jpg
    assert contents(found) == {"a.tar/x.jpg": b"x"}
    assert reasons(found.account) == {"replaced_in_tar": 1}


def test_other_members_are_counted(scanned):
    tar = Tar().file("p.jpg", type=tarfile.FIFOTYPE).file("d", type=tarfile.DIRTYPE).file("in.tar").file("in.zip")
    found = scanned(tar.file("x.jpg"))
    assert reasons(found.account) == {"archive": 2, "special_file": 1}
    assert found.account.folders == 2


def test_an_index_in_a_tar_file_is_left_out(scanned):
    tar = Tar().file("i/blobs/ab/abcd.jpg").file(f"i/{CATALOG}").file("x.jpg")
    found = scanned(tar)
    assert list(contents(found)) == ["a.tar/x.jpg"]
    assert reasons(found.account) == {"holds_index": 2}


def test_members_without_a_suffix_are_known_by_their_first_bytes(scanned):
    found = scanned(Tar().file("0001", b"\xff\xd8\xff\xe0").file("0002", b"text"))
    assert list(contents(found)) == ["a.tar/0001"]


WHOLE = Tar().file("x.jpg", b"x" * 600).file("y.jpg", b"y" * 600).bytes()


@pytest.mark.parametrize(
    ("data", "code", "members"),
    [
        (b"", "empty_file", 0),
        (gzip.compress(WHOLE), "compressed_tar", 0),
        (b"this text is no tar file\n" * 100, "not_a_tar", 0),
        (b"short", "not_a_tar", 0),
        (WHOLE[:1800], "damaged_tar", 1),  # in the header of the second member
        (WHOLE[:2300], "damaged_tar", 1),  # in its data
        (WHOLE[:1536] + b"\xff" * 512 + WHOLE[2048:], "damaged_tar", 1),
        (WHOLE + WHOLE, "damaged_tar", 2),  # two files, one behind the other
        (WHOLE[:1536], None, 1),  # without the end
        (WHOLE + bytes(20480), None, 2),
        (bytes(10240), None, 0),
    ],
)
def test_a_tar_file_that_cannot_be_read_stops_nothing(scanned, data, code, members):
    found = scanned(data)
    assert len(contents(found)) == members
    assert code is None or found.account.unreadable[code].examples[-1 if members else 0].name.startswith("a.tar")
    assert found.account.shards == (code is None)
    assert "beside.jpg" in [entry.key for entry in found.entries]


def test_a_source_that_is_no_tar_file_is_an_error_that_says_so(tmp_path):
    (tmp_path / "a.tar").write_bytes(gzip.compress(WHOLE))
    with pytest.raises(NoPictures, match=r"1 compressed_tar; a\.tar: the file is compressed \(gzip\); unpack it"):
        scan(tmp_path / "a.tar")
