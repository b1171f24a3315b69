"""Nothing is sent anywhere: every command and the server run in a network namespace that writes down each attempt."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from copysight.system import telemetry
from tests.evaluation.conftest import davis_folder, labelled_set  # noqa: F401 - fixtures
from tests.public import surface

WATCHED = Path(__file__).with_name("watched_network.py")
COPYSIGHT = f"{shlex.quote(sys.executable)} -m cli"
TINY = (
    "--backbone test_resnet --global-size 32 --batch 4 --epochs 1 --device cpu --threads 1 --cache cache "
    "--probe labelled"
)
CROPS = "--local-size 16 --local-crops 1"
STEPS = {
    "copysight index build": "index build pictures --index index --bundle bundle --originals keep",
    "copysight index add": "index add more --index index",
    "copysight index sync": "index sync more --index index --most-missing 1",
    "copysight index fields": "index fields --index index --add shot",
    "copysight index status": "index status --index index",
    "copysight index verify": "index verify --index index",
    "copysight index export": "index export exported --index index",
    "copysight index import": "index import exported --index index",
    "copysight index backup": "index backup saved --index index",
    "copysight index restore": "index restore saved --index restored",
    "copysight index rebuild": "index rebuild --index index",
    "copysight index rollback": "index rollback --index index",
    "copysight index migrate": "index migrate --index index --vectors files",
    "copysight index prune": "index prune --index index --keep 1",
    "copysight index remove": "index remove --index index --key 0.jpg",
    "copysight dedupe": "dedupe pictures more --bundle default --cache cache --report duplicates.html",
    "copysight index duplicates": "index duplicates --index $(ls -d cache/* | head -1)",
    "copysight index decisions": "index decisions --index restored",
    "copysight outliers": "outliers --index index",
    "copysight select": "select --index index --count 2",
    "copysight keys add": "keys add somebody --scope read --index restored",
    "copysight keys list": "keys list --index restored",
    "copysight keys revoke": (
        f"keys revoke $({COPYSIGHT} keys list --index restored | tail -1 | cut -d' ' -f1) --index restored"
    ),
    "copysight audit verify": "audit verify --index restored",
    "copysight audit export": "audit export --index restored",
    "copysight embed": "embed pictures/1.jpg --bundle bundle --out vectors.npy",
    "copysight search": "search pictures/1.jpg --index index",
    "copysight compare": "compare pictures/1.jpg pictures/2.jpg --bundle bundle",
    "copysight attention": "attention pictures/1.jpg --bundle bundle --out attention.jpg",
    "copysight evaluate knn": "evaluate knn bundle labelled --k 3",
    "copysight evaluate linear": "evaluate linear bundle labelled --epochs 2 --views 1",
    "copysight evaluate clusters": "evaluate clusters bundle labelled",
    "copysight evaluate retrieval": "evaluate retrieval bundle labelled",
    "copysight evaluate copy": "evaluate copy bundle --copydays copydays",
    "copysight evaluate strangers": "evaluate strangers default pictures --effort low",
    "copysight evaluate regions": "evaluate regions pictures --pairs 8 --strangers 4",
    "copysight evaluate attention": "evaluate attention bundle davis --step 2",
    "copysight evaluate video": "evaluate video bundle davis",
    "copysight evaluate all": "evaluate all bundle --labelled labelled --out report.html --epochs 2 --views 1",
    "copysight train dino": f"train dino pictures --out dino {TINY} {CROPS} --prototypes 8 --warmup-epochs 0",
    "copysight train swav": f"train swav pictures --out swav {TINY} {CROPS} --prototypes 8 --warmup-epochs 0",
    "copysight train deepcluster": (
        f"train deepcluster pictures --out deepcluster {TINY} {CROPS} --prototypes 4 --warmup-epochs 0"
    ),
    "copysight train deepcluster-v1": f"train deepcluster-v1 pictures --out deepcluster1 {TINY} --clusters 4 --pca 4",
    "copysight train copy": f"train copy pictures --out copy {TINY} --first-size 32",
    "copysight train distil": f"train distil pictures --out distil {TINY} --first-size 32",
    "copysight curves": "curves dino",
    "copysight export": "export dino --out dino-bundle",
    "copysight amend": "amend bundle --out amended --name amended",
}
"""Every command that ends, by a call of it that works."""
SERVER = "copysight serve"
HEAVY = {
    name for name in STEPS if name.startswith(("copysight train", "copysight evaluate")) or name == "copysight amend"
}
SHORT = {"copysight train dino", "copysight evaluate knn"}
"""Commands that import torch take long to start: of these, the short form runs two, the long form all."""


@pytest.fixture
def workplace(tmp_path, drawn, jpeg, tiny_bundle, labelled_set, davis_folder):  # noqa: F811
    for folder, numbers in (("pictures", range(8)), ("more", range(8, 11))):
        (tmp_path / folder).mkdir()
        for number in numbers:
            (tmp_path / folder / f"{number}.jpg").write_bytes(jpeg(drawn(number)))
    for name, target in (("bundle", tiny_bundle.path), ("labelled", labelled_set), ("davis", davis_folder)):
        (tmp_path / name).symlink_to(target)
    rng = np.random.default_rng(0)
    for block in ("original", "strong", "jpegqual/20"):
        (tmp_path / "copydays" / block).mkdir(parents=True)
    for number in range(3):
        picture = Image.fromarray(rng.integers(0, 256, (48, 64, 3), dtype=np.uint8))
        for block, place in (("original", 0), ("strong", 1), ("jpegqual/20", 0)):
            picture.save(tmp_path / "copydays" / block / f"20{number}00{place}.jpg")
    (tmp_path / "home").mkdir()
    return tmp_path


def watch(folder, script, **variables):
    """Run a shell script where every attempt to leave is written down; what it printed, and the attempts."""
    namespace = ["unshare", "--net", "--mount", *(() if os.geteuid() == 0 else ("--map-root-user",))]
    usual = {"HOME": str(folder / "home"), "PYTHONPATH": str(WATCHED.parents[2]), "TQDM_DISABLE": "1"}
    kept = {name: value for name, value in os.environ.items() if name not in telemetry.SWITCHES}
    done = subprocess.run(
        [*namespace, sys.executable, str(WATCHED), str(folder / "attempts"), "bash", "-c", script],
        cwd=folder,
        env=kept | usual | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    if "unshare failed" in done.stderr:
        assert "CI" not in os.environ, done.stderr
        pytest.skip(f"this machine allows no network namespaces: {done.stderr.strip()}")
    return done, (folder / "attempts").read_text().splitlines()


@pytest.mark.reported("S1")
def test_the_watch_sees_names_connections_and_datagrams(tmp_path):
    (tmp_path / "home").mkdir()
    program = (
        "import socket\n"
        "for place in (('vendor.example', 443), ('203.0.113.9', 80)):\n"
        "    assert socket.socket().connect_ex(place)\n"
        "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('203.0.113.10', 123))\n"
    )
    done, attempts = watch(tmp_path, f"{shlex.quote(sys.executable)} -c {shlex.quote(program)}")
    assert done.returncode == 0, done.stderr
    assert set(attempts) == {
        "name vendor.example", "tcp 198.51.100.7 443", "tcp 203.0.113.9 80", "udp 203.0.113.10 123",
    }  # fmt: skip


def test_every_command_is_watched():
    leaves = {
        name for name in surface.commands() if not any(other.startswith(f"{name} ") for other in surface.commands())
    }
    assert leaves == {*STEPS, SERVER}


@pytest.mark.reported("S1")
@pytest.mark.parametrize(
    "steps",
    [
        pytest.param(STEPS.keys() - HEAVY | SHORT, id="short"),
        pytest.param(STEPS.keys(), marks=pytest.mark.long, id="all"),
    ],
)
def test_no_command_and_no_server_reaches_for_the_network_or_leaves_a_device_id(workplace, steps):
    serve = f"{COPYSIGHT} serve --index index --port 8765"
    ask = "curl --silent --fail --retry 100 --retry-delay 1 --retry-connrefused http://127.0.0.1:8765"
    first, *others = ((name, call) for name, call in STEPS.items() if name in steps)
    lines = [
        "failed=0",
        *_checked(*first),
        f"{serve} > server.log 2>&1 & server=$!",
        "trap 'kill $server 2> /dev/null' EXIT",
        f"{ask}/readyz",
        f"{ask}/search?k=1 --data-binary @pictures/1.jpg --header content-type:image/jpeg",
        *(line for name, call in others for line in _checked(name, call)),
        "kill $server; wait $server; exit $failed",
    ]
    done, attempts = watch(workplace, "\n".join(lines))
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    assert attempts == []
    left = {path.relative_to(workplace / "home").parts[:2] for path in (workplace / "home").rglob("*")}
    assert not {part for part in left if part[0] == ".cache"}, left


def _checked(name: str, call: str) -> list[str]:
    """The call, and if it fails, its name on stderr."""
    return [f"{COPYSIGHT} {call} > out.txt 2>&1 || {{ echo '{name} failed:' >&2; cat out.txt >&2; failed=1; }}"]
