"""The command ``curves``: series of real runs, of a log that a kill cut, and files that load nothing from elsewhere."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from cli.main import main
from copysight.errors import InvalidArgument
from tests.training import kills
from training.curves import history
from training.curves.history import KNN


def copysight(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


@pytest.fixture(scope="module")
def runs(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A run of DINO with a probe, and a longer one of SwAV with another batch."""
    root = tmp_path_factory.mktemp("runs")
    for number, file in enumerate(sorted(photos.rglob("*.jpg"))):
        target = root / "shades" / ("val" if number % 3 == 0 else "train") / f"class{number % 2}" / file.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.read_bytes())
    found = {}
    for method, more in (("dino", {"epochs": 2, "probe": root / "shades"}), ("swav", {"epochs": 3, "batch": 4})):
        words = kills.command(method, photos, root / method, **more)
        result = copysight(*words)
        assert result.exit_code == 0, result.output
        found[method] = root / method
    return found


def test_series_of_a_run(runs: dict[str, Path]) -> None:
    found = history.read(runs["dino"])
    loss = found.panels["loss"][""]
    assert (loss.steps, loss.x) == ([1, 2, 3, 4, 5, 6], [8, 16, 24, 32, 40, 48])
    logged = kills.events(runs["dino"], "step")
    assert loss.y == [line["loss"] for line in logged]
    assert found.panels["learning rate"][""].y == [line["lr"] for line in logged]
    assert {name: line.x for name, line in found.panels[KNN].items()} == {"shades": [0, 48]}
    assert found.state == "done"
    assert found.facts["run"]["options"]["bottleneck"] == 16


def test_steps_that_a_killed_run_did_again_count_once(tmp_path: Path) -> None:
    def step(number: int, loss: float | None) -> str:
        return json.dumps({"kind": "step", "step": number, "pictures": number, "loss": loss, "time": 1.0})

    probes = [
        json.dumps({"kind": "probe", "step": n, "pictures": n, "set": "s", "top1": t}) for n, t in ((0, 1), (3, 2))
    ]
    lines = [
        probes[0],
        step(1, 5),
        step(2, 4),
        step(3, 3),
        probes[1],
        step(4, 2),
        step(3, 30),
        probes[1],
        step(5, None),
    ]
    (tmp_path / "log.jsonl").write_text(
        "\n".join([*lines[:5], '{"kind": "st', *lines[5:], '{"kind": "step", "step": 6'])
    )
    found = history.read(tmp_path)
    loss, accuracy = found.panels["loss"][""], found.panels[KNN]["s"]
    assert (loss.steps, loss.y) == ([1, 2, 3], [5, 4, 30])
    assert (accuracy.steps, accuracy.y) == ([0, 3], [1, 2])
    assert found.state == "running, or killed"


def test_several_runs_side_by_side(runs: dict[str, Path], tmp_path: Path) -> None:
    result = copysight("curves", runs["dino"], runs["swav"], "--out", tmp_path / "curves.png")
    assert result.exit_code == 0, result.output
    rows = [re.split(r" {2,}", line) for line in result.output.splitlines()]
    assert rows[0][1:] == [str(runs["dino"]), str(runs["swav"])]
    table = {row[0]: row[1:] for row in rows[1:]}
    assert table["method"] == ["dino", "swav"]
    assert table["state"] == ["done", "done"]
    assert table["--batch"] == ["8", "4"]
    assert table["global_scale"] == ["[0.4, 1.0]", "[0.14, 1.0]"]
    assert "--device" not in table
    assert {"k-NN shades, first", "k-NN shades, best", "k-NN shades, last"} <= table.keys()
    with Image.open(tmp_path / "curves.png") as picture:
        assert picture.format == "PNG"
        assert len(picture.convert("RGB").getcolors(2**24) or []) > 10


def test_one_page_without_anything_from_elsewhere(runs: dict[str, Path], tmp_path: Path) -> None:
    result = copysight("curves", runs["dino"], runs["swav"], "--out", tmp_path / "new" / "curves.html", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert [one["method"] for one in found["runs"]] == ["dino", "swav"]
    assert found["runs"][0]["step"] == found["runs"][0]["of"] == 6
    assert found["runs"][0]["k-NN shades, last"] == history.read(runs["dino"]).last(KNN)
    page = (tmp_path / "new" / "curves.html").read_text()
    assert page.count("<svg") == 1
    assert page.count("<td>dino</td><td>swav</td>") == 1
    outside = re.findall(r"(?:src|href|url)\s*[=(]\s*[\"']?(?!#)[^\"'\s>)]+", page)
    assert outside == []


def test_what_is_no_run_or_no_picture_is_refused(runs: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="give the folder of a run"):
        history.read(tmp_path)
    (tmp_path / "log.jsonl").write_text("")
    assert "has no step of a training" in copysight("curves", tmp_path).output
    other = copysight("curves", runs["dino"], "--out", tmp_path / "curves.jpg")
    assert (other.exit_code, "must end with .png or .html" in other.output) == (2, True)


def test_a_table_needs_neither_torch_nor_matplotlib(runs: dict[str, Path]) -> None:
    code = (
        "import sys; from training.commands.curves import curves; curves.main([sys.argv[1]], standalone_mode=False); "
        "sys.exit(any(name in sys.modules for name in ('torch', 'matplotlib', 'timm')))"
    )
    subprocess.run([sys.executable, "-c", code, str(runs["dino"])], check=True, capture_output=True)
