"""Move, link and trash copies, undo it, and kill both in the middle: the tree is as it was, byte for byte."""

import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest

from copysight.duplicates import keep
from copysight.duplicates.actions import undo_file
from copysight.duplicates.actions.apply import SUFFIX, apply, undo
from copysight.duplicates.actions.steps import TargetOf, plan_steps
from copysight.duplicates.actions.trash import TrashOf
from copysight.duplicates.answer import Answer
from copysight.duplicates.groups import Group, Member
from copysight.duplicates.picture import Picture
from copysight.errors import InvalidArgument

KILLED = """
import os, sys
from pathlib import Path
from copysight.duplicates.actions import apply, steps, undo_file
work, file, calls = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
def counted(event, _):
    global calls
    if event in ("os.rename", "os.link", "os.remove", "os.mkdir", "os.chmod", "os.utime"):
        calls -= 1
        if calls < 0:
            os._exit(9)
sys.addaudithook(counted)
getattr(apply, work)(undo_file.read(file))
"""


@pytest.fixture
def tree(tmp_path):
    """Five groups of a kept file, an equal copy and another copy, some in folders, with odd names."""
    root = tmp_path / "tree"
    rng = np.random.default_rng(0)
    for number in range(5):
        for place, name in enumerate((f"{number}.jpg", f"deep/er/{number} copy.jpg", f"é\u00a0{number}.png")):
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(bytes([number] * 2000) if place < 2 else rng.bytes(900))
            os.utime(path, ns=(10**18 + number, 10**18 + place))
    return root


def answer_of(root):
    pictures, groups = {}, []
    for number in range(5):
        for place, name in enumerate((f"{number}.jpg", f"deep/er/{number} copy.jpg", f"é\u00a0{number}.png")):
            digest = hashlib.sha256((root / name).read_bytes()).hexdigest()
            pictures[3 * number + place] = Picture(name, digest, 10, 10, file=root / name)
        members = (Member(3 * number + 1, 1.0, "exact"), Member(3 * number + 2, 0.95, "edited"))
        groups.append(Group(3 * number, members))
    return Answer(tuple(groups), pictures, keep.parse("resolution"), ())


def state(root):
    return {
        path.relative_to(root): (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_mode, path.stat().st_nlink)
        for path in root.rglob("*")
        if path.is_file()
    }


def planned(root, action, tmp_path):
    targets = {
        "move": TargetOf(tmp_path / "spare"),
        "hardlink": TargetOf(tmp_path / "spare"),
        "trash": TrashOf({"XDG_DATA_HOME": str(tmp_path / "share")}),
    }
    return plan_steps(answer_of(root), action, targets[action])


@pytest.mark.parametrize("action", ["move", "hardlink", "trash"])
def test_an_action_and_its_undo_restore_the_tree(tree, tmp_path, action):
    before = state(tree)
    plan = planned(tree, action, tmp_path)
    assert state(tree) == before, "planning changes nothing"
    file = tmp_path / "undo.jsonl"
    undo_file.write(file, plan.steps)
    done = apply(plan.steps)
    assert (done.count, done.skipped) == (5 if action == "hardlink" else 10, ())
    after = state(tree)
    if action == "hardlink":
        assert [one.reason for one in plan.skipped] == ["its bytes differ from those of the kept picture"] * 5
        assert {name: content[0] for name, content in after.items()} == {n: c[0] for n, c in before.items()}
        assert sum(content[3] == 2 for content in after.values()) == 10
    else:
        assert len(after) == 5
    if action == "trash":
        assert len(list((tmp_path / "share" / "Trash" / "info").iterdir())) == 10
    assert undo(undo_file.read(file)).skipped == ()
    assert state(tree) == before
    assert undo(undo_file.read(file)).skipped == (), "a second undo does nothing"
    assert state(tree) == before
    assert not list(tmp_path.rglob(f"*{SUFFIX}"))


@pytest.mark.parametrize("action", ["move", "hardlink", "trash"])
@pytest.mark.parametrize("work", ["apply", "undo"])
def test_a_kill_at_any_change_loses_nothing_and_can_be_undone(tree, tmp_path, action, work):
    before = state(tree)
    plan = planned(tree, action, tmp_path)
    file = tmp_path / "undo.jsonl"
    undo_file.write(file, plan.steps)
    for calls in (0, 1, 2, 3, 7, 12):
        if work == "undo":
            apply(plan.steps)
        run = [sys.executable, "-c", KILLED, work, str(file), str(calls)]
        killed = subprocess.run(run, check=False)
        assert killed.returncode == 9
        files = [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix in {".jpg", ".png"}]
        assert {path.read_bytes() for path in files} >= {content[0] for content in before.values()}
        assert undo(undo_file.read(file)).skipped == ()
        assert state(tree) == before


def test_a_file_that_changed_since_is_left_alone(tree, tmp_path):
    plan = planned(tree, "move", tmp_path)
    (tree / "deep/er/0 copy.jpg").write_bytes(b"new")
    (tree / "1.jpg").unlink()
    done = apply(plan.steps)
    assert done.count == 10 - 1 - 2
    assert (tree / "deep/er/0 copy.jpg").read_bytes() == b"new"
    assert (tree / "deep/er/1 copy.jpg").exists(), "its kept picture has vanished"
    (tree / "deep/er/2 copy.jpg").write_bytes(b"something else")
    assert str(tree / "deep/er/2 copy.jpg") in {one.path for one in undo(plan.steps).skipped}
    assert (tree / "deep/er/2 copy.jpg").read_bytes() == b"something else"


def test_links_and_the_kept_file_itself_are_left_alone(tree, tmp_path):
    (tree / "deep/er/0 copy.jpg").unlink()
    (tree / "deep/er/0 copy.jpg").symlink_to(tree / "0.jpg")
    plan = planned(tree, "move", tmp_path)
    assert "symbolic link" in {one.path: one.reason for one in plan.skipped}["deep/er/0 copy.jpg"]
    (tree / "deep/er/1 copy.jpg").unlink()
    (tree / "deep/er/1 copy.jpg").hardlink_to(tree / "1.jpg")
    plan = planned(tree, "hardlink", tmp_path)
    assert "already" in {one.path: one.reason for one in plan.skipped}["deep/er/1 copy.jpg"]


def test_an_undo_file_is_never_overwritten_and_others_are_refused(tree, tmp_path):
    file = tmp_path / "undo.jsonl"
    undo_file.write(file, planned(tree, "move", tmp_path).steps)
    with pytest.raises(InvalidArgument, match="exists"):
        undo_file.write(file, [])
    for text in ("", "{}", "not json", '{"copysight": "dedupe", "version": 2}'):
        (tmp_path / "other").write_text(text)
        with pytest.raises(InvalidArgument, match="no undo file"):
            undo_file.read(tmp_path / "other")
