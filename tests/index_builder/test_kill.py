"""A build that was killed by SIGKILL continues when it is run again; until then, none of its items are visible."""

import json
import os
import signal
import subprocess
import sys
import time

from copysight.index import Index

COUNT = 60


def start(folder, index, bundle):
    command = [sys.executable, "-m", "cli", "index", "build", folder, "--index", index, "--bundle", bundle]
    command += ["--chunk", "4", "--threads", "1", "--json"]
    return subprocess.Popen(
        [str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ, text=True
    )


def chunks(index):
    return list((index / "staging").glob("*/[0-9]*.npz"))


def test_a_killed_build_resumes(tmp_path, drawn, jpeg, tiny_bundle):
    folder, index = tmp_path / "pictures", tmp_path / "index"
    folder.mkdir()
    for number in range(COUNT):
        # Large, so that the build is slow enough to be caught in the middle.
        (folder / f"{number:03d}.png").write_bytes(jpeg(drawn(number, (1200, 900)), "PNG", compress_level=1))
    first = start(folder, index, tiny_bundle.path)
    while first.poll() is None and len(chunks(index)) < 3:
        time.sleep(0.005)
    first.send_signal(signal.SIGKILL)
    _, errors = first.communicate()
    assert first.returncode == -signal.SIGKILL, errors
    staged = 4 * len(chunks(index))
    assert 12 <= staged < COUNT
    with Index.open(index) as opened:
        assert opened.snapshot().count == 0
        [interrupted] = opened.catalog.jobs.list()
        assert (interrupted.state, "killed" in interrupted.message) == ("failed", True)
    second = start(folder, index, tiny_bundle.path)
    out, errors = second.communicate(timeout=120)
    assert second.returncode == 0, errors
    summary = json.loads(out)
    assert (summary["resumed"], summary["embedded"], summary["created"]) == (staged, COUNT - staged, COUNT)
    with Index.open(index) as opened:
        assert [item.key for item in opened.catalog.page(limit=100)] == [f"{n:03d}.png" for n in range(COUNT)]
        [job] = opened.catalog.jobs.list()
    assert (job.id, job.state) == (interrupted.id, "done")
