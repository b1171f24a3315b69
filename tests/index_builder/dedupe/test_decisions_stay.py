"""What was decided about copies does not come back, whatever happens to the folder and the index."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from cli.main import main
from copysight.catalog.curation.decisions import NewDecision
from copysight.index import Index
from tests.conftest import encoded
from tests.index_builder.dedupe.test_command import photograph

PAIRS = 6


def run(*words):
    done = CliRunner().invoke(main, list(map(str, words)))
    assert done.exit_code == 0, done.output
    return done.stdout


def shuffle(root, rng):
    """Move and rename a third of the files, and now and then the folder of all."""
    for path in sorted(path for path in root.rglob("*.jpg")):
        if rng.random() < 0.33:
            folder = root / f"folder-{rng.integers(4)}"
            folder.mkdir(exist_ok=True)
            path.rename(folder / f"{rng.integers(10**9)}.jpg")


@pytest.mark.parametrize("rounds", [3, pytest.param(100, marks=pytest.mark.long)])
def test_no_decision_comes_back_after_moves_renames_and_rebuilds(tmp_path, rounds):
    rng, root, directory = np.random.default_rng(1), tmp_path / "archive", tmp_path / "index"
    root.mkdir()
    for number in range(PAIRS):
        (root / f"{number}.jpg").write_bytes(encoded(photograph(number), quality=95))
        photograph(number).resize((320, 240)).save(root / f"{number}-small.jpg", quality=85)
    run("index", "build", root, "--index", directory, "--sync")
    with Index.open(directory) as opened:
        sha256s = {item.key: item.sha256 for item in opened.catalog.page()}
        pairs = [(sha256s[f"{number}.jpg"], sha256s[f"{number}-small.jpg"]) for number in range(PAIRS)]
        decided = [NewDecision("not_duplicates", pairs[0]), NewDecision("keep_all", pairs[1])]
        opened.catalog.curation.decide([*decided, NewDecision("keep", pairs[2][::-1])])
    for _ in range(rounds):
        shuffle(root, rng)
        run("index", "build", root, "--index", directory, "--sync", "--most-missing", 1)
        run("index", "rebuild", "--index", directory)
        found = json.loads(run("dedupe", "--index", directory, "--json"))["groups"]
        with Index.open(directory) as opened:
            by_key = {item.key: item.sha256 for item in opened.catalog.page()}
        groups = {(by_key[group["keep"]], *(by_key[one["path"]] for one in group["members"])) for group in found}
        assert groups == {pairs[2][::-1], *pairs[3:]}
