"""Servers with directories of their own over one index: catalog on PostgreSQL, the rest on S3."""

import secrets
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from copysight.errors import IndexNotFound
from copysight.index import Index, verify
from copysight.index.replicas.published import FETCH_LOCK
from copysight.index.upkeep import backup
from copysight.system.locks.file_lock import FileLock
from service.auth.keys import Keys
from tests.service.cluster.conftest import until
from tests.service.cluster.test_two_servers import found, ok
from tests.service.conftest import serving


@pytest.fixture
def first(origin, tmp_path, postgresql, on_s3, monkeypatch):
    """The directory of the first server: a backup that was restored to PostgreSQL and S3."""
    with Index.open(origin) as index, monkeypatch.context() as files:
        files.delenv("COPYSIGHT_BLOBS")
        backup.backup(index, tmp_path / "saved")
    monkeypatch.setenv("COPYSIGHT_CATALOG", f"{postgresql.url}?schema=shared_{secrets.token_hex(4)}")
    assert backup.restore(tmp_path / "saved", tmp_path / "first") == []
    shutil.rmtree(tmp_path / "saved")
    return tmp_path / "first"


def generation(server) -> str:
    return ok(server.http.get("/index"))["generation"]


def test_serving_a_new_index_in_the_catalog_says_loudly_that_it_is_empty(tmp_path, postgresql, on_s3, monkeypatch):
    """So that a name that is misspelt is noticed."""
    monkeypatch.setenv("COPYSIGHT_CATALOG", postgresql.url)
    with serving(tmp_path / "misspelt") as server:
        [loud] = [line for line in server.log.read_text().splitlines() if "WARNING" in line]
    assert str(tmp_path / "misspelt") in loud
    assert "holds no items" in loud


def test_a_second_directory_joins_and_follows(first, tmp_path, drawn, jpeg, other_bundle):
    with pytest.raises(IndexNotFound, match="start its first server"):
        Index.open(tmp_path / "second")
    with serving(first) as one:
        with Index.open(first) as index:
            until(index.published.bundles)
        with serving(tmp_path / "second") as other:
            count = ok(one.http.get("/index"))["count"]
            assert f"second is new; the index of the catalog holds {count:,} items" in other.log.read_text()
            assert "WARNING" not in other.log.read_text()
            assert generation(other) == generation(one)
            assert ok(other.http.get("/index"))["count"] == ok(one.http.get("/index"))["count"]
            picture = jpeg(drawn(700))
            added = ok(other.http.post("/images?key=new", files={"file": picture}), 201)["id"]
            until(lambda: found(one, picture, "new"))
            assert one.http.get(f"/images/{added}/thumbnail").content == (
                other.http.get(f"/images/{added}/thumbnail").content
            )
            for rebuilding, following in ((other, one), (one, other)):
                before = generation(one)
                job = ok(rebuilding.http.post("/index/rebuild"), 202)["id"]
                until(lambda job=job, server=following: ok(server.http.get(f"/jobs/{job}"))["state"] == "done", 120)
                until(lambda before=before: generation(one) == generation(other) > before)
                assert found(following, picture, "new")
            newest = generation(one)
            ok(one.http.post("/index/rollback"))
            until(lambda: generation(other) == generation(one) < newest)
            job = ok(other.http.post("/index/rebuild", json={"bundle": str(other_bundle.path)}), 202)["id"]
            until(lambda: ok(one.http.get(f"/jobs/{job}"))["state"] == "done", 120)
            again = ok(one.http.post("/images?key=later", files={"file": jpeg(drawn(701))}), 201)
            until(lambda: found(other, jpeg(drawn(701)), "later"))
            assert again["id"] > added
            until(lambda: ok(one.http.get("/index"))["model"] == ok(other.http.get("/index"))["model"])
            for server in (one, other):
                assert "Traceback" not in server.log.read_text()
    for directory in (first, tmp_path / "second"):
        with Index.open(directory) as index:
            assert index.bundle.id == other_bundle.id
            assert verify(index) == []


def test_a_directory_that_fell_behind_never_turns_the_model_back(first, tmp_path, other_bundle):
    from index_builder.progress import Progress
    from index_builder.reembedding import ReembedOptions, reembed

    with Index.open(first) as one:
        one.published.offer(one.catalog.model())
        with Index.open(tmp_path / "second") as late:
            reembed(one, ReembedOptions(str(other_bundle.path), threads=1), Progress(quiet=True))
            assert one.bundle.id == other_bundle.id
            assert late.layout.live() != one.layout.live()
            assert late.snapshot().bundle.id == late.bundle.id
            assert late.reload().bundle.id == other_bundle.id
        assert one.catalog.model() == other_bundle.id


def test_a_reload_waits_for_the_thread_that_fetches_what_is_published(first, tmp_path, other_bundle):
    """In place of going on with the bundle before, whose vectors the catalog refuses."""
    from index_builder.progress import Progress
    from index_builder.reembedding import ReembedOptions, reembed

    with Index.open(first) as one:
        one.published.offer(one.catalog.model())
        with Index.open(tmp_path / "second") as late, ThreadPoolExecutor(1) as pool:
            reembed(one, ReembedOptions(str(other_bundle.path), threads=1), Progress(quiet=True))
            fetching = FileLock(tmp_path / "second" / FETCH_LOCK)
            assert fetching.acquire()
            assert not late.published.follow()  # a look once a second, which need not wait
            reloading = pool.submit(late.reload)
            with pytest.raises(TimeoutError):
                reloading.result(0.5)
            fetching.release()
            assert reloading.result(30).bundle.id == other_bundle.id


def test_keys_are_shared_and_in_no_backup(first, tmp_path, monkeypatch):
    with Index.open(first) as one:
        one.published.offer(one.catalog.model())
        Index.open(tmp_path / "second").close()
        key = Keys(first).add("desk", "admin")
        assert not (first / "keys.json").exists()
        other = Keys(tmp_path / "second")
        assert other.find(key).name == "desk"
        command = [sys.executable, "-m", "cli", "keys", "list", "--index", str(tmp_path / "second")]
        assert "desk" in subprocess.run(command, capture_output=True, text=True, check=True).stdout
        Keys(first).revoke(key.split("_")[1])
        until(lambda: other.find(key) is None, 5)
        Keys(first).add("desk", "admin")
        backup.backup(one, tmp_path / "saved")
    assert Keys(tmp_path / "saved").all() == []
