"""What operators reported: starting, stopping, variables of the platform, the clock and the log."""

import json
import re
import signal
import socket
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import httpx
import pytest
import yaml

from copysight.index import Index, publish
from service.cli import read_settings
from tests.service.conftest import index, origin, pictures, serving  # noqa: F401 - fixtures

ROOT = Path(__file__).parents[2]
COPYSIGHT = [sys.executable, "-m", "cli"]
HANGING_UP = ("env", "--default-signal=HUP")  # the tests themselves may run under nohup
FIRST = re.compile(r"Copysight serves .* at (http://\S+) \(API at /docs\)")


def call(*words, **options):
    return subprocess.run(
        [*COPYSIGHT, *map(str, words)], check=False, capture_output=True, text=True, timeout=120, **options
    )


def until(seconds, reached):
    """Wait until ``reached`` returns something true, and return it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := reached():
            return found
        time.sleep(0.02)
    raise AssertionError(f"not within {seconds} s")


def answers(address):
    try:
        return httpx.get(f"{address}/healthz", timeout=30).status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.reported("S5")
@pytest.mark.parametrize("link", ["tcp://10.0.0.1:8000", "TCP://[fd00::1]:80", "udp://10.0.0.1:53"])
def test_a_kubernetes_service_named_copysight_does_not_stop_the_start(monkeypatch, caplog, link):
    names = ("PORT", "SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_HTTP", "PORT_8000_TCP", "PORT_8000_TCP_PORT")
    for name in names:
        monkeypatch.setenv(f"COPYSIGHT_{name}", link)
    assert read_settings({}).port == 8000
    assert read_settings({"port": "9000"}).port == 9000
    assert f"COPYSIGHT_PORT={link} is ignored" in caplog.text
    monkeypatch.setenv("COPYSIGHT_PORT", "8123")
    assert read_settings({}).port == 8123


@pytest.mark.reported("S5")
def test_the_manifest_asks_for_no_service_links():
    found = yaml.safe_load_all((ROOT / "deploy" / "kubernetes.yaml").read_text())
    specs = [one["spec"].get("jobTemplate", one)["spec"] for one in found if one["kind"] in {"Deployment", "CronJob"}]
    assert [one["template"]["spec"]["enableServiceLinks"] for one in specs] == [False, False]


@pytest.mark.reported("S14")
def test_a_taken_port_is_one_line_at_once_and_makes_no_index(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = call("serve", "--index", tmp_path / "new", "--port", taken.getsockname()[1])
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert "another program listens there" in done.stderr
    assert not (tmp_path / "new").exists()


@pytest.mark.reported("S14")
@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid", "not a host"])
def test_an_address_that_cannot_be_used_is_one_line(tmp_path, host):
    done = call("serve", "--index", tmp_path / "new", "--host", host)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert host in done.stderr


@pytest.mark.reported("S14")
@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "[::1]", "localhost"])
def test_the_first_line_names_the_address_as_it_is(index, tmp_path, host):  # noqa: F811
    log = tmp_path / "log"
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            [*COPYSIGHT, "serve", "--index", str(index), "--host", host, "--port", "0"], stderr=stderr
        )
    try:
        address = until(60, lambda: FIRST.match(log.read_text()))[1]
        assert address.rpartition(":")[2] not in {"0", "8000"}
        assert address.startswith("http://[::1]:") == (host in {"::1", "[::1]"})
        assert until(60, lambda: answers(address))
    finally:
        process.terminate()
        process.wait(40)


@pytest.mark.reported("S17")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=["SIGTERM", "SIGHUP"])
def test_a_build_that_is_stopped_says_so_in_its_job_and_goes_on_later(tmp_path, drawn, jpeg, tiny_bundle, number):
    folder, target = tmp_path / "pictures", tmp_path / "index"
    folder.mkdir()
    for seed in range(40):
        (folder / f"{seed:02d}.png").write_bytes(jpeg(drawn(seed, (1200, 900)), "PNG", compress_level=1))
    words = ["index", "build", folder, "--index", target, "--bundle", tiny_bundle.path, "--chunk", 4, "--threads", 1]
    process = subprocess.Popen([*HANGING_UP, *COPYSIGHT, *map(str, words)], stderr=subprocess.PIPE, text=True)
    until(60, lambda: len(list(target.glob("staging/*/[0-9]*.npz"))) >= 2)
    with Index.open(target) as opened:
        assert opened.catalog.jobs.list()[0].state == "running"
    process.send_signal(number)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert told.splitlines()[-1].startswith(f"copysight: stopped by {signal.Signals(number).name}")
    with Index.open(target) as opened:
        [job] = opened.catalog.jobs.list()
    assert (job.state, job.message.split(";")[0]) == ("cancelled", f"stopped by {signal.Signals(number).name}")
    assert "job 1        build: cancelled" in call("index", "status", "--index", target).stdout
    again = call(*words)
    assert (again.returncode, "continuing after" in again.stderr) == (0, True), again.stderr
    with Index.open(target) as opened:
        assert (opened.catalog.jobs.list()[0].state, opened.status().count) == ("done", 40)


@pytest.mark.reported("S17")
def test_a_server_whose_terminal_closes_ends_in_good_order_but_not_under_nohup(index):  # noqa: F811
    with serving(index, before=HANGING_UP) as server:
        server.process.send_signal(signal.SIGHUP)
        assert server.process.wait(40) == 0
        assert "Application shutdown complete" in server.log.read_text()
    ignoring = ("bash", "-c", 'trap "" HUP; exec "$@"', "bash")
    with serving(index, before=ignoring) as server:
        server.process.send_signal(signal.SIGHUP)
        assert server.http.get("/healthz").status_code == 200
        assert server.process.poll() is None


@pytest.mark.reported("S17")
def test_the_timed_rebuild_goes_on_after_the_clock_was_ahead(index, drawn, jpeg):  # noqa: F811
    with Index.open(index) as opened:
        publish(opened, clock=lambda: time.time() + 30 * 86400)
    with serving(index, rebuild_every=1 / 3600) as server:
        about = server.http.get("/index").json()
        assert (about["fault"], about["built_at"] > time.time()) == (None, True)
        server.http.post("/images", files={"file": jpeg(drawn(50))}).raise_for_status()
        assert until(60, lambda: server.http.get("/index").json()["generation"] == "000003")


@pytest.mark.reported("S17")
def test_times_in_the_log_have_an_offset(index):  # noqa: F811
    with serving(index, before=("env", "TZ=Asia/Kolkata")) as server:
        [line] = server.lines(server.http.get("/index"))
        lines = [json.loads(text) for text in server.log.read_text().splitlines() if text.startswith("{")]
    assert len(lines) > 2
    for one in lines:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+05:30", one["time"])
    assert abs(datetime.fromisoformat(line["time"]).timestamp() - time.time()) < 60


@pytest.mark.reported("S18")
def test_serving_a_misspelt_index_says_loudly_that_it_is_new_and_empty(tmp_path, tiny_bundle):
    with serving(tmp_path / "photoz", bundle=tiny_bundle.path) as server:
        server.http.get("/index")
        lines = server.log.read_text().splitlines()
    [loud] = [line for line in lines if "WARNING" in line]
    assert str(tmp_path / "photoz") in loud
    assert "new, empty index" in loud
    with serving(tmp_path / "photoz") as server:
        assert "WARNING" not in server.log.read_text()


@pytest.mark.reported("S18")
def test_asking_for_the_status_of_a_misspelt_index_makes_none(tmp_path):
    done = call("index", "status", "--index", tmp_path / "photoz")
    assert (done.returncode, "there is no index" in done.stderr) == (1, True)
    assert list(tmp_path.iterdir()) == []
