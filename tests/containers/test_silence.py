"""The image's commands and its server, in a network of their own that writes down each attempt to leave it."""

import subprocess
import sys
import uuid

import pytest

from tests.containers.conftest import IMAGE, ROOT, run

WATCHED = ROOT / "tests" / "reported" / "watched_network.py"
RESOLVER = "192.0.2.53"
"""The resolver of `watched_network`."""
SCRIPT = """set -e
cd /data
copysight index build /images --index new
copysight search /images/1.jpg --index new
copysight embed /images/1.jpg --out /tmp/vectors.npy
copysight compare /images/1.jpg /images/2.jpg
copysight index rebuild --index new
copysight index verify --index new
COPYSIGHT_AUTH=none copysight serve --index new --port 8765 > /tmp/server.log 2>&1 & server=$!
python3 - <<'PYTHON'
import json, time, urllib.request
for _ in range(600):
    try:
        urllib.request.urlopen("http://127.0.0.1:8765/readyz")
        break
    except OSError:
        time.sleep(0.1)
with open("/images/1.jpg", "rb") as file:
    question = urllib.request.Request("http://127.0.0.1:8765/search?k=1", file.read(), {"content-type": "image/jpeg"})
print(json.load(urllib.request.urlopen(question))["items"][0]["matches"][0]["key"])
PYTHON
kill $server
wait $server || test $? = 143
"""
LEAVE = "import socket; print(socket.socket().connect_ex(('203.0.113.9', 80)))"


@pytest.fixture
def quiet(system, pictures, tmp_path):
    """Run a shell script in the image on a watched network; return the process and the attempts to leave."""
    resolv = tmp_path / "resolv.conf"
    resolv.write_text(f"nameserver {RESOLVER}\noptions timeout:1 attempts:1\n")
    name = f"copysight-quiet-{uuid.uuid4().hex[:8]}"
    run(
        "docker", "run", "--rm", "--detach", "--network", "none", "--name", name, "--entrypoint", "sleep",
        "--volume", f"{resolv}:/etc/resolv.conf:ro", "--volume", f"{pictures}:/images:ro", IMAGE, "3600",
    )  # fmt: skip
    process = run("docker", "inspect", "--format", "{{.State.Pid}}", name).strip()

    def watch(script):
        log = tmp_path / "attempts"
        log.write_text("")
        done = subprocess.run(
            ["unshare", "--mount", "nsenter", f"--net=/proc/{process}/ns/net", sys.executable, str(WATCHED), str(log),
             "docker", "exec", name, "sh", "-c", script],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        return done, log.read_text().splitlines()

    yield watch
    run("docker", "rm", "--force", name)


def test_the_watch_sees_what_the_image_tries(quiet):
    done, attempts = quiet(f'python3 -c "{LEAVE}"')
    assert done.returncode == 0, done.stderr
    assert attempts == ["tcp 203.0.113.9 80"]


def test_the_image_reaches_for_nothing_and_leaves_no_device_id(quiet):
    done, attempts = quiet(SCRIPT)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert done.stdout.splitlines()[-1] == "1.jpg"
    assert attempts == []
    left, _ = quiet("find / -xdev -name '.cache' -o -xdev -iname '*deviceid*' 2>/dev/null; true")
    assert left.stdout.split() == []
