"""``evaluate all``: one report of all evaluations."""

import json


def test_report_has_a_section_for_each_evaluation(copysight, labelled_set, davis_folder, tiny_bundle, tmp_path):
    out = tmp_path / "report.html"
    data = ("--labelled", labelled_set, "--davis", davis_folder, "--epochs", 3, "--views", 1)
    result = copysight("evaluate", "all", tiny_bundle.path, *data, "--out", out)
    assert result.exit_code == 0, result.output
    page = out.read_text()
    for title in ("shades: k-NN", "shades: linear", "shades: clusters", "Attention", "first mask copied"):
        assert title in page
    assert page.count("data:image/jpeg") == 36 + 6 + 5
    assert "http" not in page


def test_tables_as_json(copysight, labelled_set, resnet_bundle, tmp_path):
    out = tmp_path / "report.html"
    words = ("--labelled", labelled_set, "--epochs", 3, "--views", 1, "--out", out, "--json")
    found = json.loads(copysight("evaluate", "all", resnet_bundle.path, *words).stdout)
    assert [table["title"].removeprefix("shades: ") for table in found["tables"]] == [
        "k-NN",
        "linear",
        "retrieval by class",
        "clusters",
    ]
    assert found["tables"][0]["header"] == ["k", "top-1", "top-5"]
    assert "Attention maps of the strongest prototypes" in out.read_text()


def test_a_call_without_data_is_rejected(copysight, tmp_path):
    result = copysight("evaluate", "all", "default", "--out", tmp_path / "report.html")
    assert result.exit_code == 2
    assert "--labelled, --davis, --copydays" in result.output
