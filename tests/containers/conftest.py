"""Fixtures for tests in a real container engine. They are opt-in, because they need an engine and take minutes.

Run ``COPYSIGHT_CONTAINERS=1 pytest tests/containers``. ``COPYSIGHT_CONTAINERS_NETWORK=host`` builds on the network of
the host. Images of others are built from Debian's packages, unless the variable of the compose file names one, for
example ``COPYSIGHT_PROXY_IMAGE=nginx:1.28-alpine``.
"""

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
SWITCH = "COPYSIGHT_CONTAINERS"
IMAGE = "copysight-under-test"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip these tests unless ``COPYSIGHT_CONTAINERS`` is 1. The summary of the run says so."""
    if os.environ.get(SWITCH) != "1":
        for item in items:
            if HERE in item.path.parents:
                item.add_marker(pytest.mark.skip(reason=f"needs a container engine and {SWITCH}=1"))


def run(*command: str, cwd: Path | None = None, timeout: float = 600, **variables: str) -> str:
    """Run a command that must succeed; return its output."""
    done = subprocess.run(
        command, cwd=cwd, env=os.environ | variables, capture_output=True, text=True, timeout=timeout, check=False
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def until(seconds: float, reached: Callable[[], object]) -> float:
    """Wait until ``reached`` returns true; return the seconds. A failed connection means: not yet."""
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        try:
            if reached():
                return time.monotonic() - began
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"not within {seconds} s")


@dataclass(frozen=True)
class System:
    """A clean clone and its containers. ``seconds_to_ready``: time of the first `up` until the service is ready."""

    clone: Path
    files: tuple[str, ...]
    project: str
    port: int
    seconds_to_ready: float
    http: httpx.Client

    def compose(self, *words: str, **options: float) -> str:
        return compose(self.clone, self.files, self.project, self.port, *words, **options)

    def inside(self, script: str) -> str:
        """Run a shell script inside the container of the service; return its output."""
        return run("docker", "exec", self.container, "sh", "-c", script)

    @property
    def container(self) -> str:
        return self.compose("ps", "-q", "service").strip()

    def inspected(self) -> dict:
        return json.loads(run("docker", "inspect", self.container))[0]

    def ready(self, seconds: float) -> float:
        return until(seconds, lambda: self.http.get("/readyz").status_code == 200)

    def kill(self) -> None:
        """Send SIGKILL to the first process of the container from outside, as the kernel does when memory is short.

        `docker kill` does not work here: the engine treats it as a stop, and the restart policy does not restart.
        """
        process = str(self.inspected()["State"]["Pid"])
        words = ["--rm", "--pid=host", "--user=0", "--entrypoint=sh", IMAGE, "-c", f"kill -9 {process}"]
        run("docker", "run", *words)


def compose(clone: Path, files: tuple[str, ...], project: str, port: int, *words: str, timeout: float = 600) -> str:
    program = ["docker-compose"] if shutil.which("docker-compose") else ["docker", "compose"]
    chosen = [word for file in files for word in ("-f", file)]
    return run(
        *program, "-p", project, *chosen, *words, cwd=clone, timeout=timeout, COPYSIGHT_PUBLISH=str(port),
        DOCKER_BUILDKIT=os.environ.get("DOCKER_BUILDKIT", "0"),
    )  # fmt: skip


def network() -> str:
    """The network on which images are built."""
    return os.environ.get("COPYSIGHT_CONTAINERS_NETWORK", "default")


def image(variable: str, name: str, place: Path, *programs: Path) -> str:
    """Return the image that a variable of the compose files names. Without one build the folder ``images/NAME``.

    ``programs`` are copied into the folder, which is built at ``place``. The base image is Debian's.
    """
    if chosen := os.environ.get(variable):
        return chosen
    shutil.copytree(HERE / "images" / name, place / name)
    for program in programs:
        shutil.copy(program, place / name)
    built = f"copysight-{name}-under-test"
    run("docker", "build", "--network", network(), "-t", built, str(place / name), timeout=1800, DOCKER_BUILDKIT="0")
    return built


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Clone, build and start the system; at the end stop it and remove the volume."""
    place = tmp_path_factory.mktemp("containers")
    clone, project, port = place / "clone", f"copysight-test-{os.getpid()}", free_port()
    run("git", "clone", "--quiet", str(ROOT), str(clone))
    override = place / "override.yml"
    override.write_text(
        f"services:\n  service: {{image: {IMAGE}, build: {{network: {network()}}}}}\n  builder: {{image: {IMAGE}}}\n"
    )
    files = ("docker-compose.yml", str(override))
    compose(clone, files, project, port, "build", "service", timeout=3600)
    http = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60)
    try:
        began = time.monotonic()
        compose(clone, files, project, port, "up", "-d")
        until(120, lambda: http.get("/readyz").status_code == 200)
        yield System(clone, files, project, port, time.monotonic() - began, http)
    finally:
        compose(clone, files, project, port, "down", "-v", "--remove-orphans")
        http.close()


@pytest.fixture(scope="session")
def pictures(tmp_path_factory, drawn, jpeg):
    """Drawn pictures that the user of the container may read."""
    folder = tmp_path_factory.mktemp("images")
    folder.chmod(0o755)
    for seed in range(24):
        (folder / f"{seed}.jpg").write_bytes(jpeg(drawn(seed)))
    return folder
