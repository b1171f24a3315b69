"""Faults of an index in operation: moved or replaced under a server, files gone, first users, restores, equal bytes."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from copysight.errors import IndexCorrupt, InvalidArgument
from copysight.index import Index, backup, export_items, import_items, remarks, restore, verify
from tests.copysight.index.upkeep.test_backup import UNSHARED
from tests.service.conftest import Server, index, origin, pictures, serving  # noqa: F401 - fixtures

ROOT = Path(__file__).parents[2]


def command(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cli", *map(str, words)], cwd=ROOT, capture_output=True, text=True, check=False
    )


def check_refuses(server: Server, picture: bytes) -> None:
    """Every write is refused, nothing is said to be ready, and no search answers from elsewhere."""
    http = server.http
    line = json.dumps({"image": "", "key": "x"}) + "\n"
    answers = [
        http.get("/readyz"),
        http.post("/images", files={"file": picture}),
        http.post("/images", content=line, headers={"content-type": "application/x-ndjson"}),
        http.patch("/images/1", json={"metadata": {"a": 1}}),
        http.delete("/images/1"),
        http.post("/index/rollback", json={}),
        http.post("/index/rebuild", json={}),
        http.post("/search", files={"file": picture}),
        http.get("/index"),
    ]
    assert [answer.status_code for answer in answers] == [503] * len(answers)
    assert [answer.json()["code"] for answer in answers[:2]] == ["not_ready", "not_writable"]
    for answer in answers:
        assert "moved or replaced while it was open" in answer.json()["detail"]
        assert "restart" in answer.json()["detail"]
    assert http.get("/healthz").status_code == 200


def check_answers(server: Server, picture: bytes, key: str) -> None:
    assert server.http.get("/readyz").status_code == 200
    assert server.http.post("/images", params={"key": key}, files={"file": picture}).status_code == 201


@pytest.mark.reported("S4")
def test_an_index_that_is_moved_away_and_back_takes_no_adds_in_between(index, drawn, jpeg):  # noqa: F811
    picture = jpeg(drawn(70))
    with serving(index) as server:
        check_answers(server, picture, "before")
        index.rename(index.with_name("elsewhere"))
        check_refuses(server, picture)
        assert not index.exists()  # nothing was written at the old place
        index.with_name("elsewhere").rename(index)
        check_answers(server, picture, "after")
    with Index.open(index) as opened:
        assert verify(opened) == []
        assert opened.catalog.count() == 14


@pytest.mark.reported("S4")
@pytest.mark.parametrize("how", ["restore", "copy over the files", "remove", "other files in the directory"])
def test_an_index_that_is_replaced_under_a_server_takes_no_adds(index, tmp_path, drawn, jpeg, how):  # noqa: F811
    picture, saved = jpeg(drawn(71)), tmp_path / "saved"
    with Index.open(index) as opened:
        backup(opened, saved)
    with serving(index) as server:
        check_answers(server, picture, "before")
        if how == "copy over the files":
            shutil.copyfile(saved / "catalog.sqlite", index / "catalog.sqlite")
        elif how == "other files in the directory":
            (index / "catalog.sqlite").rename(index / "old.sqlite")
            shutil.copyfile(saved / "catalog.sqlite", index / "catalog.sqlite")
        else:
            shutil.rmtree(index)
            if how == "restore":
                assert command("index", "restore", saved, "--index", index).returncode == 0
        check_refuses(server, picture)
    assert index.exists() == (how != "remove")


@pytest.mark.reported("S4")
def test_a_link_to_an_index_that_is_changed_under_a_server_takes_no_adds(index, tmp_path, drawn, jpeg):  # noqa: F811
    picture, link = jpeg(drawn(72)), tmp_path / "link"
    shutil.copytree(index, tmp_path / "second")
    link.symlink_to(index)
    with serving(link) as server:
        check_answers(server, picture, "before")
        new = tmp_path / "new"
        new.symlink_to(tmp_path / "second")
        new.rename(link)
        check_refuses(server, picture)
        new.symlink_to(index)
        new.rename(link)
        check_answers(server, picture, "after")


@pytest.mark.reported("S4")
def test_a_transaction_during_which_the_index_is_moved_is_not_acknowledged(index, drawn, jpeg):  # noqa: F811
    from copysight.errors import NotWritable

    with Index.open(index) as opened:
        with pytest.raises(NotWritable, match="moved or replaced"), opened.catalog._database.write():
            index.rename(index.with_name("elsewhere"))
        index.with_name("elsewhere").rename(index)
        opened.catalog.set_metadata(1, {"a": 1})


def files_of(opened: Index, number: int) -> dict[str, Path]:
    return {path.suffix: path for path in opened.blobs.store.files(opened.catalog.get(number).sha256)}


@pytest.mark.reported("S3")
@pytest.mark.parametrize("how", ["missing", "empty", "cut"])
@pytest.mark.parametrize("suffix", ["", ".jpg"], ids=["original", "thumbnail"])
def test_a_file_of_an_item_that_is_gone_is_a_fault(index, tmp_path, how, suffix):  # noqa: F811
    with Index.open(index) as opened:
        assert (verify(opened), remarks(opened)) == ([], [])
        file = files_of(opened, 3)[suffix]
        data = file.read_bytes()
        file.unlink() if how == "missing" else file.write_bytes(b"" if how == "empty" else data[:-9])
        assert verify(opened) != []
        if how == "cut" and not suffix:
            return  # its bytes are compared, as before
        key = opened.catalog.get(3).key
        assert any(f"({key!r})" in fault and "1 items" in fault for fault in verify(opened))
        assert opened.blobs.thumbnail(opened.catalog.get(1).sha256) is not None
    done = command("index", "verify", "--index", index)
    assert (done.returncode, repr(key) in done.stdout) == (1, True)
    done = command("index", "backup", "--index", index, tmp_path / "saved")
    assert (done.returncode, repr(key) in done.stdout + done.stderr) == (1, True)
    if how == "empty" and not suffix:
        return  # the bytes in the backup are damaged, too
    with pytest.raises(IndexCorrupt, match=r"not complete.*--allow-missing"):
        restore(tmp_path / "saved", tmp_path / "again")
    assert not (tmp_path / "again").exists()
    assert len(restore(tmp_path / "saved", tmp_path / "again", allow_missing=True)) == 1


@pytest.mark.reported("S3")
def test_verify_sees_that_all_originals_and_thumbnails_are_gone(index):  # noqa: F811
    for file in (index / "blobs").glob("??/*"):
        file.unlink()
    with Index.open(index) as opened:
        assert [fault.split(" items ")[0] for fault in verify(opened)] == ["there are 12"] * 2


@pytest.mark.reported("S3")
def test_adding_a_picture_again_brings_its_files_back(index, drawn, jpeg):  # noqa: F811
    with serving(index) as server:
        number = server.http.post("/images", params={"key": "n"}, files={"file": jpeg(drawn(60))}).json()["id"]
        with Index.open(index) as opened:
            for file in files_of(opened, number).values():
                file.write_bytes(b"")
            assert len(verify(opened)) >= 2
            answer = server.http.post("/images", params={"key": "n"}, files={"file": jpeg(drawn(60))})
            assert answer.json()["status"] == "unchanged"
            assert verify(opened) == []


@pytest.mark.reported("S3")
def test_originals_that_are_only_referenced_are_remarked_on(tmp_path, tiny_bundle, drawn, jpeg):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for seed in range(4):
        (folder / f"{seed}.jpg").write_bytes(jpeg(drawn(seed)))
    where = ("--index", tmp_path / "index", "--bundle", tiny_bundle.path, "--originals", "reference")
    assert command("index", "build", folder, *where).returncode == 0
    (folder / "2.jpg").unlink()
    (folder / "3.jpg").write_bytes(b"")
    with Index.open(tmp_path / "index") as opened:
        assert verify(opened) == []
        assert remarks(opened)[0].startswith("there are 2 items whose original is not at its source any more ('2.jpg',")


@pytest.mark.reported("S3")
def test_items_that_were_imported_without_files_are_no_fault(index, tmp_path, tiny_bundle):  # noqa: F811
    with Index.open(index) as opened:
        export_items(opened, tmp_path / "out")
    with Index.create(tmp_path / "second", tiny_bundle.path) as second:
        import_items(second, tmp_path / "out")
        assert (verify(second), remarks(second)) == ([], [])
        assert backup(second, tmp_path / "saved") == []
    assert restore(tmp_path / "saved", tmp_path / "again") == []


@pytest.mark.reported("S7")
def test_two_first_users_of_an_index_both_go_on(tmp_path, pictures, tiny_bundle, drawn, jpeg):  # noqa: F811
    other, directory = tmp_path / "other", tmp_path / "index"
    other.mkdir()
    for seed in range(20, 24):
        (other / f"{seed}.jpg").write_bytes(jpeg(drawn(seed)))
    where = ["--index", str(directory), "--bundle", str(tiny_bundle.path), "--threads", "1"]
    builds = [
        subprocess.Popen(
            [sys.executable, "-m", "cli", "index", "build", str(folder), *where],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for folder in (pictures, other)
    ]
    with serving(directory, bundle=tiny_bundle.path) as server:
        texts = [build.communicate(timeout=200)[0] for build in builds]
        assert [build.returncode for build in builds] == [0, 0], texts
        assert server.http.get("/index").json()["count"] == 16
        assert server.http.get("/readyz").status_code == 200
    with Index.open(directory) as opened:
        assert verify(opened) == []


CREATE = """
import sys
from pathlib import Path
from copysight.index import Index
sys.stdin.readline()
index = Index.open_or_create(Path(sys.argv[1]), sys.argv[2])
index.catalog.jobs.create(sys.argv[3])
print(index.catalog.policy())
"""


@pytest.mark.reported("S7")
def test_eight_processes_that_create_one_index_share_it(tmp_path, graphless_path):
    users = [
        subprocess.Popen(
            [sys.executable, "-c", CREATE, str(tmp_path / "index"), str(graphless_path), f"user {number}"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(8)
    ]
    for user in users:
        user.stdin.write("go\n")
        user.stdin.flush()
    ends = [(*user.communicate(timeout=100), user.returncode) for user in users]
    assert ends == [("keep\n", "", 0)] * 8
    with Index.open(tmp_path / "index") as opened:
        assert sorted(job.kind for job in opened.catalog.jobs.list()) == [f"user {number}" for number in range(8)]


@pytest.fixture(scope="module")
def graphless_path(tmp_path_factory) -> Path:
    from tests.copysight.conftest import written_bundle

    return written_bundle(tmp_path_factory.mktemp("graphless") / "first", "first").path


@pytest.fixture
def saved(tmp_path, index) -> Path:  # noqa: F811
    with Index.open(index) as opened:
        backup(opened, tmp_path / "saved")
    return tmp_path / "saved"


def empty(path: Path) -> Path:
    path.mkdir()
    return path


def linked(link: Path, target: Path) -> Path:
    link.symlink_to(target)
    return link


PLACES: dict[str, Callable[[Path], Path]] = {
    "new": lambda room: room / "a" / "b",
    "empty": lambda room: empty(room / "empty"),
    "link to an empty directory": lambda room: linked(room / "link", empty(room / "empty")),
    "link to nothing": lambda room: linked(room / "link", room / "nothing"),
    "a volume with lost+found": lambda room: empty(empty(room / "volume") / "lost+found").parent,
}


@pytest.mark.reported("S9")
@pytest.mark.parametrize("place", PLACES.values(), ids=list(PLACES))
def test_a_backup_is_restored_to_any_empty_place(saved, tmp_path, place):
    target = place(tmp_path)
    inode = target.stat().st_ino if target.exists() else None
    done = command("index", "restore", saved, "--index", target)
    assert done.returncode == 0, done.stderr
    assert inode in {None, target.stat().st_ino}  # filled, not replaced
    with Index.open(target) as opened:
        assert verify(opened) == []
        assert opened.catalog.count() == 12
    assert not [path for path in target.iterdir() if "filling" in path.name]


@pytest.mark.reported("S9")
def test_a_backup_is_restored_to_the_working_directory(saved, tmp_path):
    here = empty(tmp_path / "here")
    words = [sys.executable, "-m", "cli", "index", "restore", str(saved), "--index", "."]
    done = subprocess.run(
        words, cwd=here, capture_output=True, text=True, check=False, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    assert done.returncode == 0, done.stderr
    with Index.open(here) as opened:
        assert verify(opened) == []


@pytest.mark.reported("S9")
def test_a_backup_is_restored_to_a_mount_point(saved, tmp_path):
    if shutil.which("unshare") is None or subprocess.run([*UNSHARED, "true"], check=False).returncode:
        pytest.skip("no mount namespace here")
    mount, copy = empty(tmp_path / "mount"), tmp_path / "copy"
    script = f"""set -e; mount -t tmpfs none {mount}
        {sys.executable} -m cli index restore {saved} --index {mount}
        {sys.executable} -m cli index verify --index {mount}; cp -a {mount} {copy}"""
    done = subprocess.run([*UNSHARED, "sh", "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with Index.open(copy) as opened:
        assert opened.catalog.count() == 12


@pytest.mark.reported("S9")
def test_places_that_cannot_be_filled_are_named_in_one_line(saved, tmp_path):
    (tmp_path / "file").write_text("text")
    loop = linked(tmp_path / "loop", tmp_path / "loop")
    for target in (tmp_path / "file", tmp_path / "file" / "below", loop, saved, saved / "inside", tmp_path):
        done = command("index", "restore", saved, "--index", target)
        assert done.returncode == 1
        assert len(done.stderr.splitlines()) == 1
        assert "directory" in done.stderr
        assert "Error" not in done.stderr


@pytest.mark.reported("S9")
def test_a_restore_that_failed_in_an_empty_directory_can_be_repeated(saved, tmp_path):
    target = empty(tmp_path / "target")
    vectors = saved / "generations" / "000001" / "vectors.f32"
    whole = vectors.read_bytes()
    vectors.write_bytes(b"\x01" + whole[1:])
    with pytest.raises(IndexCorrupt):
        restore(saved, target)
    vectors.write_bytes(whole)
    (target / "filling").mkdir()  # as a kill leaves it
    (target / "blobs").mkdir()
    restore(saved, target)
    with Index.open(target) as opened:
        assert verify(opened) == []
    with pytest.raises(InvalidArgument, match="not empty"):
        restore(saved, target)


@pytest.mark.reported("P4")
def test_equal_files_are_exact_when_they_are_searched_by_id(index, drawn, jpeg):  # noqa: F811
    data, same_pixels = jpeg(drawn(90), "PNG"), jpeg(drawn(90), "BMP")
    with serving(index) as server:
        ids = [
            server.http.post("/images", params={"key": key}, files={"file": file}).json()["id"]
            for key, file in (("one", data), ("two", data), ("three", same_pixels))
        ]
        for effort in ("low", "high"):
            answer = server.http.post("/search", json={"ids": ids, "k": 20, "effort": effort}).json()
            for item in answer["items"]:
                exact = {match["id"] for match in item["matches"] if match["verdict"] == "exact"}
                assert exact == set(ids)
                assert all(match["probability"] == 1 for match in item["matches"] if match["id"] in exact)
        alone = server.http.post("/search", json={"ids": [1], "k": 20}).json()["items"][0]["matches"]
        assert [match["id"] for match in alone if match["verdict"] == "exact"] == [1]
        assert server.http.post("/search", json={"ids": [2**63]}).status_code == 404
