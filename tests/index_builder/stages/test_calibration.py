"""A build calibrates the index on edited copies of its own pictures, if it has enough of them."""

import json
import shutil

import numpy as np
import pytest

from copysight.index import Index, publish
from copysight.index.publishing.writer import Calibrated
from copysight.model import bundle as bundles
from copysight.model.embedder import Embedder
from copysight.scoring.calibration import Verdicts
from copysight.vectors.representatives import Representatives
from index_builder.build import build
from index_builder.progress import Progress
from index_builder.stages.calibration import ProbabilityOptions
from index_builder.stages.plan import Plan
from index_builder.stages.publishing import rebuild
from tests.copysight.matching.conftest import textured_picture
from training.export.fitting import add_background


def built(folder, pictures, jpeg, bundle, where):
    folder.mkdir()
    for number, picture in enumerate(pictures):
        (folder / f"{number}.jpg").write_bytes(jpeg(picture))
    build(Plan(folder, where, bundle=str(bundle.path)), Progress())
    return Index.open(where)


def test_a_build_calibrates_the_index(calibrated_index, drawn):
    with Index.open(calibrated_index) as index:
        snapshot = index.snapshot()
        assert set(snapshot.judge.calibrations) == {"low", "normal", "high"}
        for found in snapshot.judge.calibrations.values():
            assert (found.source, found.share, found.samples) == ("index", 0.5, 240)
        [[best]] = snapshot.search(Embedder(snapshot.bundle).embed([drawn(7)]), 1)
        high, low = (snapshot.judge.judge(similarity, 0.0).probability for similarity in (best.similarity, 0.0))
        assert high > low


def test_a_small_collection_uses_the_calibration_of_its_bundle(tmp_path, tiny_bundle, drawn, jpeg):
    with built(tmp_path / "pictures", [drawn(i) for i in range(20)], jpeg, tiny_bundle, tmp_path / "index") as index:
        assert not index.snapshot().judge.calibrations
        assert tiny_bundle.calibration is None


def test_the_expected_share_of_copies_is_kept_by_later_rebuilds(tmp_path, calibrated_index, drawn, jpeg):
    folder = shutil.copytree(calibrated_index.parent / "pictures", tmp_path / "pictures")
    where = shutil.copytree(calibrated_index, tmp_path / "index")
    with Index.open(where) as index:
        usual = index.snapshot().judge.calibrations["normal"]
    (folder / "more.jpg").write_bytes(jpeg(drawn(500)))
    build(Plan(folder, where, probabilities=ProbabilityOptions(share=0.02)), Progress())
    with Index.open(where) as index:
        rare = index.snapshot().judge.calibrations["normal"]
        assert (usual.share, rare.share) == (0.5, 0.02)
        assert rare.probability(0.97) < usual.probability(0.97)
        rebuild(index, None, Progress())
        assert index.reload().judge.calibrations["normal"].share == 0.02


def test_verdicts_are_settings_of_the_index_that_later_rebuilds_keep(tmp_path, tiny_bundle, drawn, jpeg):
    folder, where = tmp_path / "pictures", tmp_path / "index"
    with built(folder, [drawn(i) for i in range(10)], jpeg, tiny_bundle, where) as index:
        assert index.snapshot().judge.verdicts == Verdicts(0.9, 0.05)
        rebuild(index, None, Progress(), probabilities=ProbabilityOptions(copy_from=0.7))
        rebuild(index, None, Progress(), probabilities=ProbabilityOptions(different_to=0.2))
        assert index.reload().judge.verdicts == Verdicts(0.7, 0.2)
        assert "bundle has no calibration" in index.status().calibrated


def test_near_duplicates_do_not_move_the_calibration_and_are_counted(tmp_path, tiny_bundle, jpeg):
    """An archive in which 30 of 120 pictures are there twice."""
    pictures = [textured_picture(i, 96) for i in range(120)]
    with built(tmp_path / "once", pictures, jpeg, tiny_bundle, tmp_path / "plain") as index:
        assert index.status().near_duplicates == 0
        assert index.status().calibrated == "on pictures of this index"
        once = index.snapshot().judge.calibrations["normal"]
    again = [*pictures, *(one.resize((90, 90)) for one in pictures[:30])]
    with built(tmp_path / "twice", again, jpeg, tiny_bundle, tmp_path / "archive") as index:
        assert 45 <= index.status().near_duplicates <= 75
        twice = index.snapshot().judge.calibrations["normal"]
    for score in (0.5, 0.8, 0.95):
        assert abs(once.probability(score) - twice.probability(score)) < 0.15


def test_an_index_normalises_scores_with_its_own_pictures(tmp_path, tiny_bundle, drawn, jpeg):
    """Also after it is opened again; not if its generation was made without (by an older version)."""
    manifest = json.loads((tiny_bundle.path / "bundle.json").read_text())
    files = {name: tiny_bundle.path / name for name in manifest["files"]}
    rows = np.random.default_rng(0).normal(size=(40, tiny_bundle.dimension))
    add_background(manifest, files, (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16))
    bundle = bundles.write(tmp_path / "bundle", manifest, files)
    pictures = [drawn(i) for i in range(120)]
    with built(tmp_path / "pictures", pictures, jpeg, bundle, tmp_path / "index") as index:
        snapshot = index.snapshot()
        held = snapshot.generation.representatives.vectors
        stored = np.stack([snapshot.vector(int(one)) for one in snapshot.generation.ids])
        assert 0 < len(held) <= 120
        assert np.abs(held @ stored.T - 1).min(axis=1).max() < 1e-2
        queries = Embedder(bundle).embed([drawn(900), drawn(901)])
        own, usual = snapshot.offsets(queries), bundle.score_normalisation().offsets(queries)
        assert np.array_equal(snapshot.judge.normalisation.collection.vectors, held)
        assert (own >= usual - 1e-6).all()
    with Index.open(tmp_path / "index") as index:
        assert np.array_equal(index.snapshot().offsets(queries), own)
        others = queries.mean(axis=0) + np.random.default_rng(1).normal(size=(9, bundle.dimension)) / 4
        alike = Representatives((others / np.linalg.norm(others, axis=1, keepdims=True)).astype(np.float32))
        publish(index, calibrate=lambda _: Calibrated({}, alike))
        expected = bundle.score_normalisation().within(alike).offsets(queries)
        assert index.snapshot().offsets(queries) == pytest.approx(expected, abs=1e-3)
        assert (expected > usual + 0.02).any()
        publish(index, calibrate=lambda _: Calibrated({}))
        assert np.array_equal(index.snapshot().offsets(queries), usual)
