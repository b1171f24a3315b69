"""`copysight dedupe` from the outside: folders and an index, scopes, actions, JSON."""

import json
import secrets
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from cli.main import main
from copysight.catalog.curation.decisions import NewDecision
from copysight.index import Index
from tests.conftest import encoded


def photograph(seed):
    """A picture with texture, of which local features find some hundred keypoints."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (24, 32, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((640, 480), Image.Resampling.BICUBIC)


@pytest.fixture
def archive(tmp_path):
    root = tmp_path / "archive"
    for folder in ("train/cat", "test/dog"):
        (root / folder).mkdir(parents=True)
    for number in range(6):
        (root / f"train/cat/{number}.jpg").write_bytes(encoded(photograph(number), quality=95))
    shutil.copy(root / "train/cat/0.jpg", root / "test/dog/same.jpg")
    photograph(1).resize((320, 240)).save(root / "test/dog/small.jpg", quality=85)
    photograph(2).crop((60, 40, 560, 420)).save(root / "train/cat/2-detail.jpg", quality=90)
    (root / "test/broken.jpg").write_bytes(encoded(photograph(9))[:300])
    return root


def run(*words, code=0):
    done = CliRunner().invoke(main, ["dedupe", *map(str, words)])
    assert done.exit_code == code, done.output
    return done


def answer(*words):
    return json.loads(run(*words, "--json").stdout)


def members(found):
    return {group["keep"]: {one["path"]: one["verdict"] for one in group["members"]} for group in found["groups"]}


def test_the_groups_of_a_folder_as_json(archive, tmp_path):
    found = answer(archive, "--cache", tmp_path / "cache")
    assert set(found) == {"groups", "unreadable"}
    assert found["unreadable"] == ["test/broken.jpg"]
    assert members(found) == {
        "test/dog/same.jpg": {"train/cat/0.jpg": "exact"},
        "train/cat/1.jpg": {"test/dog/small.jpg": "resized"},
        "train/cat/2.jpg": {"train/cat/2-detail.jpg": "part"},
    } or members(found) == {
        "train/cat/0.jpg": {"test/dog/same.jpg": "exact"},
        "train/cat/1.jpg": {"test/dog/small.jpg": "resized"},
        "train/cat/2.jpg": {"train/cat/2-detail.jpg": "part"},
    }
    for group in found["groups"]:
        for member in group["members"]:
            assert set(member) == {"path", "probability", "verdict"}
            assert 0.9 <= member["probability"] <= 1
    assert answer(archive, "--cache", tmp_path / "cache") == found, "the second run answers from the cache"


def test_leaks_between_two_folders_keep_the_first_and_within_ignores_others(archive, tmp_path):
    call = (archive, "--cache", tmp_path / "cache")
    assert members(answer(*call, "--between", "train", "test")) == {
        "train/cat/0.jpg": {"test/dog/same.jpg": "exact"},
        "train/cat/1.jpg": {"test/dog/small.jpg": "resized"},
    }
    assert members(answer(*call, "--between", "test", "train")).keys() == {"test/dog/same.jpg", "test/dog/small.jpg"}
    assert members(answer(*call, "--within", "train")) == {"train/cat/2.jpg": {"train/cat/2-detail.jpg": "part"}}
    assert "no picture lies in" in run(*call, "--within", "nowhere", code=1).output


def test_keep_rules_and_an_unknown_one(archive, tmp_path):
    call = (archive, "--cache", tmp_path / "cache")
    assert "test/dog/small.jpg" in members(answer(*call, "--keep", "path=test/*,resolution"))
    assert "got the keep rule 'best'" in run(*call, "--keep", "best", code=1).output


def test_nothing_changes_without_yes_and_a_move_is_undone(archive, tmp_path):
    def state():
        return {path.relative_to(archive): path.read_bytes() for path in archive.rglob("*") if path.is_file()}

    before, spare, undo = state(), tmp_path / "spare", tmp_path / "undo.jsonl"
    call = (archive, "--cache", tmp_path / "cache", "--action", "move", "--to", spare, "--undo-file", undo)
    assert "3 files would change" in run(*call).stderr
    assert state() == before
    assert not undo.exists()
    run(*call, "--yes")
    assert len(state()) == len(before) - 3
    assert len([path for path in spare.rglob("*") if path.is_file()]) == 3
    assert answer(archive, "--cache", tmp_path / "cache")["groups"] == []
    run("--undo", undo)
    assert state() == before
    assert "lies in" in run(archive, "--action", "move", "--to", archive / "x", code=1).output


def test_report_and_table_need_no_other_file(archive, tmp_path):
    report, table = tmp_path / "report.html", tmp_path / "table.csv"
    run(archive, "--cache", tmp_path / "cache", "--report", report, "--csv", table)
    text = report.read_text()
    assert "http" not in text.replace("http-equiv", "")
    assert 'class="pictures-0"' in text
    assert len(table.read_text().splitlines()) == 1 + 6


def test_an_index_gives_the_same_groups_as_its_folder(archive, tmp_path):
    done = CliRunner().invoke(main, ["index", "add", str(archive), "--index", str(tmp_path / "index")])
    assert done.exit_code == 0, done.output
    found = answer("--index", tmp_path / "index")
    assert members(found) == members(answer(archive, "--cache", tmp_path / "cache"))
    assert run(code=2).exit_code == 2
    assert run(Path(archive), "--index", tmp_path / "index", code=2).exit_code == 2


def test_decisions_about_an_index_survive_a_sync_and_a_rebuild(archive, tmp_path):
    def index(*words):
        done = CliRunner().invoke(main, ["index", *map(str, words), "--index", str(tmp_path / "index")])
        assert done.exit_code == 0, done.output

    index("add", archive)
    before = answer("--index", tmp_path / "index")
    with Index.open(tmp_path / "index") as opened:
        sha256s = {item.key: item.sha256 for item in opened.catalog.page()}
        small, whole = sha256s["test/dog/small.jpg"], sha256s["train/cat/1.jpg"]
        apart = NewDecision("not_duplicates", (sha256s["train/cat/2.jpg"], sha256s["train/cat/2-detail.jpg"]))
        opened.catalog.curation.decide([apart, NewDecision("keep", (small, whole))])
    (archive / "train" / "cat").rename(archive / "train" / "felines")
    index("sync", archive)
    index("rebuild")
    found = members(answer("--index", tmp_path / "index"))
    assert len(before["groups"]) == 3
    assert len(found) == 2
    assert found["test/dog/small.jpg"] == {"train/felines/1.jpg": "resized"}
    assert answer("--index", tmp_path / "index", "--between", "train", "test")["groups"][0]["keep"][:5] == "train"


def test_decisions_are_listed_and_undone(archive, tmp_path):
    def index(*words, code=0):
        done = CliRunner().invoke(main, ["index", *map(str, words), "--index", str(tmp_path / "index")])
        assert done.exit_code == code, done.output
        return done.output

    index("add", archive)
    assert "nothing was decided" in index("decisions")
    with Index.open(tmp_path / "index") as opened:
        first, second, *_ = opened.catalog.page()
        pair = NewDecision("keep_all", (first.sha256, second.sha256))
        batch = opened.catalog.curation.decide([pair, pair], removed=[first.id], author="media desk").batch
    assert "by media desk: 2 keep_all, 1 removed" in index("decisions")
    [listed] = json.loads(index("decisions", "--json"))["batches"]
    assert (listed["batch"], listed["decisions"], listed["removed"]) == (batch, ["keep_all"] * 2, 1)
    assert "2 decisions forgotten, 1 items restored" in index("decisions", "--undo", batch)
    assert "nothing was decided" in index("decisions")
    assert "perhaps it was undone" in index("decisions", "--undo", batch, code=1)


def test_folders_never_reach_the_servers_of_an_index(archive, tmp_path, on_s3, postgresql, monkeypatch):
    """The environment may name the catalog and the blobs of a collection that others use."""
    monkeypatch.setenv("COPYSIGHT_CATALOG", f"{postgresql.url}?schema=beside_{secrets.token_hex(4)}")
    with Index.create(tmp_path / "index") as shared:
        shared.published.offer(shared.bundle.id)
        found = answer(archive, "--cache", tmp_path / "cache")
        assert shared.catalog.count() == 0
        [kept] = (tmp_path / "cache").glob("*/catalog.sqlite")
        assert not (kept.parent / "blobs.json").exists()
        monkeypatch.undo()  # later, or on another machine
        assert answer(archive, "--cache", tmp_path / "cache") == found
