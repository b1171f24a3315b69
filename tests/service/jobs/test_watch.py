"""The service follows a folder: what is added, renamed, overwritten and deleted is searched without any call."""

import os
import time

import pytest

from index_builder.build import build
from index_builder.progress import Progress
from index_builder.stages.plan import Plan
from service.jobs.watch import FolderWatch, fingerprint
from tests.service.conftest import serving

SECONDS = 300


@pytest.fixture
def watched(tmp_path, tiny_bundle, drawn, jpeg):
    folder, index = tmp_path / "watched", tmp_path / "index"
    (folder / "2026").mkdir(parents=True)
    for number in range(4):
        (folder / f"2026/{number}.jpg").write_bytes(jpeg(drawn(number)))
    build(Plan(folder, index, bundle=str(tiny_bundle.path), threads=1), Progress(quiet=True))
    return folder, index


def keys(server):
    return {one["key"]: one["id"] for one in server.http.get("/images").json()["items"]}


def wait_for(server, expected):
    ends = time.monotonic() + SECONDS
    while keys(server).keys() != expected:
        assert time.monotonic() < ends, f"{keys(server).keys()} is not {expected}"
        time.sleep(0.2)


def test_a_running_server_follows_its_folder(watched, drawn, jpeg):
    folder, index = watched
    (folder / "2026/new.jpg").write_bytes(jpeg(drawn(10)))  # while the server was off
    with serving(index, watch=folder, watch_seconds=0.2) as server:
        wait_for(server, {"2026/0.jpg", "2026/1.jpg", "2026/2.jpg", "2026/3.jpg", "2026/new.jpg"})
        before = keys(server)
        (folder / "2026/3.jpg").rename(folder / "renamed.jpg")
        (folder / "2026/0.jpg").unlink()
        wait_for(server, {"2026/1.jpg", "2026/2.jpg", "2026/new.jpg", "renamed.jpg"})
        assert keys(server)["renamed.jpg"] == before["2026/3.jpg"]
        folder.rename(folder.with_name("away"))  # as a disk that is not mounted
        time.sleep(2)
        assert len(keys(server)) == 4


def test_a_sync_waits_until_the_folder_is_quiet_and_a_failed_one_is_not_repeated_at_once(watched, jpeg, drawn):
    folder, index = watched
    watch = FolderWatch(index, folder)
    assert watch.check(0.0)
    assert watch._worker.wait(SECONDS) == 0
    assert not watch.check(1.0), "nothing has changed"
    (folder / "more.jpg").write_bytes(jpeg(drawn(20))[:100])
    assert not watch.check(2.0), "the file may not be complete"
    (folder / "more.jpg").write_bytes(jpeg(drawn(20)))
    assert not watch.check(3.0)
    assert watch.check(4.0)
    assert not watch.check(5.0) or watch._worker.wait(SECONDS) == 0
    watch._worker and watch._worker.wait(SECONDS)
    for number in range(4):
        (folder / f"2026/{number}.jpg").unlink()  # more than may vanish
    watch.check(6.0)
    assert watch.check(7.0)
    assert watch._worker.wait(SECONDS) == 1
    assert not watch.check(8.0)
    assert not watch.check(3000.0)
    assert watch.check(4000.0)
    watch._worker.wait(SECONDS)


def test_the_fingerprint_changes_with_names_sizes_and_times(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a/1").write_text("x")
    seen = {fingerprint(tmp_path)}
    (tmp_path / "a/1").rename(tmp_path / "a/2")
    seen.add(fingerprint(tmp_path))
    os.utime(tmp_path / "a/2", (1, 1))
    seen.add(fingerprint(tmp_path))
    (tmp_path / "b").write_text("")
    seen.add(fingerprint(tmp_path))
    assert len(seen) == 4
    assert fingerprint(tmp_path) in seen
