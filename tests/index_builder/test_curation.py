"""`outliers`, `select` and the derived columns of `index export`, from the outside."""

import csv
import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from cli.main import main
from copysight.duplicates.pair import Pair
from copysight.duplicates.picture import Picture
from copysight.duplicates.review import result
from copysight.duplicates.review.result import Result
from copysight.index import Index, publish
from tests.copysight.conftest import new_item, written_bundle

DERIVED = ["id", "cluster", "cluster_name", "duplicate_group", "duplicate_role", "outlier"]


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    """Twelve pictures around two directions and one that is alone; 2 and 3 are copies, and clusters have names."""
    place = tmp_path_factory.mktemp("curated") / "index"
    bundle = written_bundle(tmp_path_factory.mktemp("bundle") / "bundle", "graphless")
    rng = np.random.default_rng(0)
    centres = np.eye(bundle.dimension)[[0, 1] * 6 + [2]]
    vectors = centres + 0.2 * rng.standard_normal(centres.shape)
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    with Index.create(place, bundle.path) as made:
        items = [
            new_item(f"{'ab'[number % 2]}/{number}.jpg", number, vector=vector, information=0.5, bytes=1000 + number)
            for number, vector in enumerate(vectors)
        ]
        made.catalog.add(items, model=made.bundle.id)
        publish(made)
        for cluster in made.snapshot().clusters():
            made.catalog.names.set(cluster.id, f"group {cluster.id}")
        pictures = tuple(Picture(one.key, one.sha256, 100, 80, bytes=one.bytes) for one in items[2:4])
        pairs = (Pair(0, 1, 0.97, "resized"),)
        result.write(
            made.layout.duplicates, Result(None, 1.0, None, 1, made.bundle.id, 0.5, 13, (3, 4), pictures, pairs)
        )
    return place


def run(*words, code=0):
    done = CliRunner().invoke(main, [*map(str, words)])
    assert done.exit_code == code, done.output
    return done.stdout


def test_the_picture_that_is_alone_is_the_first_outlier(index):
    found = json.loads(run("outliers", "--index", index, "--count", 3, "--json"))["outliers"]
    assert [len(found), found[0]["key"]] == [3, "a/12.jpg"]
    assert found[0]["outlier"] > 0.9 > found[1]["outlier"], "six pictures have fewer neighbours of their own"
    assert run("outliers", "--index", index, "--count", 1).split()[1] == "a/12.jpg"


def test_a_selection_of_three_has_a_picture_of_each_kind(index):
    found = json.loads(run("select", "--index", index, "--count", 3, "--json"))["selected"]
    kinds = {"alone" if one["key"] == "a/12.jpg" else one["key"][0] for one in found}
    assert kinds == {"a", "b", "alone"}
    every = run("select", "--index", index, "--count", 99).split()
    assert len(set(every)) == 13
    assert [one["key"] for one in found] == every[:3]
    assert "no picture" in run_failed("select", "--index", index, "--count", 3, "--collection", "nowhere")


def run_failed(*words):
    done = CliRunner().invoke(main, [*map(str, words)])
    assert done.exit_code == 1, done.output
    return done.stderr


def test_a_csv_export_has_cluster_duplicates_and_outlier_score(index, tmp_path):
    run("index", "export", tmp_path / "all.csv", "--index", index)
    with (tmp_path / "all.csv").open(newline="") as file:
        rows = {row["key"]: row for row in csv.DictReader(file)}
    assert len(rows) == 13
    assert set(DERIVED) <= rows["a/2.jpg"].keys()
    assert "vector" not in rows["a/2.jpg"]
    kept, member = rows["b/3.jpg"], rows["a/2.jpg"]  # the larger file of two of one size is kept
    assert (kept["duplicate_group"], kept["duplicate_role"]) == ("1", "keep")
    assert (member["duplicate_group"], member["duplicate_role"]) == ("1", "member")
    assert rows["a/4.jpg"]["duplicate_group"] == ""
    assert all(row["cluster_name"] == f"group {row['cluster']}" for row in rows.values())
    assert max(rows, key=lambda key: float(rows[key]["outlier"])) == "a/12.jpg"
    assert {row["information"] for row in rows.values()} == {"0.5"}
    assert "CSV" in run_failed("index", "import", tmp_path / "all.csv", "--index", index)


def test_parquet_with_derived_columns_and_a_map_can_be_imported_again(index, tmp_path):
    run("index", "export", tmp_path / "plain.parquet", "--index", index)
    run("index", "export", tmp_path / "all.parquet", "--index", index, "--derived", "--map")
    plain, table = pq.read_table(tmp_path / "plain.parquet"), pq.read_table(tmp_path / "all.parquet")
    assert table.schema.names == [*plain.schema.names, *DERIVED, "map_x", "map_y"]
    assert table.select(plain.schema.names).equals(plain.select(plain.schema.names))
    places = np.stack([table["map_x"].to_numpy(), table["map_y"].to_numpy()])
    assert np.abs(places).max() <= 1
    assert (index / "map.npz").is_file()
    with Index.open(index) as opened, Index.create(tmp_path / "copy", opened.bundle.path) as copy:
        copy.close()
    run("index", "import", tmp_path / "all.parquet", "--index", tmp_path / "copy")
    with Index.open(tmp_path / "copy") as copy:
        assert copy.catalog.count() == 13
    done = CliRunner().invoke(main, ["index", "export", str(tmp_path / "x"), "--index", str(index), "--map"])
    assert done.exit_code == 2
