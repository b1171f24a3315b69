"""`copysight index build --sync` and `index sync`: the collection equals the folder afterwards."""

import hashlib
import json
import os
import shutil
import tarfile

import pytest
from click.testing import CliRunner

from cli.main import main
from copysight.catalog import NewItem
from copysight.index import Index, verify


@pytest.fixture
def run(folder, tiny_bundle, tmp_path):
    """Run a command on one index. Returns its answer as JSON, or the result if it fails as expected."""

    def run(*words, source=folder, code=0):
        words = [*words, str(source), "--index", str(tmp_path / "index"), "--threads", "1", "--json"]
        words += ["--bundle", str(tiny_bundle.path)]
        done = CliRunner().invoke(main, ["index", *words])
        assert done.exit_code == code, done.output
        return json.loads(done.stdout) if code == 0 else done

    return run


@pytest.fixture
def opened(run, tmp_path):
    """The index of the folder, whose items know their key from the beginning."""
    run("build")
    with Index.open(tmp_path / "index") as index:
        for item in index.catalog.page():
            index.catalog.set_metadata(item.id, {"first": item.key})
        yield index


def state(index, collection="default"):
    return {item.key: item.sha256 for item in index.catalog.page(collection, limit=1000)}


def tree(folder):
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".txt"
    }


def ids(index):
    return {item.key: item.id for item in index.catalog.page()}


def test_moved_renamed_overwritten_new_and_vanished_files(run, opened, folder, jpeg, drawn):
    before = ids(opened)
    (folder / "0.jpg").rename(folder / "holiday" / "zero.jpg")
    (folder / "1.jpg").rename(folder / "1.JPG")
    (folder / "2.jpg").write_bytes(jpeg(drawn(22)))
    (folder / "3.jpg").unlink()
    (folder / "new.jpg").write_bytes(jpeg(drawn(7)))
    shutil.copy(folder / "holiday" / "sea.webp", folder / "copy.webp")
    found = run("build", "--sync")
    assert found["sync"] == {"moved": 2, "removed": 1, "unread": 0, "elsewhere": 0, "decided": 0}
    assert (found["created"], found["replaced"], found["unchanged"], found["embedded"]) == (2, 1, 2, 2)
    assert (found["generation"], found["count"]) == ("000002", 7)
    assert state(opened) == tree(folder)
    after = ids(opened)
    assert (after["holiday/zero.jpg"], after["1.JPG"], after["2.jpg"]) == (
        before["0.jpg"], before["1.jpg"], before["2.jpg"],
    )  # fmt: skip
    known = {item.key: item.metadata.get("first") for item in opened.catalog.page()}
    assert (known["holiday/zero.jpg"], known["1.JPG"], known["2.jpg"]) == ("0.jpg", "1.jpg", "2.jpg")
    assert known["new.jpg"] is None
    assert verify(opened) == []


def test_sync_publishes_nothing_and_searches_see_it_at_once(run, opened, folder):
    (folder / "0.jpg").rename(folder / "1.jpg")
    found = run("sync")
    assert (found["sync"]["moved"], found["sync"]["removed"], found["generation"]) == (1, 1, "000001")
    assert opened.snapshot().count == 5
    assert state(opened) == tree(folder)
    assert run("sync")["sync"] == {"moved": 0, "removed": 0, "unread": 0, "elsewhere": 0, "decided": 0}


def test_a_dry_run_changes_nothing_and_says_what_a_sync_does(run, opened, folder, jpeg, drawn):
    (folder / "0.jpg").rename(folder / "zero.jpg")
    (folder / "2.jpg").write_bytes(jpeg(drawn(22)))
    (folder / "3.jpg").unlink()
    (folder / "new.jpg").write_bytes(jpeg(drawn(7)))
    before, sequence = state(opened), opened.catalog.sequence()
    found = run("build", "--sync", "--dry-run")
    assert [(one["from"], one["to"]) for one in found["moved"]] == [("0.jpg", "zero.jpg")]
    assert ([one["key"] for one in found["removed"]], found["replaced"], found["added"]) == (
        ["3.jpg"], ["2.jpg"], ["new.jpg"],
    )  # fmt: skip
    assert (found["refused"], found["counts"]["unchanged"]) == (False, 3)
    assert (state(opened), opened.catalog.sequence()) == (before, sequence)


def test_an_unmounted_disk_removes_nothing(run, opened, folder):
    """Whether the folder is empty or most of it is gone."""
    before = state(opened)
    for number in range(3):
        (folder / f"{number}.jpg").unlink()
    refused = run("sync", code=1)
    assert "the files of 3 of 6 items have vanished (0.jpg, 1.jpg, 2.jpg, …)" in refused.stderr
    assert run("sync", "--dry-run")["refused"]
    assert state(opened) == before
    assert run("sync", "--most-missing", "0.5")["sync"]["removed"] == 3
    shutil.rmtree(folder)
    folder.mkdir()
    assert "the files of 3 of 3 items have vanished" in run("build", "--sync", code=1).stderr
    assert run("build", "--sync", "--most-missing", "1")["count"] == 0
    assert verify(opened) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root can read every folder")
def test_a_folder_that_cannot_be_read_keeps_its_items(run, opened, folder):
    (folder / "holiday").chmod(0)
    found = run("sync")
    (folder / "holiday").chmod(0o755)
    assert found["sync"] == {"moved": 0, "removed": 0, "unread": 2, "elsewhere": 0, "decided": 0}


def test_links_to_a_disk_that_is_away_and_damaged_files_keep_their_items(run, opened, folder, tmp_path, drawn, jpeg):
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "far.jpg").write_bytes(jpeg(drawn(30)))
    (folder / "far.jpg").symlink_to(tmp_path / "disk" / "far.jpg")
    run("sync")
    (tmp_path / "disk").rename(tmp_path / "away")
    (folder / "0.jpg").write_bytes((folder / "0.jpg").read_bytes()[:200])
    found = run("sync")
    assert (found["sync"]["unread"], found["sync"]["removed"], found["unreadable"]) == (2, 0, 1)
    assert {"far.jpg", "0.jpg"} <= state(opened).keys()


def test_items_that_are_not_of_the_folder_stay(run, opened, folder, tmp_path, jpeg, drawn):
    """Those of another folder, and those that were added over HTTP."""
    other = tmp_path / "other"
    other.mkdir()
    (other / "theirs.jpg").write_bytes(jpeg(drawn(40)))
    run("build", source=other)
    [item] = opened.catalog.find_many("default", ["0.jpg"]).values()
    posted = NewItem("posted", item.sha256, item.width, item.height, None)
    opened.catalog.add([posted], model=opened.bundle.id)
    found = run("sync")
    assert found["sync"] == {"moved": 0, "removed": 0, "unread": 0, "elsewhere": 2, "decided": 0}
    (other / "theirs.jpg").unlink()
    assert run("sync")["sync"]["removed"] == 1
    assert "posted" in state(opened)


def test_a_folder_that_moved_as_a_whole_is_still_followed(run, opened, folder, tmp_path):
    shutil.copytree(folder, tmp_path / "new")
    assert run("sync", source=tmp_path / "new")["unchanged"] == 6
    (tmp_path / "new" / "0.jpg").unlink()
    assert run("sync", source=tmp_path / "new")["sync"]["removed"] == 1
    assert opened.catalog.find("default", "1.jpg").source == str(tmp_path / "new" / "1.jpg")


def test_members_of_a_renamed_tar_file_move(run, folder, tmp_path):
    shards = tmp_path / "shards"
    shards.mkdir()
    with tarfile.open(shards / "one.tar", "w") as tar:
        tar.add(folder, arcname=".")
    run("build", source=shards)
    (shards / "one.tar").rename(shards / "two.tar")
    assert run("sync", source=shards)["sync"]["moved"] == 6
    with Index.open(tmp_path / "index") as index:
        assert all(key.startswith("two.tar/") for key in state(index))


def test_other_collections_are_left_alone(run, opened, folder):
    run("build", "--collection", "theirs")
    (folder / "0.jpg").unlink()
    assert run("sync")["sync"]["removed"] == 1
    assert len(state(opened, "theirs")) == 6
    assert verify(opened) == []


def test_options_of_a_sync_need_one(run):
    assert "need --sync" in run("build", "--dry-run", code=2).output
    assert "there is no index" in run("sync", "--dry-run", code=1).output


def test_copies_that_were_removed_do_not_come_back(run, opened, folder):
    """Also if the file is moved, and whether its bytes are those of another picture or its own; an undo ends that."""
    shutil.copy(folder / "0.jpg", folder / "0-again.jpg")
    run("sync")
    removed = [ids(opened)["0-again.jpg"], ids(opened)["1.jpg"]]
    batch = opened.catalog.curation.decide([], removed=removed).batch
    left = {"0.jpg", "2.jpg", "3.jpg", "holiday/beach/dune.PNG", "holiday/sea.webp"}
    for turn in range(3):
        found = run("build", "--sync")
        assert (found["sync"]["decided"], found["created"], found["sync"]["removed"]) == (2, 0, 0)
        assert state(opened).keys() == left
        for name in ("0-again.jpg", "1.jpg"):
            source = next(folder.rglob(f"*{name}"))
            source.rename(folder / "holiday" / f"{turn}{name}")
    shutil.copy(folder / "0.jpg", folder / "new-copy.jpg")
    assert run("sync")["created"] == 1, "one more copy than was removed is new"
    assert opened.catalog.curation.undo(batch).restored == 2
    assert run("sync")["sync"]["decided"] == 0
    assert state(opened) == tree(folder)
    assert set(removed) <= {item.id for item in opened.catalog.page()}
    assert verify(opened) == []
