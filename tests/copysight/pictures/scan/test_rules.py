"""Names that a scan leaves out: system folders, hidden files, patterns."""

import pytest

from copysight.errors import InvalidArgument
from copysight.pictures.scan.rules import Rules

SYSTEM = (
    "@eaDir,#recycle,#snapshot,$RECYCLE.BIN,$Recycle.Bin,RECYCLER,System Volume Information,__MACOSX,lost+found,"
    ".thumbnails,.Trash-1000,.Trash,.Trashes,.Spotlight-V100,.fseventsd,.AppleDouble,.@__thumb,@Recycle,FOUND.000"
)


def reason(path: str, is_folder: bool = False, *, exclude: tuple[str, ...] = ()) -> str | None:
    return Rules(exclude, ("JPEG",), "/data/photos").reason(path.rpartition("/")[2], path, is_folder)


@pytest.mark.parametrize("name", SYSTEM.split(","))
def test_system_folders_are_left_out_wherever_they_lie(name):
    assert reason(name, is_folder=True) == "system_folder"
    assert reason(f"a/b/{name}", is_folder=True) == "system_folder"
    assert reason(f"{name}-mine", is_folder=True) in {None, "hidden", "system_folder"}
    assert reason(f"my {name}", is_folder=True) is None


def test_hidden_names_are_left_out():
    assert reason("a/._x.jpg") == reason(".thumbs2", is_folder=True) == "hidden"
    assert reason("a/x.jpg") is None


@pytest.mark.parametrize(
    ("pattern", "path", "is_folder", "matches"),
    [
        ("*.gif", "a.gif", False, True),
        ("*.gif", "deep/er/a.gif", False, True),
        ("*.gif", "a.gif.jpg", False, False),
        ("/*.gif", "deep/a.gif", False, False),
        ("/*.gif", "a.gif", False, True),
        ("drafts", "x/drafts", True, True),
        ("drafts/", "x/drafts", True, True),
        ("drafts/", "x/drafts", False, False),
        ("drafts", "x/drafts2", True, False),
        ("drafts/*", "drafts/a.jpg", False, True),
        ("drafts/*", "x/drafts/a.jpg", False, True),
        ("*/drafts/*", "x/drafts/a.jpg", False, True),
        ("./drafts", "drafts", True, True),
        ("2024/**/raw", "2024/raw", True, True),
        ("2024/**/raw", "2024/a/b/raw", True, True),
        ("2024/*/raw", "2024/a/b/raw", True, False),
        ("**/x.jpg", "x.jpg", False, True),
        ("IMG_[0-4]?.jpg", "IMG_31.jpg", False, True),
        ("IMG_[!0-4]?.jpg", "IMG_31.jpg", False, False),
        ("a[b.jpg", "a[b.jpg", False, True),
        ("a.b", "axb", False, False),
        ("/data/photos/private", "private", True, True),
        ("/data/photos/private/", "x/private", True, False),
    ],
)
def test_patterns(pattern, path, is_folder, matches):
    assert reason(path, is_folder, exclude=("never", pattern)) == ("excluded" if matches else None)


@pytest.mark.parametrize("pattern", ["", "/", "./"])
def test_an_empty_pattern_is_refused(pattern):
    with pytest.raises(InvalidArgument, match="give a name or a path"):
        reason("a.jpg", is_folder=True, exclude=(pattern,))
