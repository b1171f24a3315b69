"""The OpenAPI document against a real server: schemathesis sends valid and invalid requests and checks the answers."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from service.auth.keys import Keys
from tests.service.conftest import serving

LEFT_OUT = {
    "positive_data_acceptance": "a schema cannot say which bytes are a picture, or which items and jobs exist",
}
"""Checks that cannot hold here, with the reason. All others are enabled."""
SEED = 1


def run(server, tmp_path, examples, key):
    """Run schemathesis and return the number of test cases. Fails with its output."""
    program = Path(sys.executable).with_name("schemathesis")
    phases = ["--phases", "examples,coverage,fuzzing", "--max-examples", str(examples), "--seed", str(SEED)]
    # The largest body that the document allows has 40 MB, for which a busy machine needs more than the usual 10 s.
    checks = ["--request-timeout", "120", "--checks", "all", "--exclude-checks", ",".join(LEFT_OUT)]
    headers = {"Authorization": f"Bearer {key}"}
    shown = [f"--header={name}: {value}" for name, value in headers.items()]
    hooks = {"SCHEMATHESIS_HOOKS": "tests.service.routes.contract_hooks", "PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run(
        [program, "run", f"{server.url}/openapi.json", *phases, *checks, *shown, "--no-color", "--continue-on-failure"],
        cwd=tmp_path,
        env=os.environ | hooks,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    found = re.search(r"([\d,]+) generated", done.stdout)
    assert found is not None, done.stdout
    cases = int(found[1].replace(",", ""))
    print(f"schemathesis, seed {SEED}: {cases:,} cases")
    assert server.http.get("/readyz").status_code == 200
    assert 'status="500"' not in server.http.get("/metrics", headers=headers).text
    return cases


@pytest.fixture
def key(index):
    """A key for a server with API keys. Schemathesis also omits it and sends wrong ones."""
    return Keys(index).add("schemathesis", "admin")


def test_answers_match_the_openapi_document(index, tmp_path, key):
    with serving(index, decode="process", auth="keys") as server:
        assert run(server, tmp_path, 2, key) > 100


@pytest.mark.long
def test_ten_thousand_cases(index, tmp_path, key):
    with serving(index, decode="process", auth="keys") as server:
        assert run(server, tmp_path, 600, key) >= 10_000
