"""The commands ``copysight index …`` print what they did and set the exit code."""

import json
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner

from cli.main import main
from copysight.index import Index


def run(*words):
    return CliRunner().invoke(main, ["index", *(str(word) for word in words)])


def answer(*words):
    result = run(*words, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture
def index(folder, tiny_bundle, tmp_path):
    result = run("build", folder, "--index", tmp_path / "index", "--bundle", tiny_bundle.path, "--clusters", 2)
    assert result.exit_code == 0, result.output
    assert "6 added" in result.stdout
    assert "generation 000001 (flat, recall 1.000), 2 clusters" in result.stdout
    return tmp_path / "index"


def test_status_shows_counts_generation_and_jobs(index, tiny_bundle):
    found = answer("status", "--index", index)
    assert (found["count"], found["generation"], found["delta"], found["tombstones"]) == (6, "000001", 0, 0)
    assert (found["bundle"], found["model"], found["policy"]) == ("tiny", tiny_bundle.id, "keep")
    assert found["jobs"][0]["state"] == "done"
    text = run("status", "--index", index).stdout
    assert "generation   000001" in text
    assert f"bytes        {found['bytes'] / 1e6:,.1f} MB" in text
    assert f"built_at     {datetime.fromtimestamp(found['built_at'], UTC):%Y-%m-%d %H:%M} UTC, 0.0 hours ago" in text


def test_add_remove_rebuild_rollback(index, folder, tmp_path, drawn, jpeg):
    more = tmp_path / "more"
    more.mkdir()
    (more / "new.jpg").write_bytes(jpeg(drawn(20)))
    assert answer("add", more, "--index", index)["created"] == 1
    assert answer("remove", "--index", index, "--key", "0.jpg", "--id", 2) == {"removed": 2}
    status = answer("status", "--index", index)
    assert (status["count"], status["delta"], status["tombstones"]) == (5, 1, 2)
    assert answer("rebuild", "--index", index) == {"generation": "000002", "count": 5}
    status = answer("status", "--index", index)
    assert (status["count"], status["delta"], status["tombstones"]) == (5, 0, 0)
    assert answer("rollback", "--index", index) == {"generation": "000001", "count": 5}
    assert answer("rollback", "--index", index, "--to", "000002")["generation"] == "000002"


def test_removing_a_missing_item_removes_nothing(index):
    result = run("remove", "--index", index, "--key", "0.jpg", "--key", "nowhere.jpg")
    assert result.exit_code == 1
    assert "there is no item nowhere.jpg; nothing was removed" in result.stderr
    assert answer("status", "--index", index)["count"] == 6
    assert run("remove", "--index", index).exit_code == 2


def test_verify_finds_a_damaged_original(index):
    assert answer("verify", "--index", index) == {"faults": [], "remarks": []}
    with Index.open(index) as opened:
        sha256 = opened.catalog.get(1).sha256
    (index / "blobs" / sha256[:2] / sha256).write_bytes(b"bit rot")
    result = run("verify", "--index", index)
    assert result.exit_code == 1
    assert result.stdout == f"the content of the original {sha256} does not have this sha256\n"


def test_a_backup_can_be_restored(index, tmp_path):
    copy = tmp_path / "copy"
    assert answer("backup", copy, "--index", index)["count"] == 6
    assert answer("restore", copy, "--index", tmp_path / "again")["count"] == 6
    assert answer("verify", "--index", tmp_path / "again") == {"faults": [], "remarks": []}


def test_rebuild_accepts_an_index_type(index):
    answer("rebuild", "--index", index, "--type", "sq8")
    assert answer("status", "--index", index)["index_type"] == "sq8"
    assert run("rebuild", "--index", index, "--type", "tree").exit_code == 2


def test_prune_removes_old_generations(index):
    for _ in range(3):
        answer("rebuild", "--index", index)
    assert answer("prune", "--index", index, "--keep", 2) == {"removed": ["000002"]}
    assert "removed no generation" in run("prune", "--index", index, "--keep", 2).stdout


def test_build_with_json_prints_nothing_else_to_stdout(folder, tiny_bundle, tmp_path):
    found = answer("build", folder, "--index", tmp_path / "other", "--bundle", tiny_bundle.path)
    assert (found["pictures"], found["created"], found["failures"]) == (6, 6, [])


def test_fields_are_added_and_removed(index):
    assert answer("fields", "--index", index, "--add", "place", "--add", "year") == {"fields": ["place", "year"]}
    assert answer("fields", "--index", index, "--remove", "year") == {"fields": ["place"]}
    assert run("fields", "--index", index).stdout == "place\n"


def test_rebuild_if_due_prints_why_it_does_not_rebuild(index):
    found = answer("rebuild", "--index", index, "--if-due")
    assert found["generation"] is None
    result = run("rebuild", "--index", index, "--if-due")
    assert result.exit_code == 0
    assert result.stdout.startswith("not rebuilt: 0 items in the delta and 0 tombstones")
    assert answer("status", "--index", index)["generation"] == "000001"
    (index / "generations" / "000001" / "vectors.f32").write_bytes(b"torn")
    assert answer("rebuild", "--index", index, "--if-due")["generation"] == "000002"


def test_help_is_not_cut_in_the_list_of_commands():
    commands = run("--help").stdout.partition("Commands:")[2]
    assert "rebuild" in commands
    assert "..." not in commands


def test_the_internal_job_option_is_hidden_from_help():
    text = run("rebuild", "--help").stdout
    assert "--if-due" in text
    assert "--job" not in text


def test_items_are_exported_and_imported(index, tiny_bundle, tmp_path):
    out, other = tmp_path / "out", tmp_path / "other"
    assert answer("export", out, "--index", index)["count"] == 6
    with Index.create(other, tiny_bundle.path):
        pass
    first = answer("import", out, "--index", other)
    assert (first["created"], first["unchanged"]) == (6, 0)
    assert first["vectors_per_second"] > 0
    assert answer("import", out, "--index", other)["unchanged"] == 6
    assert answer("status", "--index", other)["count"] == 6
    assert run("export", out, "--index", index).exit_code == 1


def test_a_share_that_has_no_effect_is_said(index, folder):
    def errors(*words):
        command = [sys.executable, "-m", "cli", "index", *map(str, words), "--index", str(index)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stderr

    for command in (("build", folder), ("rebuild",)):
        said = errors(*command, "--share", "0.1")
        assert "--share has no effect: an index is calibrated from 100 pictures on, and this one has 6" in said
    assert "--share" not in errors("rebuild")
