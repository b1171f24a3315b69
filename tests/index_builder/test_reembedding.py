"""`copysight index rebuild --bundle` changes the bundle of an index in place."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from click.testing import CliRunner

from cli.main import main
from copysight.catalog import NewItem
from copysight.errors import BundleMismatch, OriginalsMissing, PublisherBusy
from copysight.index import Index, prune, publish, verify
from copysight.model.embedder import Embedder
from index_builder import reembedding
from index_builder.build import build
from index_builder.progress import Progress
from index_builder.reembedding import ReembedOptions, reembed, rollback_and_embed
from index_builder.stages import publishing
from index_builder.stages.plan import Plan

QUIET = Progress(quiet=True)


@pytest.fixture
def indexed(folder, tiny_bundle, tmp_path):
    """An index of the six pictures of ``folder``."""
    build(Plan(folder, tmp_path / "index", bundle=str(tiny_bundle.path), threads=1), QUIET)
    return tmp_path / "index"


def add(index, *files, **options):
    for number, file in enumerate(files):
        room = file.parent / f"more-{number}-{file.stem}"
        room.mkdir()
        (room / file.name).write_bytes(file.read_bytes())
        build(Plan(room, index, publish=False, threads=1, **options), QUIET)


def check(directory, bundle):
    """Assert that the index is sound, has this bundle, and finds every picture by its embedding."""
    with Index.open(directory) as index:
        assert verify(index) == []
        assert index.catalog.model() == index.bundle.id == bundle.id
        embedder, snapshot = Embedder(bundle), index.snapshot()
        items = index.catalog.page(limit=1000)
        assert snapshot.count == len(items)
        for item in items:
            from copysight.pictures.decode import decode

            data = index.blobs.original(item.sha256, item.source)
            vector = embedder.embed([decode(data, at_least=bundle.at_least).pixels])
            (best,) = snapshot.search(vector, 1)[0]
            assert best.similarity == pytest.approx(1, abs=1e-5)
            assert np.allclose(snapshot.vector(item.id), vector[0], atol=1e-5)


def test_reembedding_replaces_all_vectors_and_keeps_the_ids(indexed, other_bundle, tiny_bundle):
    with Index.open(indexed) as index:
        before = {item.key: item.id for item in index.catalog.page()}
        publish(index)
        stages = []
        made = reembed(
            index, ReembedOptions(str(other_bundle.path), threads=1), QUIET, lambda *told: stages.append(told)
        )
        assert (made.manifest.bundle, made.manifest.dimension) == (other_bundle.id, 24)
        assert stages[0] == ("embed", 0, 6)
        assert ("embed", 6, 6) in stages
        assert stages[-1] == ("publish", 1, 1)
        assert index.catalog.models.coming() is None
        assert {item.key: item.id for item in index.catalog.page()} == before
    check(indexed, other_bundle)


def test_pictures_can_be_added_and_deleted_during_a_reembedding(
    indexed, other_bundle, folder, drawn, jpeg, monkeypatch
):
    """Add pictures while others are embedded, while the generation is written, and just before the swap."""
    files = [folder / f"new{number}.jpg" for number in range(4)]
    for number, file in enumerate(files):
        file.write_bytes(jpeg(drawn(50 + number)))
    come = iter(files)

    def meanwhile():
        if file := next(come, None):
            add(indexed, file)
        with Index.open(indexed) as other:
            keys = [item.key for item in other.catalog.page()]
            assert other.bundle.id != other_bundle.id
            assert len(other.snapshot().search(np.ones((1, 32)), 50)[0]) == len(keys)

    with Index.open(indexed) as index:
        swap = index.catalog.models.go_live

        def late(*arguments, **options):
            meanwhile()  # after the last pass over missing vectors, so `go_live` itself must embed this picture
            return swap(*arguments, **options)

        monkeypatch.setattr(index.catalog.models, "go_live", late)

        def on_progress(stage, done, total):
            if (stage, done) in {("embed", 0), ("clusters", 0)}:
                meanwhile()
            if stage == "recall":
                assert index.delete([1]) == 1
                add(indexed, folder / "1.jpg", collection="elsewhere")  # bytes that the index already holds

        def work(note):
            def told(*progress):
                note(*progress)  # writes to the catalog, which must not happen while the swap holds its write lock
                on_progress(*progress)

            return reembed(index, ReembedOptions(str(other_bundle.path), threads=1), QUIET, told)

        job = index.catalog.jobs.create("reembed").id
        publishing.run_as_job(index, job, work)
        assert index.catalog.jobs.get(job).state == "done"
    with Index.open(indexed) as index:
        keys = sorted((item.collection, item.key) for item in index.catalog.page())
        assert ("elsewhere", "1.jpg") in keys
        assert len(keys) == 6 - 1 + 3 + 1
    check(indexed, other_bundle)


def test_missing_originals_are_listed_and_can_be_left_out(indexed, other_bundle, tiny_bundle, folder):
    with Index.open(indexed) as index:
        first, second, *_ = index.catalog.page()
        index.blobs.store.files(first.sha256)[0].unlink()
        index.blobs.store.files(second.sha256)[0].write_bytes(b"no picture any more")
        with pytest.raises(
            OriginalsMissing, match=r"1 pictures .*'0\.jpg': the original is missing.*--allow-missing"
        ) as told:
            reembed(index, ReembedOptions(str(other_bundle.path), threads=1), QUIET)
        assert told.value.data["items"] == [
            {"id": first.id, "collection": "default", "key": "0.jpg", "reason": "the original is missing"}
        ]
        index.delete([first.id])
        with pytest.raises(OriginalsMissing, match=r"1 pictures .*'1\.jpg'"):
            reembed(index, ReembedOptions(str(other_bundle.path), threads=1), QUIET)
        assert index.catalog.model() == tiny_bundle.id
        reembed(index, ReembedOptions(str(other_bundle.path), allow_missing=True, threads=1), QUIET)
        assert index.catalog.count() == 5
        assert index.snapshot().count == 4
        for file in index.blobs.store.files(second.sha256):
            file.unlink()
    # Adding the picture again restores the item.
    assert build(Plan(folder, indexed, threads=1), QUIET).unchanged == 5
    check(indexed, other_bundle)


def test_an_item_that_is_deleted_during_the_check_lacks_no_original(indexed, other_bundle, monkeypatch):
    with Index.open(indexed) as index:
        [first] = index.catalog.page(limit=1)
        held = index.blobs.held

        def late():
            def is_there(name):
                index.delete([first.id])  # the check has read the item, and now its files go
                return is_stored(name)

            is_stored = held()
            return is_there

        monkeypatch.setattr(index.blobs, "held", late)
        reembed(index, ReembedOptions(str(other_bundle.path), threads=1), QUIET)
        assert index.catalog.count() == index.snapshot().count == 5
    check(indexed, other_bundle)


def test_the_policy_reference_reads_the_source_if_it_is_unchanged(folder, tiny_bundle, other_bundle, tmp_path):
    build(Plan(folder, tmp_path / "index", bundle=str(tiny_bundle.path), policy="reference", threads=1), QUIET)
    data = (folder / "0.jpg").read_bytes()
    (folder / "0.jpg").write_bytes((folder / "1.jpg").read_bytes())
    with Index.open(tmp_path / "index") as index:
        with pytest.raises(OriginalsMissing, match=r"'0\.jpg': the original is missing"):
            reembed(index, ReembedOptions(str(other_bundle.path), threads=1), QUIET)
        (folder / "0.jpg").write_bytes(data)
        reembed(index, ReembedOptions(str(other_bundle.path), threads=1), QUIET)
    check(tmp_path / "index", other_bundle)


def test_a_rebuild_keeps_the_vectors_of_a_running_reembedding(indexed, other_bundle, folder, drawn, jpeg):
    """Publishing deletes vectors of unused models, but not those of the model that a re-embedding prepares."""
    with Index.open(indexed) as index:
        index.catalog.models.prepare(other_bundle.id, "fp32")
        index.install(other_bundle.path)
        item = index.catalog.get(2)
        index.catalog.add_vectors(other_bundle.id, {item.sha256: np.eye(24, dtype=np.float32)[0]})
        publish(index)
        prune(index, keep=1)
        assert index.catalog.missing_count(other_bundle.id) == 5
        reembed(
            index, ReembedOptions(str(index.layout.bundles / index.bundle.id)), QUIET
        )  # the live bundle: gives up the change
        assert index.catalog.models.coming() is None
        prune(index, keep=1)
        assert index.catalog.missing_count(other_bundle.id) == 6


def test_only_one_reembedding_can_run_at_a_time(indexed, other_bundle):
    with Index.open(indexed) as index, reembedding._only_one(index), pytest.raises(PublisherBusy, match="re-embedding"):
        reembed(index, ReembedOptions(str(other_bundle.path)), QUIET)


def test_rollback_embeds_newer_items_with_the_old_bundle(indexed, other_bundle, tiny_bundle, folder, drawn, jpeg):
    with Index.open(indexed) as index:
        reembed(index, ReembedOptions(str(other_bundle.path), threads=1), QUIET)
    (folder / "later.jpg").write_bytes(jpeg(drawn(70)))
    add(indexed, folder / "later.jpg")
    with Index.open(indexed) as index:
        assert rollback_and_embed(index, None, threads=1).name == "000001"
    check(indexed, tiny_bundle)


def test_a_build_fails_cleanly_if_the_bundle_changes_during_it(
    indexed, other_bundle, folder, drawn, jpeg, tmp_path, monkeypatch
):
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "late.jpg").write_bytes(jpeg(drawn(80)))
    from index_builder import build as building

    commit = building.commit.commit

    def overtaken(work):
        with Index.open(indexed) as index:
            reembed(index, ReembedOptions(str(other_bundle.path), threads=1), QUIET)
        work.index.reload()
        return commit(work)

    with monkeypatch.context() as patch:
        patch.setattr(building.commit, "commit", overtaken)
        with pytest.raises(BundleMismatch, match="again"):
            build(Plan(tmp_path / "more", indexed, threads=1), QUIET)
    assert not list((indexed / "staging").glob("*/[0-9]*.npz"))
    assert build(Plan(tmp_path / "more", indexed, threads=1), QUIET).created == 1
    check(indexed, other_bundle)


def start(index, bundle, *words):
    command = ["index", "rebuild", "--index", index, "--bundle", bundle.path, "--threads", "1", "--json", *words]
    return subprocess.Popen(
        [sys.executable, "-m", "cli", *(str(word) for word in command)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ,
        text=True,
    )


def filled(directory, bundle, drawn, jpeg, count):
    """An index with originals and no thumbnails. It is not calibrated, which would take most of the time."""
    with Index.create(directory, bundle.path) as index:
        rows = np.random.default_rng(0).normal(size=(count, bundle.dimension)).astype(np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        with index.blobs.hold():
            files = [jpeg(drawn(number, (64, 48))) for number in range(count)]
            sums = [hashlib.sha256(data).hexdigest() for data in files]
            for sha256, data in zip(sums, files, strict=True):
                (index.staging / sha256).write_bytes(data)
            index.blobs.move_in(index.staging / sha256 for sha256 in sums)
            new = [NewItem(f"{i}", sha256, 64, 48, rows[i]) for i, sha256 in enumerate(sums)]
            index.catalog.add(new, model=bundle.id)
        publish(index)


def test_a_killed_reembedding_resumes(tiny_bundle, other_bundle, drawn, jpeg, tmp_path):
    index = tmp_path / "index"
    filled(index, tiny_bundle, drawn, jpeg, 600)
    first = start(index, other_bundle)
    with Index.open(index) as opened:
        while first.poll() is None and opened.catalog.missing_count(other_bundle.id) == 600:
            time.sleep(0.01)
        first.send_signal(signal.SIGKILL)
        _, errors = first.communicate()
        assert first.returncode == -signal.SIGKILL, errors
        left = opened.catalog.missing_count(other_bundle.id)
        assert 0 < left < 600
        assert opened.snapshot().bundle.id == tiny_bundle.id
        assert opened.catalog.models.coming() == other_bundle.id
        job = opened.catalog.jobs.create("reembed").id
        second = start(index, other_bundle, "--job", job)
        out, errors = second.communicate(timeout=120)
        assert second.returncode == 0, errors
        assert f"embed: {600 - left:,} of 600" in errors
        assert json.loads(out) == {"generation": "000002", "count": 600}
        assert opened.catalog.jobs.get(job).state == "done"
        assert opened.reload().bundle.id == other_bundle.id
    with Index.open(index) as opened:
        assert verify(opened) == []


def test_the_command_names_pictures_whose_originals_are_missing(indexed, other_bundle):
    with Index.open(indexed) as index:
        index.blobs.store.files(index.catalog.get(1).sha256)[0].unlink()
    words = ["index", "rebuild", "--index", str(indexed), "--bundle", str(other_bundle.path), "--threads", "1"]
    refused = CliRunner().invoke(main, words)
    assert refused.exit_code == 1
    assert "'0.jpg': the original is missing" in refused.stderr
    assert CliRunner().invoke(main, [*words, "--allow-missing"]).exit_code == 0
    assert CliRunner().invoke(main, [*words, "--if-due"]).exit_code == 2
