"""A build calibrates the index on edited copies of its own pictures, if it has enough of them."""

from copysight.index import Index
from copysight.model.embedder import Embedder
from index_builder.build import build
from index_builder.progress import Progress
from index_builder.stages.calibration import ProbabilityOptions
from index_builder.stages.plan import Plan
from index_builder.stages.publishing import rebuild


def built(folder, pictures, jpeg, bundle, where):
    folder.mkdir()
    for number, picture in enumerate(pictures):
        (folder / f"{number}.jpg").write_bytes(jpeg(picture))
    build(Plan(folder, where, bundle=str(bundle.path)), Progress())
    return Index.open(where)


def test_a_build_calibrates_the_index(tmp_path, tiny_bundle, drawn, jpeg):
    with built(tmp_path / "pictures", [drawn(i) for i in range(120)], jpeg, tiny_bundle, tmp_path / "index") as index:
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


def test_the_expected_share_of_copies_is_kept_by_later_rebuilds(tmp_path, tiny_bundle, drawn, jpeg):
    folder, where = tmp_path / "pictures", tmp_path / "index"
    with built(folder, [drawn(i) for i in range(110)], jpeg, tiny_bundle, where) as index:
        usual = index.snapshot().judge.calibrations["normal"]
    (folder / "more.jpg").write_bytes(jpeg(drawn(500)))
    build(Plan(folder, where, probabilities=ProbabilityOptions(share=0.02)), Progress())
    with Index.open(where) as index:
        rare = index.snapshot().judge.calibrations["normal"]
        assert (usual.share, rare.share) == (0.5, 0.02)
        assert rare.probability(0.97) < usual.probability(0.97)
        rebuild(index, None, Progress())
        assert index.reload().judge.calibrations["normal"].share == 0.02
