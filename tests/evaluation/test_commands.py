"""The commands of ``copysight evaluate`` on drawn pictures."""

import json
import pickle
import shutil

import numpy as np
import pytest

from evaluation import cli


def test_help_lists_every_command(copysight):
    text = copysight("evaluate", "--help").output
    assert all(name in text for name in cli.COMMANDS)


@pytest.mark.parametrize("source", ["colours", "pixels"])
def test_knn_classifies_colours(copysight, labelled_set, source):
    result = copysight("evaluate", "knn", source, labelled_set, "--k", 3, "--k", 5, "--json")
    found = json.loads(result.output)
    assert [row["k"] for row in found["results"]] == [3, 5]
    assert found["results"][0]["set"] == "shades"
    if source == "colours":
        assert found["results"][0]["top1"] == 1.0


def test_knn_of_a_bundle_prints_a_table(copysight, labelled_set, tiny_bundle):
    result = copysight("evaluate", "knn", tiny_bundle.path, labelled_set, "--k", 5)
    assert result.exit_code == 0, result.output
    header, row = result.stdout.splitlines()
    assert header.split() == ["set", "k", "top-1", "top-5"]
    assert row.split()[:2] == ["shades", "5"]


def test_knn_rejects_more_neighbours_than_pictures(copysight, labelled_set):
    result = copysight("evaluate", "knn", "colours", labelled_set, "--k", 100)
    assert result.exit_code == 1
    assert "got --k 100, but shades has 24" in result.output


def test_linear_learns_colours(copysight, labelled_set):
    result = copysight("evaluate", "linear", "colours", labelled_set, "--views", 2, "--epochs", 30, "--json")
    found = json.loads(result.output)["results"][0]
    assert found["top1"] == 1.0


def test_linear_is_reproducible(copysight, labelled_set):
    runs = [copysight("evaluate", "linear", "pixels", labelled_set, "--views", 2, "--epochs", 5) for _ in range(2)]
    assert runs[0].output == runs[1].output


def test_clusters_and_prototypes_with_an_html_page(copysight, labelled_set, tiny_bundle, tmp_path):
    result = copysight("evaluate", "clusters", tiny_bundle.path, labelled_set, "--html", tmp_path, "--json")
    assert result.exit_code == 0, result.output
    kinds = [row["kind"] for row in json.loads(result.output)["results"]]
    assert kinds == ["k-means", "prototypes"]
    page = (tmp_path / "shades.html").read_text()
    assert page.count("<img") == 36
    assert page.count(" of them ") == 3
    assert "http" not in page


def test_clusters_of_colours_are_the_classes(copysight, labelled_set):
    found = json.loads(copysight("evaluate", "clusters", "colours", labelled_set, "--json").output)["results"][0]
    assert found["purity"] == found["nmi"] == pytest.approx(1)
    assert found["smallest"] == found["largest"] == 12


def test_retrieval_in_a_labelled_set(copysight, labelled_set):
    found = json.loads(copysight("evaluate", "retrieval", "colours", labelled_set, "--json").output)
    assert found["results"]["class"]["map"] == pytest.approx(1)


def test_retrieval_with_a_ground_truth_file(copysight, labelled_set, tmp_path):
    pictures = tmp_path / "jpg"
    pictures.mkdir()
    for colour in ("red", "blue"):
        for number in range(3):
            shutil.copy(labelled_set / "train" / colour / f"{number}.png", pictures / f"{colour}{number}.png")
    truth = {
        "imlist": ["red1", "blue1", "red2", "blue2"],
        "qimlist": ["red0", "blue0"],
        "gnd": [
            {"easy": np.array([0]), "hard": np.array([2]), "junk": np.array([], int), "bbx": [0, 0, 1, 1]},
            {"easy": [1, 3], "hard": [], "junk": [], "bbx": [0, 0, 1, 1]},
        ],
    }
    file = tmp_path / "gnd_test.pkl"
    file.write_bytes(pickle.dumps(truth))
    result = copysight("evaluate", "retrieval", "colours", pictures, "--truth", file, "--json")
    assert {name: row["map"] for name, row in json.loads(result.output)["results"].items()} == {"E": 1, "M": 1, "H": 1}
    (pictures / "red2.png").unlink()
    result = copysight("evaluate", "retrieval", "colours", pictures, "--truth", file)
    assert result.exit_code == 1
    assert "1 of 4 pictures of the ground truth are not in" in result.output


def test_a_ground_truth_file_cannot_run_code(copysight, labelled_set, tmp_path):
    class Evil:
        def __reduce__(self):
            return print, ("gotcha",)

    (tmp_path / "gnd.pkl").write_bytes(pickle.dumps({"gnd": Evil()}))
    result = copysight("evaluate", "retrieval", "colours", labelled_set, "--truth", tmp_path / "gnd.pkl")
    assert result.exit_code == 1
    assert "builtins.print" in result.output
    assert "gotcha" not in result.output


def test_video_segments_a_moving_disk(copysight, davis_folder, tiny_bundle):
    command = ("evaluate", "video", tiny_bundle.path, davis_folder, "--tiles", 2, "--json")
    result = copysight(*command)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert set(found) == {"mean", "first_mask_copied", "sequences", "provenance", "scans"}
    assert set(found["mean"]) == {"j", "f", "jf"}
    assert found["mean"] == found["sequences"]["disk"]
    assert found["mean"]["j"] > found["first_mask_copied"]["j"] + 0.1


def test_video_rejects_a_folder_without_videos(copysight, labelled_set, tiny_bundle):
    result = copysight("evaluate", "video", tiny_bundle.path, labelled_set)
    assert result.exit_code == 1
    assert "JPEGImages/480p/<sequence>/*.jpg" in result.output


def test_incomplete_layouts_are_rejected(copysight, labelled_set, davis_folder, tiny_bundle, tmp_path):
    one_split = tmp_path / "one"
    shutil.copytree(labelled_set / "train", one_split / "train")
    assert "no pictures under val/<class>/" in copysight("evaluate", "knn", "colours", one_split).output
    shutil.copytree(labelled_set / "val" / "red", one_split / "val" / "red")
    assert (
        "2 classes of train are not in val (blue, green)" in copysight("evaluate", "knn", "colours", one_split).output
    )
    broken = tmp_path / "davis"
    shutil.copytree(davis_folder, broken)
    next((broken / "Annotations").rglob("*.png")).unlink()
    assert "5 frames and 4 masks" in copysight("evaluate", "video", tiny_bundle.path, broken).output


def test_an_unreadable_picture_is_reported_and_skipped(copysight, labelled_set, tmp_path):
    copied = tmp_path / "set"
    shutil.copytree(labelled_set, copied)
    (copied / "train" / "red" / "0.png").write_bytes(b"no picture")
    result = copysight("evaluate", "knn", "colours", copied, "--k", 3)
    assert result.exit_code == 0
    assert "skipped train/red/0.png" in result.stderr
