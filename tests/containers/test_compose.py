"""`docker compose up` from a clean clone: image size, start-up, restrictions, durability, shutdown."""

import itertools
import json
import os
import signal
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
import yaml

from tests.containers.conftest import IMAGE, ROOT, compose, free_port, run, until

MEGABYTE = 10**6
KILLS = 4
DECODED = 'copysight_stage_seconds_count{stage="decode"}'


OVERRIDES = sorted((ROOT / "deploy").glob("compose.*.yml"))


@pytest.mark.parametrize("override", OVERRIDES, ids=lambda file: file.name)
def test_compose_accepts_each_override(system, override):
    files = ("docker-compose.yml", f"deploy/{override.name}")
    config = yaml.safe_load(compose(system.clone, files, system.project, system.port, "config"))
    assert {"service", "builder"} <= set(config["services"])


def test_image_is_small_and_contains_no_tools(system, capsys):
    size = json.loads(run("docker", "image", "inspect", IMAGE))[0]["Size"] / MEGABYTE
    with capsys.disabled():
        print(f"\nserving image: {size:.0f} MB; up to ready: {system.seconds_to_ready:.1f} s")
    assert size <= 900
    assert system.inside("command -v gcc cc c++ make pip git curl || true").split() == []
    assert system.inside("python3 -c 'import importlib.util as u; print(u.find_spec(\"torch\"))'").strip() == "None"


def test_the_service_starts_in_time_with_the_example_index(system):
    assert system.seconds_to_ready <= 15
    assert system.http.get("/index").json()["count"] == 19
    until(30, lambda: system.inspected()["State"]["Health"]["Status"] == "healthy")


def test_the_container_has_no_privileges(system):
    facts = dict(line.split(":\t") for line in system.inside("cat /proc/1/status").splitlines())
    assert set(facts["Uid"].split()) == {"10001"}
    assert set(facts["Gid"].split()) == {"10001"}
    assert {int(facts[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {0}
    assert facts["NoNewPrivs"] == "1"
    mounts = [line.split() for line in system.inside("cat /proc/mounts").splitlines()]
    assert [options.split(",")[0] for _, place, _, options, *_ in mounts if place == "/"] == ["ro"]
    written = system.inside("for d in / /opt/package /opt/venv /usr /etc /images; do touch $d/x 2>&1; done; true")
    assert written.count("Read-only file system") == 6
    ports = system.inspected()["NetworkSettings"]["Ports"]
    assert {one["HostIp"] for found in ports.values() for one in found} == {"127.0.0.1"}


def test_cpu_and_memory_limits_are_set(system):
    found = system.inspected()["HostConfig"]
    assert (found["NanoCpus"], found["Memory"]) == (2 * 10**9, 2 * 2**30)
    threads = system.inside("python3 -c 'from service.runtime.settings import Settings; print(Settings().cores)'")
    assert int(threads) == min(2, len(os.sched_getaffinity(0)))


def test_container_and_make_serve_give_the_same_answers(system):
    """`make serve` is the other way to start in the README. It runs in the same clone."""
    port = free_port()
    server = subprocess.Popen(["make", "serve", f"PORT={port}"], cwd=system.clone, start_new_session=True)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as other:
            until(900, lambda: other.get("/readyz").status_code == 200)
            for picture in sorted((system.clone / "var" / "pictures").iterdir()):
                mine, theirs = (search(http, picture.read_bytes(), k=19) for http in (system.http, other))
                assert mine == theirs
                assert mine[0][0] == picture.name
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(60)


def search(http, data, k=1):
    """Return the key, the verdict and the similarity (five digits) of each match."""
    answer = http.post("/search", params={"k": k}, files={"file": data}).raise_for_status().json()
    return [(one["key"], one["verdict"], round(one["similarity"], 5)) for one in answer["items"][0]["matches"]]


def test_the_running_service_loads_what_the_builder_publishes(system, pictures):
    before = system.inspected()["State"]["StartedAt"]
    mounted = ["-v", f"{pictures}:/images:ro"]
    words = ["index", "build", "/images", "--index", "/data/index", "--json"]
    result = json.loads(system.compose("run", "--rm", *mounted, "builder", *words).splitlines()[-1])
    assert (result["created"], result["unreadable"]) == (24, 0)
    until(30, lambda: system.http.get("/index").json()["generation"] == "000002")
    assert system.http.get("/index").json()["count"] == 19 + 24
    for picture in pictures.iterdir():
        assert search(system.http, picture.read_bytes())[0] == (picture.name, "exact", 1.0)
    assert system.inspected()["State"]["StartedAt"] == before
    assert system.inspected()["RestartCount"] == 0


def test_a_rebuild_inside_the_service(system):
    job = system.http.post("/index/rebuild").raise_for_status().json()["id"]
    until(60, lambda: system.http.get(f"/jobs/{job}").json()["state"] == "done")
    until(30, lambda: system.http.get("/index").json()["generation"] == "000003")


def test_sigkill_during_adds_loses_nothing_acknowledged(system, drawn, jpeg):
    acknowledged: dict[str, dict] = {}
    numbers = itertools.count(1000)
    for round_ in range(KILLS):
        stop = threading.Event()
        with ThreadPoolExecutor(4) as pool:
            adders = [pool.submit(add_until, stop, system, numbers, acknowledged, drawn, jpeg) for _ in range(4)]
            until(60, lambda goal=20 * (round_ + 1): len(acknowledged) > goal)
            system.kill()
            stop.set()
            for adder in adders:
                adder.result()
        system.ready(60)
        assert system.inspected()["RestartCount"] == round_ + 1
        check(system, acknowledged, drawn, jpeg)
    result = system.inside("copysight index verify --index /data/index --json || true")
    # An add that was not acknowledged may leave its blob. The blob is used when the picture is added again.
    assert [fault for fault in json.loads(result)["faults"] if "belongs to no item" not in fault] == []


def add_until(stop, system, numbers, acknowledged, drawn, jpeg):
    """Add drawn pictures until ``stop`` is set, and record every 201. Lost connections are retried."""
    with httpx.Client(base_url=system.http.base_url, timeout=60) as http:
        while not stop.is_set():
            seed = next(numbers)
            try:
                answer = http.post("/images", data={"key": f"added/{seed}"}, files={"file": jpeg(drawn(seed))})
            except httpx.TransportError:
                time.sleep(0.02)
                continue
            assert answer.status_code == 201, answer.text
            acknowledged[f"added/{seed}"] = answer.json()


def check(system, acknowledged, drawn, jpeg):
    """Check that every acknowledged picture is stored unchanged and that a search finds it."""
    for key, item in acknowledged.items():
        found = system.http.get(f"/images/{item['id']}").raise_for_status().json()
        assert (found["key"], found["sha256"]) == (key, item["sha256"])
    for key in list(acknowledged)[-20:]:
        assert search(system.http, jpeg(drawn(int(key.split("/")[1]))))[0] == (key, "exact", 1.0)


def test_sigterm_finishes_accepted_requests(system, drawn, jpeg):
    container, many = system.container, [("file", jpeg(drawn(seed, (2400, 1800)))) for seed in range(64)]
    with ThreadPoolExecutor(1) as pool:
        accepted = pool.submit(system.http.post, "/embed", files=many)
        before = decoded(system)
        until(10, lambda: decoded(system) > before)
        assert not accepted.done()
        began = time.monotonic()
        run("docker", "kill", "--signal=TERM", container)
        assert len(accepted.result().raise_for_status().json()["items"]) == 64
    # 143: ended by SIGTERM after a regular shutdown (see the log). SIGKILL would be 137.
    assert run("docker", "wait", container).strip() == "143"
    assert time.monotonic() - began < 45
    assert "Application shutdown complete" in run("sh", "-c", f"docker logs {container} 2>&1")


def decoded(system):
    """Return the number of pictures decoded since the start."""
    lines = system.http.get("/metrics").text.splitlines()
    return next(float(line.split()[-1]) for line in lines if line.startswith(DECODED))
