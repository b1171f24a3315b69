"""Archives as they are: names, links, tar files, folders of systems. Everything is taken or accounted for."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from cli.main import main
from copysight.catalog import NewItem
from copysight.errors import InvalidArgument
from copysight.index import Index
from copysight.model.bundle import Bundle
from copysight.model.embedder import Embedder
from copysight.pictures.decode import decode
from copysight.pictures.scan import Scan, scan
from copysight.system import names
from index_builder.build import build
from index_builder.progress import Progress, Step
from index_builder.stages.plan import Plan
from service.collection.adding import NewPicture
from tests.reported import archive as archives
from tests.reported.archive import NAMES, Archive

Run = Callable[..., Result]


@pytest.fixture
def run(tiny_bundle: Bundle, tmp_path: Path) -> Run:
    """Run ``copysight index COMMAND`` on one index, with --json."""

    def run(command: str, *words: object, **environment: str) -> Result:
        bundle = ["--bundle", tiny_bundle.path] if command == "build" else []
        given = ["index", command, *words, "--index", tmp_path / "index", "--json", *bundle]
        return CliRunner().invoke(main, [str(word) for word in given], env=environment)

    return run


@pytest.fixture
def photos(tmp_path: Path, jpeg: Callable[..., bytes], drawn: Callable[..., Image.Image]) -> Path:
    """Three pictures in a folder."""
    (tmp_path / "photos" / "sub").mkdir(parents=True)
    for number, name in enumerate(("0.jpg", "1.jpg", "sub/2.jpg")):
        (tmp_path / "photos" / name).write_bytes(jpeg(drawn(number)))
    return tmp_path / "photos"


def report(result: Result) -> dict:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def counts(bins: dict) -> dict[str, int]:
    return {reason: one["count"] for reason, one in bins.items()}


def check_that_it_adds_up(found: dict) -> None:
    """Every file is in one bin of the account, and every picture has one outcome."""
    account = found["scan"]
    bins = [*account["passed_over"].values(), *account["unreadable"].values()]
    assert account["found"] == account["taken"] + sum(one["count"] for one in bins)
    assert account["taken"] == sum(found[name] for name in ("created", "replaced", "unchanged", "conflicts"))
    assert found["pictures"] == account["taken"] + found["unreadable"]
    assert all(one["examples"] and one["examples"][0]["name"] for one in bins)


@pytest.mark.reported("P14")
def test_an_archive_with_every_oddity_is_built_in_one_go(run, tiny_bundle, tmp_path):
    archive = archives.make(tmp_path / "archive")
    report(run("build", archive.root, "--exclude", "private"))
    shutil.move(tmp_path / "index", archive.root / "my index")  # P15: from now on it lies among the pictures
    shutil.copytree(archive.root / "my index", archive.root / "backups" / "index of monday")
    archive.passed_over["holds_index"] = 2
    found = report(run("build", archive.root, "--exclude", "private"))
    check_that_it_adds_up(found)
    assert counts(found["scan"]["passed_over"]) == archive.passed_over
    assert counts(found["scan"]["unreadable"]) == archive.unreadable
    more = 3  # hard.jpg and soft.jpg in the tar file, and one picture that it holds twice
    assert found["scan"]["taken"] == found["created"] == len(archive.pictures) + more
    check_that_each_is_found(tmp_path / "index", archive, tiny_bundle)


def check_that_each_is_found(directory: Path, archive: Archive, bundle: Bundle) -> None:
    embedder = Embedder(bundle)
    with Index.open(directory) as index:
        snapshot = index.snapshot()
        for data in archive.pictures:
            vector = embedder.embed([decode(data, at_least=bundle.at_least).pixels])
            [match] = snapshot.search(vector, 1)[0]
            assert match.similarity == pytest.approx(1, abs=1e-5)
            assert index.catalog.get(match.id).sha256 == hashlib.sha256(data).hexdigest()


@pytest.mark.reported("P14")
def test_training_and_evaluation_give_the_same_account(run, tmp_path):
    archive = archives.make(tmp_path / "archive", plain=4)
    (archive.root / "train").mkdir()
    (archive.root / "downloads").rename(archive.root / "train" / "one")  # a labelled set with much beside it
    archive.picture("val/one/x.jpg")
    built = report(run("build", archive.root, "--exclude", "private"))["scan"]
    words = [
        "train",
        "swav",
        archive.root,
        "--out",
        tmp_path / "run",
        "--cache",
        tmp_path / "cache",
        "--exclude",
        "private",
    ]
    small = ["--backbone", "resnet10t", "--global-size", 32, "--local-crops", 0, "--prototypes", 4, "--batch", 8]
    result = CliRunner().invoke(main, [str(word) for word in (*words, *small, "--epochs", 0.2, "--device", "cpu")])
    assert result.exit_code == 0, result.output
    events = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    [trained] = [{name: event[name] for name in built} for event in events if event["kind"] == "scan"]
    assert trained == built
    assert f"{built['found']:,} files in" in result.output
    words = ["evaluate", "knn", "pixels", archive.root, "--k", 1, "--exclude", "private", "--json"]
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    [evaluated] = json.loads(result.stdout)["scans"]
    assert evaluated == built
    text = CliRunner().invoke(main, [str(word) for word in words[:-1]]).stderr
    assert f"{built['found']:,} files in" in text


class Interfering(Progress):
    """Does something when a stage of the build begins."""

    def __init__(self, stage: str, work: Callable[[], object]) -> None:
        super().__init__(StringIO())
        self._at, self._work = stage, work

    def stage(self, name: str, total: int, done: int = 0) -> AbstractContextManager[Step]:
        if name == self._at:
            self._work()
        return super().stage(name, total, done)


@pytest.mark.reported("P14")
def test_a_file_that_vanishes_during_a_build_is_named(photos, tiny_bundle, tmp_path):
    plan = Plan(photos, tmp_path / "index", bundle=str(tiny_bundle.path))
    summary = build(plan, Interfering("embed", (photos / "1.jpg").unlink))
    check_that_it_adds_up(json.loads(summary.to_json()))
    [example] = summary.account.unreadable["unreadable_file"].examples
    assert (example.name, summary.created) == ("1.jpg", 2)
    assert "No such file" in example.detail


@pytest.mark.reported("P13")
@pytest.mark.parametrize("name", [name for name in NAMES if names.is_allowed(name)], ids=ascii)
def test_an_ordinary_name_can_be_uploaded(name):
    assert NewPicture.of(None, {"key": name, "collection": name}).key == name


@pytest.mark.reported("P13")
@pytest.mark.parametrize(
    "name", ["a\nb.jpg", "a\x85b.jpg", "a\u2028b.jpg", "right\u202egpj.jpg", "a\u2066b.jpg"], ids=ascii
)
def test_a_name_that_deceives_the_reader_is_refused(name):
    with pytest.raises(InvalidArgument, match="without control characters, line breaks"):
        NewPicture.of(None, {"key": name})


@pytest.mark.reported("P13")
def test_every_name_has_its_own_key_and_can_be_removed_by_it(run, photos, tmp_path):
    for number, name in enumerate(NAMES):
        (photos / name).write_bytes((photos / "0.jpg").read_bytes() + bytes([number]))
    assert report(run("build", photos))["created"] == 3 + len(NAMES)
    with Index.open(tmp_path / "index") as index:
        keys = [item.key for item in index.catalog.page(limit=100)]
    assert len(set(keys)) == 3 + len(NAMES)
    assert {name for name in NAMES if name.isprintable()} - {r"caf\udce9.jpg", r"two\nlines.jpg"} <= set(keys)
    half = len(NAMES) // 2
    for name in NAMES[:half]:  # as the shell completes it
        assert report(run("remove", "--key", name)) == {"removed": 1}
    with Index.open(tmp_path / "index") as index:
        left = [item.key for item in index.catalog.page(limit=100)]
    for key in left:  # as the listing shows it
        assert report(run("remove", "--key", key)) == {"removed": 1}


@pytest.mark.reported("P13")
def test_originals_with_odd_names_are_there_for_another_model(run, photos, other_bundle, tmp_path):
    (photos / "sub").rename(photos / os.fsdecode(b"dossier \xe9t\xe9"))
    for number, name in enumerate(NAMES):
        (photos / name).write_bytes((photos / "0.jpg").read_bytes() + bytes([number]))
    assert report(run("build", photos, "--originals", "reference"))["created"] == 3 + len(NAMES)
    assert report(run("rebuild", "--bundle", other_bundle.path))["count"] == 3 + len(NAMES)


@pytest.fixture
def old_index(photos, tiny_bundle, tmp_path) -> Scan:
    """An index that version 0.1 made of pictures with odd names: keys escaped, no sources."""
    for number, name in enumerate(NAMES):
        if name not in {r"caf\udce9.jpg", r"two\nlines.jpg"}:  # its keys fell together
            (photos / name).write_bytes((photos / "0.jpg").read_bytes() + bytes([number]))
    found = scan(photos)
    with Index.create(tmp_path / "index", tiny_bundle.path, "reference") as index:
        items = [
            NewItem(
                key=entry.former or entry.key,
                sha256=index.blobs.put_original(entry.read()),
                width=160,
                height=120,
                vector=np.eye(tiny_bundle.dimension, dtype=np.float32)[0],
                source=None,
            )
            for entry in found.entries
        ]
        for entry, item in zip(found.entries, items, strict=True):
            index.blobs.put_thumbnail(item.sha256, decode(entry.read()).pixels)
        index.catalog.add(items, model=tiny_bundle.id)
    return found


@pytest.mark.reported("P13")
def test_an_index_of_the_first_version_keeps_its_keys(run, old_index, photos, other_bundle, tmp_path):
    again = report(run("build", photos))
    assert (again["created"], again["conflicts"], again["absent"]) == (0, 0, 0)
    assert again["unchanged"] == len(old_index.entries)
    key = NAMES[0]
    assert report(run("remove", "--key", key)) == {"removed": 1}
    assert report(run("build", photos))["created"] == 1
    changed = report(run("rebuild", "--bundle", other_bundle.path))  # the sources are known now
    assert changed["count"] == len(old_index.entries)
    with Index.open(tmp_path / "index") as index:
        assert index.catalog.find("default", key) is not None


@pytest.mark.reported("P13")
def test_a_file_that_is_called_like_an_old_key_is_another_file(run, old_index, photos):
    other = photos / NAMES[0].replace("\u202f", "\\u202f")
    other.write_bytes((photos / "1.jpg").read_bytes())
    found = report(run("build", photos))
    check_that_it_adds_up(found)
    assert found["unreadable"] == 0
    assert (found["unchanged"], found["created"] + found["conflicts"]) == (len(old_index.entries) - 1, 2)


@pytest.mark.reported("P15")
def test_an_index_in_the_folder_does_not_index_itself(photos, tiny_bundle):
    inside = photos / "index"
    for _ in range(3):
        words = ["index", "build", photos, "--index", inside, "--bundle", tiny_bundle.path, "--json"]
        found = report(CliRunner().invoke(main, [str(word) for word in words]))
        assert (found["pictures"], found["count"]) == (3, 3)
    assert (
        CliRunner().invoke(main, ["index", "backup", str(photos / "sub" / "copy"), "--index", str(inside)]).exit_code
        == 0
    )
    found = report(CliRunner().invoke(main, [str(word) for word in words]))
    assert found["scan"]["passed_over"]["holds_index"]["count"] == 2
    assert found["pictures"] == 3


@pytest.mark.reported("P15")
def test_the_folder_of_an_index_is_no_source(run, photos, tmp_path):
    report(run("build", photos))
    result = run("build", tmp_path / "index")
    assert result.exit_code == 1
    assert "1 holds_index" in result.stderr


@pytest.mark.reported("P15")
def test_folders_can_be_excluded(run, photos):
    found = report(run("build", photos, "--exclude", "sub/", "--exclude", "1.*"))
    assert (found["created"], counts(found["scan"]["passed_over"])) == (1, {"excluded": 2})


@pytest.fixture
def panorama(tmp_path: Path) -> Path:
    """A folder with a picture of 108 megapixels."""
    (tmp_path / "large").mkdir()
    Image.new("L", (18_000, 6_000), 200).save(tmp_path / "large" / "panorama.png")
    return tmp_path / "large"


@pytest.mark.reported("P16")
def test_a_panorama_can_be_indexed_with_a_higher_limit(run, panorama, tmp_path):
    refused = run("build", panorama)
    assert refused.exit_code == 1
    assert "too_many_pixels" in refused.stderr
    assert report(run("build", panorama, "--max-pixels", 120_000_000))["created"] == 1


@pytest.mark.reported("P16")
def test_the_setting_of_the_service_counts_for_all_commands(run, panorama, other_bundle, tmp_path):
    setting = {"COPYSIGHT_MAX_PIXELS": "120000000"}
    assert report(run("build", panorama, **setting))["created"] == 1
    assert report(run("rebuild", "--bundle", other_bundle.path))["count"] == 1  # the original was accepted before
    words = ["embed", str(panorama), "--bundle", str(other_bundle.path), "--json"]
    assert CliRunner().invoke(main, words, env=setting).exit_code == 0
    small = [*words[:1], str(panorama / "panorama.png"), *words[2:]]
    assert CliRunner().invoke(main, small, env={"COPYSIGHT_MAX_BYTES": "1024"}).exit_code == 1


@pytest.mark.reported("S10")
def test_the_summary_of_a_changed_archive_adds_up(run, photos, tmp_path, jpeg, drawn):
    for number in range(3, 8):
        (photos / f"{number}.jpg").write_bytes(jpeg(drawn(number)))
    report(run("build", photos))
    (photos / "0.jpg").rename(photos / "renamed.jpg")
    (photos / "1.jpg").rename(photos / "sub" / "1.jpg")
    (photos / "3.jpg").unlink()
    (photos / "4.jpg").write_bytes(jpeg(drawn(40)))
    (photos / "5.jpg").write_bytes(b"broken")
    found = report(run("build", photos))
    check_that_it_adds_up(found)
    outcome = {name: found[name] for name in ("created", "conflicts", "unchanged", "absent")}
    assert outcome == {"created": 2, "conflicts": 1, "unchanged": 3, "absent": 3}
    assert "key_conflict" not in found["scan"]["unreadable"]
    words = ["index", "build", str(photos), "--index", str(tmp_path / "index")]
    text = CliRunner().invoke(main, words).stdout
    assert "0 added, 0 replaced, 5 unchanged, 1 in conflict" in text
    assert "under the same key (use --replace): 4.jpg" in text
    assert "3 items of the collection 'default' have no file in this source" in text
