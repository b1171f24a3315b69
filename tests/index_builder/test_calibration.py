"""A build calibrates itself on edited copies of its own pictures, and says when it cannot."""

from copysight.embedder import Embedder
from copysight.index import Index
from index_builder.build import build
from index_builder.plan import Plan
from index_builder.progress import Progress


def built(folder, pictures, jpeg, bundle, where):
    folder.mkdir()
    for number, picture in enumerate(pictures):
        (folder / f"{number}.jpg").write_bytes(jpeg(picture))
    build(Plan(folder, where, bundle=str(bundle.path)), Progress())
    return Index.open(where)


def test_a_build_calibrates_itself(tmp_path, tiny_bundle, drawn, jpeg):
    with built(tmp_path / "pictures", [drawn(i) for i in range(120)], jpeg, tiny_bundle, tmp_path / "index") as index:
        snapshot = index.snapshot()
        assert set(snapshot.judge.calibrations) == {"low", "normal", "high"}
        for found in snapshot.judge.calibrations.values():
            assert (found.source, found.share, found.samples) == ("index", 0.5, 240)
        [[best]] = snapshot.search(Embedder(snapshot.bundle).embed([drawn(7)]), 1)
        high, low = (snapshot.judge.judge(similarity, 0.0).probability for similarity in (best.similarity, 0.0))
        assert high > low


def test_a_small_collection_relies_on_its_bundle(tmp_path, tiny_bundle, drawn, jpeg):
    with built(tmp_path / "pictures", [drawn(i) for i in range(20)], jpeg, tiny_bundle, tmp_path / "index") as index:
        assert not index.snapshot().judge.calibrations
        assert tiny_bundle.calibration is None
