"""Every command takes several sources: one table, and JSON in which each source says what its figures come from."""

import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import click
import pytest

from cli.main import main
from evaluation import arguments

ROOT = Path(__file__).parents[2]


def table(text):
    """The words of each line of a table."""
    return [line.split() for line in text.splitlines()]


@pytest.mark.parametrize(
    ("command", "options", "columns"),
    [
        ("knn", ("--k", 3), ["set", "k", "top-1", "top-5"]),
        ("linear", ("--views", 1, "--epochs", 3), ["set", "top-1", "top-5", "lr"]),
        ("retrieval", (), ["protocol", "mAP", "mP@1", "mP@5", "mP@10"]),
    ],
)
def test_labelled_measures(copysight, labelled_set, tiny_bundle, command, options, columns):
    sources = (str(tiny_bundle.path), "pixels", "colours")
    result = copysight("evaluate", command, *sources, labelled_set, *options)
    assert result.exit_code == 0, result.output
    header, *rows = table(result.stdout)
    assert header == ["source", *columns]
    assert [row[0] for row in rows] == list(sources)
    found = json.loads(copysight("evaluate", command, *sources, labelled_set, *options, "--json").stdout)
    assert set(found) == {"sources", "scans"}
    assert [one["source"] for one in found["sources"]] == ["tiny", "pixels", "colours"]
    for source, row, several in zip(sources, rows, found["sources"], strict=True):
        alone = json.loads(copysight("evaluate", command, source, labelled_set, *options, "--json").stdout)
        assert {**several, "scans": found["scans"]} == alone
        results = alone["results"] if isinstance(alone["results"], list) else list(alone["results"].values())
        figures = [f"{value:.4f}" for value in results[0].values() if isinstance(value, float)]
        assert row[1:][-len(figures) :] == figures


def test_each_source_says_what_its_figures_come_from(copysight, labelled_set, tiny_bundle):
    words = ("evaluate", "linear", tiny_bundle.path, "pixels", labelled_set, "--views", 1, "--epochs", 1)
    found = json.loads(copysight(*words, "--seed", 7, "--json").stdout)["sources"]
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    for one in (part["provenance"] for part in found):
        assert one["seed"] == 7
        assert one["version"]
        assert (one["commit"] or "").rstrip("+") == head.stdout.strip()
    bundle = found[0]["provenance"]["bundle"]
    assert bundle == {"id": tiny_bundle.id, "training": tiny_bundle.training}
    assert "bundle" not in found[1]["provenance"]


def test_the_fingerprint_of_data_is_that_of_names_and_bytes(copysight, labelled_set, tmp_path):
    def fingerprint(folder):
        found = json.loads(copysight("evaluate", "knn", "colours", folder, "--k", 3, "--json").stdout)
        return found["provenance"]["data"][str(folder)]

    files = sorted(labelled_set.rglob("*.png"), key=lambda file: file.relative_to(labelled_set).as_posix())
    expected = hashlib.sha256()
    for file in files:
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        expected.update(f"{file.relative_to(labelled_set).as_posix()}\0{digest}\n".encode())
    moved = tmp_path / "shades"
    shutil.copytree(labelled_set, moved)
    assert fingerprint(labelled_set) == fingerprint(moved) == expected.hexdigest()
    with (moved / "train" / "red" / "0.png").open("ab") as file:
        file.write(b"\0")
    assert fingerprint(moved) != expected.hexdigest()


def test_clusters_write_the_sheets_of_each_source(copysight, labelled_set, tiny_bundle, tmp_path):
    sources = (tiny_bundle.path, "colours", "phash")
    result = copysight("evaluate", "clusters", *sources, labelled_set, "--html", tmp_path)
    assert result.exit_code == 0, result.output
    header, *rows = table(result.stdout)
    assert header[:3] == ["source", "set", "kind"]
    assert [(row[0], row[2]) for row in rows] == [
        (str(tiny_bundle.path), "k-means"),
        (str(tiny_bundle.path), "prototypes"),
        ("colours", "k-means"),
        ("phash", "k-means"),
    ]
    pages = {file.relative_to(tmp_path).as_posix() for file in tmp_path.rglob("*.html")}
    assert pages == {"tiny/shades.html", "colours/shades.html", "phash/shades.html"}


def test_video(copysight, davis_folder, tiny_bundle, other_bundle, tmp_path):
    sources = (str(tiny_bundle.path), str(other_bundle.path))
    result = copysight("evaluate", "video", *sources, davis_folder, "--tiles", 1, "--pictures", tmp_path)
    assert result.exit_code == 0, result.output
    header, *rows = table(result.stdout)
    assert header == ["source", "sequence", "J", "F", "J&F"]
    assert [row[:2] for row in rows if row[1] == "disk"] == [[source, "disk"] for source in sources]
    assert {file.parent.name for file in tmp_path.rglob("*.gif")} == {"tiny", "other"}
    found = json.loads(copysight("evaluate", "video", *sources, davis_folder, "--tiles", 1, "--json").stdout)
    assert [one["source"] for one in found["sources"]] == list(sources)


def test_one_report_on_several_bundles(copysight, labelled_set, tiny_bundle, resnet_bundle, tmp_path):
    out, bundles = tmp_path / "report.html", (str(tiny_bundle.path), str(resnet_bundle.path))
    words = ("evaluate", "all", *bundles, "--labelled", labelled_set, "--epochs", 2, "--views", 1, "--out", out)
    result = copysight(*words)
    assert result.exit_code == 0, result.output
    page = out.read_text()
    assert page.count("shades: k-NN") == 1
    assert all(page.count(f"<tr><td>{bundle}</td>") > 4 for bundle in bundles)
    assert page.count("Attention maps of") == 2  # of heads, and of prototypes
    found = json.loads(copysight(*words, "--json").stdout)
    assert [one["source"] for one in found["sources"]] == ["tiny", "resnet"]
    assert all(one["tables"][0]["header"] == ["k", "top-1", "top-5"] for one in found["sources"])


def test_the_order_of_the_arguments(labelled_set, tiny_bundle, tmp_path, monkeypatch):
    bundle, data = str(tiny_bundle.path), str(labelled_set)
    assert arguments.split(["pixels", data], True) == (("pixels",), (labelled_set,))
    assert arguments.split(["default", bundle, "pdq8", f"{bundle}:patches", data, data], True) == (
        ("default", bundle, "pdq8", f"{bundle}:patches"),
        (labelled_set, labelled_set),
    )
    for words, several, said in (
        ([bundle, data, "pixels", data], True, "'pixels' is neither a bundle, nor a baseline, nor an existing path"),
        ([bundle, "my-bundel", data], True, "'my-bundel' is neither"),
        ([bundle, data, bundle, data], True, "comes after"),
        (["pixels", "colours"], True, "'colours' is neither"),
        (["pixels", data, data], False, "only one folder or tar file"),
    ):
        with pytest.raises(click.UsageError, match=said):
            arguments.split(words, several)
    (tmp_path / "colours").mkdir()
    monkeypatch.chdir(tmp_path)
    # A folder with the name of a baseline is data, as it was when there was one source only.
    assert arguments.split(["pixels", "colours"], True) == (("pixels",), (Path("colours"),))
    assert arguments.split(["pixels", "colours", data], True) == (("pixels",), (Path("colours"), labelled_set))


def test_files_of_sources_with_one_name_have_different_places(tmp_path, tiny_bundle):
    for name in ("a", "b"):
        shutil.copytree(tiny_bundle.path, tmp_path / name / "model")
    sources = (str(tmp_path / "a" / "model"), str(tmp_path / "b" / "model"), "pixels", f"{tmp_path}/a/model:patches")
    places = [arguments.place_of(tmp_path, source, sources) for source in sources]
    assert len(set(places)) == 4
    assert places[2] == tmp_path / "pixels"
    assert arguments.place_of(tmp_path, sources[0], sources[:1]) == tmp_path


def test_every_command_with_a_source_takes_several():
    group = main.get_command(click.Context(main), "evaluate")
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        first = [parameter.metavar for parameter in command.params if parameter.name in {"source", "bundle"}]
        assert all(metavar.endswith("...") for metavar in first), name
