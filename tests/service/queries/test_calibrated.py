"""Answers of a calibrated index: every match has a probability, in the order of the scores."""

import shutil

import pytest
from PIL import Image

from tests.service.conftest import serving

JPEG = {"content-type": "image/jpeg"}


@pytest.fixture(scope="module")
def calibrated(calibrated_index, tmp_path_factory):
    return shutil.copytree(calibrated_index, tmp_path_factory.mktemp("served") / "index")


def test_every_match_has_a_probability(calibrated, drawn, jpeg):
    with serving(calibrated) as server:
        status = server.http.get("/index").json()
        assert list(status["calibration"]) == ["low", "normal", "high"]
        for fitted in status["calibration"].values():
            assert fitted["source"] == "index"
            assert [one["precision"] for one in fitted["thresholds"]] == [0.9, 0.95, 0.99]
        own, edited = jpeg(drawn(5)), jpeg(drawn(5).crop((2, 2, 158, 118)), quality=80)
        for data, verdicts in ((own, {"exact"}), (edited, {"copy", "uncertain", "different"})):
            matches = server.http.post("/search", content=data, headers={"content-type": "image/jpeg"}).json()["items"]
            first, *rest = matches[0]["matches"]
            assert first["verdict"] in verdicts
            chances = [match["probability"] for match in rest]
            assert all(0 <= chance <= 1 for chance in chances)
            assert chances == sorted(chances, reverse=True)
        least = {"min_probability": 1.0}
        kept = server.http.post("/search", params=least, content=own, headers={"content-type": "image/jpeg"}).json()
        assert [match["verdict"] for match in kept["items"][0]["matches"]] == ["exact"]


def test_two_pictures_are_compared_with_the_same_calibration(calibrated, drawn, jpeg):
    with serving(calibrated) as server:
        files = [("file", ("a.jpg", jpeg(drawn(seed)), "image/jpeg")) for seed in (5, 6)]
        answer = server.http.post("/compare", files=files).json()
        assert 0 <= answer["probability"] <= 1
        assert answer["verdict"] in {"copy", "uncertain", "different"}


def test_a_precision_answers_only_what_keeps_it(calibrated, drawn, jpeg):
    with serving(calibrated, precision=0.5) as server:

        def search(**params):
            return server.http.post("/search", params=params, content=jpeg(drawn(5)), headers=JPEG).json()

        for answer, precision in ((search(), 0.5), (search(precision=0.93), 0.95), (search(precision=0.9999), 0.9999)):
            assert answer["policy"]["precision"] == precision
            least = answer["policy"]["probability"]
            chances = [match["probability"] for match in answer["items"][0]["matches"]]
            assert chances[0] == 1.0
            assert min(chances) >= least
        assert search(precision=0.9999)["policy"]["recall"] is None
        refused = server.http.post("/search", params={"precision": 2}, content=jpeg(drawn(5)), headers=JPEG)
        assert refused.status_code == 400
        assert "precision" in refused.json()["detail"]


def test_the_state_of_the_index_has_its_near_duplicates_and_verdicts(calibrated):
    with serving(calibrated) as server:
        status = server.http.get("/index").json()
    assert status["near_duplicates"] == 0
    assert status["verdicts"] == {"copy": 0.9, "different": 0.05}
    assert status["calibrated"] == "on pictures of this index"


def test_two_blank_pages_are_no_copies_of_each_other(calibrated, jpeg):
    white, grey = (Image.new("RGB", (300, 400), level) for level in ("white", (235, 235, 235)))
    with serving(calibrated) as server:
        files = [("file", ("a.jpg", jpeg(one), "image/jpeg")) for one in (white, grey)]
        assert server.http.post("/compare", files=files).json()["verdict"] == "different"
        assert server.http.post("/compare", files=[files[0], files[0]]).json()["verdict"] == "exact"
