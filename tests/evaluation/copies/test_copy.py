"""``evaluate copy``: metrics against a slow loop, and the command on drawn pictures."""

import csv
import json

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from evaluation.copies.copy import copy
from evaluation.copies.isc import Truth, measure


def slow_metrics(scores, wanted, count):
    """Micro-AP and recall at 90 % precision: rank all pairs (ties: wrong ones first), keep ``count``, walk down."""
    pairs = sorted(
        ((scores[q][r], wanted[q] != r, q, r) for q in range(len(scores)) for r in range(len(scores[0]))),
        key=lambda pair: (-pair[0], not pair[1]),
    )[:count]
    positives = sum(place >= 0 for place in wanted)
    hits = area = best = 0.0
    for number, (_, wrong, _, _) in enumerate(pairs, 1):
        if not wrong:
            hits += 1
            area += hits / number / positives
        if hits / number >= 0.9:
            best = max(best, hits / positives)
    return area, best


@pytest.mark.parametrize("seed", range(5))
def test_metrics_match_a_slow_loop(seed):
    rng = np.random.default_rng(seed)
    scores = rng.permutation(40 * 25).reshape(40, 25).astype(np.float32)
    wanted = np.where(rng.random(40) < 0.6, rng.integers(0, 25, 40), -1)
    for row, place in enumerate(wanted):
        if place >= 0 and rng.random() < 0.7:
            scores[row, place] += 1000
    queries, references = [f"q{n}" for n in range(40)], [f"r{n}" for n in range(25)]
    truth = Truth(
        {name: f"r{place}" if place >= 0 else "" for name, place in zip(queries, wanted, strict=True)},
        {name: "light" if number % 2 else "strong" for number, name in enumerate(queries)},
    )
    found = measure(scores, queries, references, truth)
    area, best = slow_metrics(scores.tolist(), wanted.tolist(), 400)
    assert found.micro_ap == pytest.approx(area, abs=1e-9)
    assert found.recall_at_p90 == pytest.approx(best, abs=1e-9)
    for level, rest in (("light", 1), ("strong", 0)):
        rows = [n for n in range(40) if n % 2 == rest and wanted[n] >= 0]
        assert found.recall_at_1[level] == np.mean([scores[n].argmax() == wanted[n] for n in rows])


def test_a_tie_is_a_miss():
    truth = Truth({"q": "a"}, {"q": "light"})
    found = measure(np.array([[0.5, 0.5]], np.float32), ["q"], ["a", "b"], truth)
    assert found.recall_at_1 == {"light": 0.0}
    assert found.micro_ap == 0.5


@pytest.fixture
def benchmark(tmp_path, drawn, jpeg):
    """Eight references; as queries four copies, cropped and recompressed, and four pictures without a copy."""
    for name in ("references", "queries", "background"):
        (tmp_path / name).mkdir()
    for seed in range(8):
        (tmp_path / "references" / f"r{seed}.jpg").write_bytes(jpeg(drawn(seed)))
        (tmp_path / "background" / f"b{seed}.jpg").write_bytes(jpeg(drawn(200 + seed)))
    rows = []
    for seed in range(4):
        (tmp_path / "queries" / f"q{seed}.jpg").write_bytes(jpeg(drawn(seed).crop((4, 3, 156, 117)), quality=60))
        (tmp_path / "queries" / f"n{seed}.jpg").write_bytes(jpeg(drawn(100 + seed)))
        rows += [(f"q{seed}", f"r{seed}", "light"), (f"n{seed}", "", "light")]
    with (tmp_path / "truth.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("query_id", "reference_id", "level"), *rows])
    return tmp_path


def run(benchmark, *more):
    arguments = ["--references", benchmark / "references", "--queries", benchmark / "queries"]
    arguments += ["--ground-truth", benchmark / "truth.csv", *more]
    return CliRunner().invoke(copy, ["colours", *map(str, arguments)])


def test_copies_are_found(benchmark):
    report = json.loads(run(benchmark, "--background", benchmark / "background", "--json").stdout)
    for scores in ("raw", "normalized"):
        assert report[scores]["recall_at_1"] == {"light": 1.0}
        assert report[scores]["micro_ap"] > 0.9
    assert "micro-AP" in run(benchmark).stdout


def test_ground_truth_that_does_not_fit_is_rejected(benchmark):
    (benchmark / "truth.csv").write_text("a,b\n1,2\n")
    assert "query_id" in str(run(benchmark).exception)
    (benchmark / "truth.csv").write_text("query_id,reference_id,level\nq0,r0,light\n")
    assert "no row for 7 of 8 queries" in str(run(benchmark).exception)
    lines = "".join(f"{kind}{n},{'zz' if kind == 'q' else ''},light\n" for kind in "qn" for n in range(4))
    (benchmark / "truth.csv").write_text("query_id,reference_id,level\n" + lines)
    assert "not among the pictures" in str(run(benchmark).exception)


def test_calibration_error_is_reported(benchmark, drawn, jpeg):
    for seed in range(300, 410):
        (benchmark / "references" / f"r{seed}.jpg").write_bytes(jpeg(drawn(seed)))
    diagram = benchmark / "reliability.png"
    options = ("--background", benchmark / "background", "--diagram", diagram)
    found = json.loads(run(benchmark, *options, "--json").stdout)["calibration"]
    assert sum(one["count"] for one in found["bins"]) == 8
    assert 0 <= found["expected_calibration_error"] <= 1
    assert found["fitted"]["share"] == 0.5
    assert diagram.stat().st_size > 0
    assert "calibration: expected error" in run(benchmark, *options).stdout


def test_baselines_are_listed_beside_the_source(benchmark):
    found = run(benchmark, "--beside", "phash", "--beside", "pdq8", "--json")
    report = json.loads(found.stdout)
    assert set(report) == {"source", "variant", "effort", "verify", "raw", "beside", "provenance", "scans"}
    assert report["beside"]["phash"]["raw"]["recall_at_1"] == {"light": 1.0}
    table = run(benchmark, "--beside", "phash").stdout
    assert [line.split()[:2] for line in table.splitlines()[1:]] == [["colours", "raw"], ["phash", "raw"]]


def test_pdq8_finds_rotated_copies_that_pdq_misses(benchmark):
    for file in (benchmark / "queries").glob("q*.jpg"):
        Image.open(file).transpose(Image.Transpose.ROTATE_90).save(file)
    report = json.loads(run(benchmark, "--beside", "pdq", "--beside", "pdq8", "--json").stdout)["beside"]
    assert report["pdq"]["raw"]["recall_at_1"]["light"] < 1
    assert report["pdq8"]["raw"]["recall_at_1"]["light"] == 1


def test_whitening_keeps_the_requested_dimensions(benchmark):
    options = ("--whitening", benchmark / "background", "--centred", "--dimensions")
    wide, narrow = (json.loads(run(benchmark, *options, count, "--json").stdout)["raw"] for count in (6, 1))
    assert wide["recall_at_1"] == {"light": 1.0}
    assert narrow["micro_ap"] < wide["micro_ap"]


def test_several_sources_in_one_table(benchmark):
    result = run(benchmark, "pixels", "--beside", "phash")
    lines = [line.split() for line in result.stdout.splitlines()]
    assert [line[:2] for line in lines] == [
        ["source", "scores"],
        ["colours", "raw"],
        ["pixels", "raw"],
        ["phash", "raw"],
    ]
    found = json.loads(run(benchmark, "pixels", "--beside", "phash", "--json").stdout)["sources"]
    assert [one["source"] for one in found] == ["colours", "pixels", "phash"]
    alone = json.loads(run(benchmark, "--json").stdout)
    assert {key: value for key, value in alone.items() if key != "scans"} == found[0]


def test_the_error_of_each_kind_is_reported_and_drawn(benchmark, drawn, jpeg):
    for seed in range(300, 410):
        (benchmark / "references" / f"r{seed}.jpg").write_bytes(jpeg(drawn(seed)))
    with (benchmark / "truth.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    with (benchmark / "truth.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, [*rows[0], "kind"])
        writer.writeheader()
        writer.writerows({**row, "kind": "photo" if number < 5 else "screen"} for number, row in enumerate(rows))
    options = ("--background", benchmark / "background", "--diagram", benchmark / "drawn.png", "--verify", "never")
    kinds = json.loads(run(benchmark, *options, "--json").stdout)["calibration"]["kinds"]
    assert {name: sum(one["count"] for one in found["bins"]) for name, found in kinds.items()} == {
        "photo": 5,
        "screen": 3,
    }
    assert {path.name for path in benchmark.glob("*.png")} == {"drawn.png", "drawn-photo.png", "drawn-screen.png"}
    assert "screen (3): expected error" in run(benchmark, *options).stdout
