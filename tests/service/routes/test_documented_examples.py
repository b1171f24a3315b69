"""Run the examples of the API reference, as written, against a real server."""

import base64
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np

from tests.service.conftest import serving

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "api.md").read_text()
ADDRESS = "http://127.0.0.1:8000"
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
CURL = [line for _, block in BLOCKS for line in block.splitlines() if line.startswith("curl ")]
PYTHON = [block for kind, block in BLOCKS if kind == "python" and "copysight.client" in block]


def test_every_example(index, drawn, jpeg, tmp_path):
    folder = tmp_path / "caller"
    folder.mkdir()
    photo, edited = jpeg(drawn(0)), jpeg(drawn(0).rotate(90))
    (folder / "photo.jpg").write_bytes(photo)
    (folder / "edited.jpg").write_bytes(edited)
    lines = [{"image": base64.b64encode(data).decode(), "key": name} for name, data in [("a", photo), ("b", b"x")]]
    (folder / "pictures.ndjson").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert len(CURL) > 8
    assert len(PYTHON) == 1
    with serving(index) as server:
        answers = [answer(line.replace(ADDRESS, server.url), folder) for line in CURL]
        code = PYTHON[0].replace(ADDRESS, server.url)
        ran = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert json.loads(answers[0])["metadata"] == {"album": "2026"}
    assert len(json.loads(answers[1])["items"][0]["matches"]) <= 5
    assert np.load(folder / "vectors.npy").shape[0] == 1
    assert (folder / "attention.png").read_bytes()[:4] == b"\x89PNG"
    created, refused = answers[CURL.index(next(line for line in CURL if "ndjson" in line))].splitlines()
    assert json.loads(created)["status"] == "created"
    assert json.loads(refused)["error"]["code"] == "unsupported_format"
    assert ran.stdout.count("status='created'") == 2


def answer(line: str, folder: Path) -> str:
    """The output of a command. An error answer fails the test."""
    command = ["curl", "--fail-with-body", "--silent", "--show-error", *shlex.split(line)[1:]]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, (line, ran.stdout, ran.stderr)
    return ran.stdout
