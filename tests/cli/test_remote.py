"""Offline commands with ``--server`` give the same answers as without it, in the same form."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from cli.main import main
from service.auth.keys import Keys
from tests.service.conftest import index, origin, pictures, serving  # noqa: F401


def run(*words):
    return CliRunner().invoke(main, [str(word) for word in words])


def answer(*words):
    result = run(*words, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_server_gives_the_same_answers_as_local_files(index, pictures, tiny_bundle, tmp_path):  # noqa: F811
    bundle = ["--bundle", tiny_bundle.path]
    here = {
        "embed": answer("embed", pictures / "1.jpg", pictures / "2.jpg", *bundle),
        "search": answer("search", pictures / "4.jpg", "--index", index, "-k", 3),
        "compare": answer("compare", pictures / "1.jpg", pictures / "2.jpg", *bundle),
    }
    with serving(index, auth="keys") as server:
        key = Keys(index).add("desk", "read")
        there = ["--server", server.url, "--key", key]
        out = tmp_path / "vectors.npy"
        embedded = answer("embed", pictures / "1.jpg", pictures / "2.jpg", "--out", out, *there)
        found = answer("search", pictures / "4.jpg", "-k", 3, *there)
        compared = answer("compare", pictures / "1.jpg", pictures / "2.jpg", *there)
        (tmp_path / "bad.jpg").write_bytes(b"nothing")
        bad = run("embed", tmp_path / "bad.jpg", *there)
        nobody = run("search", pictures / "4.jpg", "--server", server.url)
    assert [item["path"] for item in embedded["items"]] == [item["path"] for item in here["embed"]["items"]]
    vectors = [item["embedding"] for item in here["embed"]["items"]]
    np.testing.assert_allclose(np.load(out), vectors, atol=1e-5)
    assert [match["id"] for match in found["matches"]] == [match["id"] for match in here["search"]["matches"]]
    assert found["matches"][0]["verdict"] == "exact"
    assert found.keys() == here["search"].keys()
    assert compared.keys() == here["compare"].keys()
    assert compared["similarity"] == pytest.approx(here["compare"]["similarity"], abs=1e-5)
    assert (bad.exit_code, "bad.jpg" in bad.output) == (1, True)
    assert (nobody.exit_code, "key_missing" in nobody.output) == (1, True)


def test_search_needs_either_an_index_or_a_server(tmp_path):
    picture = tmp_path / "any.jpg"
    picture.write_bytes(b"x")
    assert run("search", picture).exit_code == 2
    assert run("search", picture, "--index", tmp_path, "--server", "http://127.0.0.1:1").exit_code == 2
