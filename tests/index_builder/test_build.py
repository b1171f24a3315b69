"""A build finds, counts, skips and rejects pictures, and its items are searchable."""

import json
import shutil
import tarfile
from io import StringIO

import numpy as np
import pytest

from copysight.errors import BundleMismatch, InvalidArgument, NoPictures, PublisherBusy
from copysight.index import Index
from copysight.model import bundle as bundles
from copysight.model.embedder import Embedder
from copysight.pictures.decode import decode
from copysight.pictures.scan import scan
from index_builder.build import build
from index_builder.progress import Progress
from index_builder.stages.plan import Plan
from index_builder.stages.staging import Staging


@pytest.fixture
def run(folder, tiny_bundle, tmp_path):
    """Build from the folder into one index, with small chunks."""

    def run(source=folder, out=None, **options):
        options = {"bundle": str(tiny_bundle.path), "chunk": 2, "threads": 2, **options}
        return build(Plan(source, tmp_path / "index", **options), Progress(out or StringIO()))

    return run


def embedding(bundle, path):
    picture = decode(path.read_bytes(), at_least=bundle.at_least)
    return Embedder(bundle).embed([picture.pixels])


def test_every_picture_is_found_by_its_own_embedding(run, folder, tiny_bundle, tmp_path):
    summary = run()
    assert (summary.pictures, summary.ignored, summary.created, summary.embedded, summary.count) == (6, 1, 6, 6, 6)
    assert (summary.generation, summary.unreadable, summary.resumed) == ("000001", 0, 0)
    assert summary.clusters >= 1
    with Index.open(tmp_path / "index") as index:
        snapshot = index.snapshot()
        assert snapshot.delta.count == 0
        for entry in scan(folder).entries:
            [match] = snapshot.search(embedding(tiny_bundle, entry.file), 1)[0]
            item = index.catalog.get(match.id)
            assert item.key == entry.key
            assert match.similarity == pytest.approx(1, abs=1e-6)
            assert item.source == entry.source
            assert index.blobs.original(item.sha256) == entry.file.read_bytes()
            assert index.blobs.thumbnail(item.sha256)
        assert not list(index.staging.iterdir())


def test_vectors_do_not_depend_on_threads_or_chunks(run, tmp_path):
    run(threads=1, chunk=100)
    with Index.open(tmp_path / "index") as index:
        one = index.catalog.vectors(range(1, 7), index.bundle.id)
    shutil.rmtree(tmp_path / "index")
    run(threads=3, chunk=1)
    with Index.open(tmp_path / "index") as index:
        other = index.catalog.vectors(range(1, 7), index.bundle.id)
    assert list(one) == list(other) == [1, 2, 3, 4, 5, 6]
    for number in one:
        np.testing.assert_array_equal(one[number], other[number])


def test_broken_files_are_counted_and_the_rest_is_added(run, folder, jpeg, drawn, tmp_path):
    whole = jpeg(drawn(9))
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "text.jpg").write_text("no picture at all")
    (folder / "truncated.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "tiny.png").write_bytes(jpeg(drawn(9).resize((1, 1)), "PNG"))
    (folder / "gone.jpg").symlink_to(folder / "0.jpg")
    (folder / "locked.bmp").write_bytes(b"BM" + bytes(60))
    summary = run()
    assert (summary.pictures, summary.created, summary.unreadable, summary.count) == (12, 7, 5, 7)
    assert summary.reasons == {
        "corrupt_picture": 2,
        "empty_picture": 1,
        "picture_too_small": 1,
        "unsupported_format": 1,
    }
    assert {failure.key for failure in summary.failures} == {
        "empty.jpg",
        "locked.bmp",
        "text.jpg",
        "tiny.png",
        "truncated.jpg",
    }
    with Index.open(tmp_path / "index") as index:
        [job] = index.catalog.jobs.list()
    assert (job.kind, job.state, job.progress, job.total) == ("build", "done", 12, 12)
    report = json.loads(job.message)
    assert report["reasons"] == summary.reasons
    assert [failure["key"] for failure in report["failures"]] == [failure.key for failure in summary.failures]
    assert any("5 unreadable" in line for line in summary.lines())


def test_a_build_fails_if_no_file_can_be_read(run, folder, tmp_path):
    for entry in scan(folder).entries:
        entry.file.write_bytes(b"broken")
    with pytest.raises(NoPictures, match=r"none of the 6 picture files .* can be read .*6 unsupported_format"):
        run()
    with Index.open(tmp_path / "index") as index:
        assert index.catalog.jobs.list()[0].state == "failed"


def test_an_empty_folder_creates_no_index(run, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(NoPictures):
        run(tmp_path / "empty")
    assert not (tmp_path / "index").exists()


def test_a_second_build_adds_only_new_pictures(run, folder, jpeg, drawn):
    run()
    again = run()
    assert (again.created, again.unchanged, again.embedded, again.generation) == (0, 6, 0, "000001")
    (folder / "new.jpg").write_bytes(jpeg(drawn(7)))
    more = run()
    assert (more.created, more.unchanged, more.embedded, more.generation, more.count) == (1, 6, 1, "000002", 7)


def test_a_changed_picture_is_a_conflict_or_replaced(run, folder, jpeg, drawn, tmp_path, tiny_bundle):
    run()
    (folder / "0.jpg").write_bytes(jpeg(drawn(8)))
    kept = run()
    assert (kept.conflicts, kept.unreadable, kept.unchanged, kept.reasons) == (1, 0, 5, {"key_conflict": 1})
    replaced = run(replace=True)
    assert (replaced.replaced, replaced.conflicts, replaced.unchanged, replaced.count) == (1, 0, 5, 6)
    with Index.open(tmp_path / "index") as index:
        [match] = index.snapshot().search(embedding(tiny_bundle, folder / "0.jpg"), 1)[0]
        assert index.catalog.get(match.id).key == "0.jpg"


def test_add_is_searchable_without_a_generation(run, tmp_path):
    summary = run(publish=False)
    assert (summary.created, summary.generation) == (6, None)
    with Index.open(tmp_path / "index") as index:
        assert index.snapshot().count == 6
    assert run().generation == "000001"


def test_collections_are_separate(run):
    run(collection="ours")
    summary = run(collection="theirs")
    assert (summary.created, summary.count) == (6, 12)


def test_pictures_are_read_from_tar_shards(run, folder, tmp_path):
    shards = tmp_path / "shards"
    shards.mkdir()
    with tarfile.open(shards / "0.tar", "w") as tar:
        tar.add(folder, arcname=".")
    assert run(shards).created == 6


def test_a_build_with_another_bundle_is_rejected(run, tiny_bundle, tmp_path):
    run()
    manifest = json.loads((tiny_bundle.path / "bundle.json").read_text())
    sums = manifest.pop("files")
    files = {name: tiny_bundle.path / name for name in sums}
    other = bundles.write(tmp_path / "other", manifest | {"name": "other"}, files)
    with pytest.raises(BundleMismatch, match="made with the bundle 'tiny'"):
        run(bundle=str(other.path))
    assert run(bundle=None).unchanged == 6


def test_a_directory_with_other_files_is_rejected(run, folder, tmp_path):
    (tmp_path / "index").mkdir()
    (tmp_path / "index" / "thesis.odt").write_text("years of work")
    with pytest.raises(InvalidArgument, match=r"holds other files \('thesis.odt'"):
        run()


def test_the_same_build_cannot_run_twice_at_once(run, folder, tiny_bundle, tmp_path):
    run(publish=False)
    with Index.open(tmp_path / "index") as index:
        staging = Staging(index.staging, str(folder.resolve()), tiny_bundle.id, "fp32", "default", "False")
        with staging.lock(), pytest.raises(PublisherBusy, match="another process is building"):
            run()


def test_deleted_pictures_can_be_added_again(run, folder, tmp_path, tiny_bundle):
    run(publish=False)
    with Index.open(tmp_path / "index") as index:
        index.delete(range(1, 7))
        assert not list(index.blobs.names())
    assert run().created == 6
    with Index.open(tmp_path / "index") as index:
        assert len(list(index.blobs.names())) == 6


def test_progress_is_printed_as_lines_without_a_terminal(run):
    out = StringIO()
    run(out=out)
    lines = out.getvalue().splitlines()
    assert lines[:2] == ["embed: 0 of 6", "embed: 6 of 6"]
    assert "publish: publish" in lines
