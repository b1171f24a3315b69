"""One report of all yardsticks."""


def test_one_report(copysight, labelled_set, davis_folder, tiny_bundle, tmp_path):
    out = tmp_path / "report.html"
    data = ("--labelled", labelled_set, "--davis", davis_folder, "--epochs", 3, "--views", 1)
    result = copysight("evaluate", "all", tiny_bundle.path, *data, "--out", out)
    assert result.exit_code == 0, result.output
    page = out.read_text()
    for title in ("shades: k-NN", "shades: linear", "shades: clusters", "Attention", "first mask copied"):
        assert title in page
    assert page.count("data:image/jpeg") == 36 + 6
    assert "http" not in page


def test_data_is_needed(copysight, tmp_path):
    result = copysight("evaluate", "all", "default", "--out", tmp_path / "report.html")
    assert result.exit_code == 2
    assert "--labelled, --davis, --copydays" in result.output
