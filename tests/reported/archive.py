"""A new user's archive, as found on disks and network drives: pictures in folders, and everything beside them."""

import gzip
import os
import socket
import tarfile
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

from PIL import Image

from tests.conftest import drawn_picture, encoded

NAMES = (
    "Screenshot 2026-01-02 at 10.30.15\u202fAM.png",
    "Screenshot 2026-01-02 at 10.30.15 AM.png",
    "été\u00a0à la mer.jpg",
    "写真\u30001.jpg",
    "family \U0001f468\u200d\U0001f469\u200d\U0001f467.jpg",
    "می\u200cخواهم.jpg",
    "two\nlines.jpg",
    "right\u202egpj.jpg",
    os.fsdecode(b"caf\xe9.jpg"),
    os.fsdecode(b"caf\xe8.jpg"),
    r"caf\udce9.jpg",
    r"two\nlines.jpg",
)
FORMATS = {
    ".JPG": "JPEG",
    ".jfif": "JPEG",
    ".jpe": "JPEG",
    ".JPG_large": "JPEG",
    "": "JPEG",
    ".tif": "TIFF",
    ".avif": "AVIF",
}


@dataclass
class Archive:
    """The folder, the bytes of every picture that can be read, and how many files belong in which bin."""

    root: Path
    pictures: list[bytes] = field(default_factory=list)
    passed_over: dict[str, int] = field(default_factory=dict)
    unreadable: dict[str, int] = field(default_factory=dict)
    seed: int = 0

    def new(self, kind: str = "JPEG") -> bytes:
        """A picture like no other."""
        self.seed += 1
        picture: Image.Image = drawn_picture(1000 + self.seed)
        return encoded(picture, kind)

    def picture(self, name: str, kind: str = "JPEG") -> bytes:
        """Write a picture that should be found."""
        data = self.new(kind)
        self.write(name, data)
        self.pictures.append(data)
        return data

    def passed(self, reason: str, name: str, data: bytes | None = None) -> None:
        """Write a file that should be passed over; by default a picture."""
        self.write(name, self.new() if data is None else data)
        self.count(self.passed_over, reason)

    def bad(self, code: str, name: str, data: bytes) -> None:
        """Write a file that cannot be read."""
        self.write(name, data)
        self.count(self.unreadable, code)

    def count(self, bins: dict[str, int], reason: str) -> None:
        """Expect one more file in a bin."""
        bins[reason] = bins.get(reason, 0) + 1

    def write(self, name: str, data: bytes) -> None:
        """Write a file."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def make(root: Path, plain: int = 20) -> Archive:
    """Write the archive, with ``plain`` ordinary pictures in it."""
    archive = Archive(root)
    for number in range(plain):
        archive.picture(f"20{number % 7:02}/{number % 3}/IMG_{number:04}.jpg")
    _names(archive)
    _formats(archive)
    _links(archive)
    _left_out(archive)
    _tar_files(archive)
    return archive


def _names(archive: Archive) -> None:
    for name in NAMES:
        archive.picture(f"phone/{name}", "PNG" if name.endswith("png") else "JPEG")


def _formats(archive: Archive) -> None:
    for suffix, kind in FORMATS.items():
        archive.picture(f"downloads/picture-{kind}{suffix}", kind)
    archive.bad("unsupported_format", "downloads/iphone.jpg", b"\0\0\0\x18ftypheic\0\0\0\0heicmif1" + bytes(64))
    archive.passed("unsupported_format", "downloads/iphone.heic", b"\0\0\0\x18ftypheic\0\0\0\0heicmif1" + bytes(64))
    archive.passed("unsupported_format", "downloads/modern.jxl", b"\xff\x0a" + bytes(64))
    archive.passed("not_a_picture", "downloads/notes.txt", b"text")
    archive.passed("not_a_picture", "downloads/README", b"text")
    archive.passed("archive", "downloads/more.zip", b"PK\3\4")
    archive.bad("empty_picture", "downloads/empty.jpg", b"")
    archive.bad("corrupt_picture", "downloads/cut.jpg", archive.new()[:400])


def _links(archive: Archive) -> None:
    root = archive.root
    outside = Archive(root.parent / "other disk")
    outside.seed = 500
    archive.pictures += [outside.picture("more/a.jpg"), outside.picture("more/b.jpg")]
    (root / "other").symlink_to(outside.root)
    (root / "phone" / "loop").symlink_to("..")
    archive.count(archive.passed_over, "link_loop")
    (root / "best of").symlink_to("phone")
    archive.count(archive.passed_over, "listed_already")
    (root / "moved.jpg").symlink_to("/nowhere/moved.jpg")
    archive.count(archive.unreadable, "broken_link")
    os.mkfifo(root / "pipe.jpg")
    archive.count(archive.passed_over, "special_file")
    with socket.socket(socket.AF_UNIX) as one:
        here = Path.cwd()
        os.chdir(root)  # the path of a socket has at most 107 bytes
        one.bind("socket.jpg")
        os.chdir(here)
    archive.count(archive.passed_over, "special_file")


def _left_out(archive: Archive) -> None:
    for name in (
        "@eaDir",
        "#recycle",
        "$RECYCLE.BIN",
        "__MACOSX",
        "lost+found",
        ".thumbnails",
        "System Volume Information",
    ):
        archive.write(f"2001/{name}/thumb.jpg", archive.new())
        archive.count(archive.passed_over, "system_folder")
    archive.passed("hidden", "2001/._IMG_0001.jpg")
    archive.passed("hidden", ".DS_Store", b"x")
    archive.passed("excluded", "private/diary.jpg")


def _tar_files(archive: Archive) -> None:
    with tarfile.open(archive.root / "shots.tar", "w") as tar:
        for number in range(4):
            archive.pictures.append(_add(tar, f"d/{number}.jpg", archive.new()))
        _add(tar, "d/0.jpg", archive.pictures[-1])  # again: replaces the first
        archive.pictures.pop(-4)
        _add(tar, "d/._0.jpg", b"resource fork")
        _add(tar, "d/__MACOSX/0.jpg", b"x")
        _add(tar, "d/notes.txt", b"x")
        _add(tar, "hard.jpg", b"", type=tarfile.LNKTYPE, linkname="d/1.jpg")
        _add(tar, "e/soft.jpg", b"", type=tarfile.SYMTYPE, linkname="../d/2.jpg")
        _add(tar, "e/broken.jpg", b"", type=tarfile.SYMTYPE, linkname="nothing.jpg")
    for reason in ("replaced_in_tar", "hidden", "system_folder", "not_a_picture"):
        archive.count(archive.passed_over, reason)
    archive.count(archive.unreadable, "broken_link")
    archive.bad("empty_file", "tars/empty.tar", b"")
    archive.bad("compressed_tar", "tars/small.tar", gzip.compress((archive.root / "shots.tar").read_bytes()))
    archive.bad("not_a_tar", "tars/text.tar", b"this is a text\n" * 100)


def _add(tar: tarfile.TarFile, name: str, data: bytes, **fields: object) -> bytes:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    for key, value in fields.items():
        setattr(member, key, value)
    tar.addfile(member, BytesIO(data))
    return data
