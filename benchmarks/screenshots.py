"""Take screenshots of all views of the web page: `make screenshots`.

    python -m benchmarks.screenshots INDEX PICTURE OUT [VIEW…]

INDEX is an index, for example that of `make example`; the server runs on a copy of it. PICTURE is an edited copy of one
of its pictures. Writes PNG files to OUT for a desk in light and dark and for a phone, and small JPEG files of the two
views that the README shows. With VIEWs, only those.
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from PIL import Image
from playwright.sync_api import Page, sync_playwright

README = {"answer": "page-search.jpg", "compare": "page-compare.jpg"}
DESK = {"width": 1280, "height": 860}
CONTEXTS: dict[str, Any] = {
    "": {"viewport": DESK},
    "-dark": {"viewport": DESK, "color_scheme": "dark"},
    "-phone": {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "has_touch": True},
}
PATIENCE = 120_000
Steps = Callable[[Page, Path], None]


def main(index: Path, picture: Path, out: Path, only: list[str]) -> None:
    """Start a server on a copy of the index, take all screenshots, stop the server."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        shutil.copytree(index, Path(folder) / "index")
        with serving(Path(folder) / "index") as address:
            prepare(address, picture)
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            for suffix, context in CONTEXTS.items():
                for name in only or VIEWS:
                    page = browser.new_context(**context).new_page()
                    page.set_default_timeout(PATIENCE)
                    capture(page, address, name, picture, out / f"{name}{suffix}.png")
                    page.context.close()
            browser.close()
    for name, small in README.items():
        if (out / f"{name}.png").exists():
            with Image.open(out / f"{name}.png") as shot:
                shot.convert("RGB").resize((960, 645), Image.Resampling.LANCZOS).save(out / small, quality=85)


@contextmanager
def serving(index: Path, **settings: str) -> Iterator[str]:
    """Run a server with these settings; yields its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "cli", "serve", "--index", str(index), "--port", str(port)]
    server = subprocess.Popen(command, env=os.environ | settings)
    try:
        wait_until_ready(f"http://127.0.0.1:{port}/healthz")
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


def wait_until_ready(address: str) -> None:
    """Wait up to two minutes until the server answers."""
    for _ in range(1200):
        try:
            httpx.get(address)
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            return
    sys.exit("the server did not start within two minutes")


def prepare(address: str, picture: Path) -> None:
    """Search for duplicates, name a cluster, and open a review."""
    with httpx.Client(base_url=address, timeout=PATIENCE / 1000) as http:
        job = http.post("/duplicates").json()
        if http.get("/clusters").json()["clusters"]:
            http.patch("/clusters/0", json={"name": "towns and streets"})
        policy = {"policy": "review"}
        http.put("/lists/default", json=policy).raise_for_status()
        http.post("/images", params={"match": "true", "key": "upload.jpg", "collection": "uploads"},
                  files={"file": picture.read_bytes()}).raise_for_status()  # fmt: skip
        while job["state"] in ("queued", "running"):
            time.sleep(0.5)
            job = http.get(f"/jobs/{job['id']}").json()


def capture(page: Page, address: str, name: str, picture: Path, file: Path) -> None:
    """Take a screenshot of one view."""
    place, steps = VIEWS[name]
    page.goto(f"{address}/{place}")
    page.locator("h1").first.wait_for()
    steps(page, picture)
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(300)
    page.screenshot(path=file)


def wait(selector: str) -> Steps:
    """Wait for an element."""
    return lambda page, _: page.locator(selector).first.wait_for()


def upload(page: Page, picture: Path) -> None:
    """Search for the picture."""
    page.locator("input[type=file]").set_input_files(picture)
    page.locator(".answer .card, canvas").first.wait_for()


def many(page: Page, picture: Path) -> None:
    """Search for several pictures: the picture and its neighbours in its folder."""
    others = sorted(one for one in picture.parent.iterdir() if one.suffix == ".jpg")[:12]
    page.locator("input[type=file]").set_input_files(others)
    page.locator(".summary:not(:text('searching'))").wait_for()


def compare(page: Page, picture: Path) -> None:
    """Open the best match."""
    upload(page, picture)
    page.locator(".answer .card").first.click()
    page.locator("dialog").wait_for()


def select(page: Page, _: Path) -> None:
    """Select three pictures."""
    page.locator(".card .pick").first.wait_for()
    for number in (0, 1, 4):
        page.locator(".card .pick").nth(number).check()


def metadata(page: Page, _: Path) -> None:
    """Open the metadata of a picture."""
    page.locator(".menu-button").first.click()
    page.get_by_role("menuitem", name="Edit metadata").click()


def call(page: Page, _: Path) -> None:
    """Open a call of the API."""
    page.locator("#post-search summary").first.click()


VIEWS: dict[str, tuple[str, Steps]] = {
    "welcome": ("#/search", wait(".welcome")),
    "answer": ("#/search?collection=default", upload),
    "many": ("#/search", many),
    "compare": ("#/search?collection=default", compare),
    "duplicates": ("#/duplicates", wait(".group, .searched")),
    "reviews": ("#/reviews", wait("figure, .empty:not([hidden])")),
    "collection": ("#/collection", wait(".card img")),
    "selection": ("#/collection", select),
    "metadata": ("#/collection", metadata),
    "clusters": ("#/clusters", wait(".heap")),
    "cluster": ("#/clusters?id=0", wait(".card img")),
    "map": ("#/map", wait("canvas, .empty:not([hidden])")),
    "attention": ("#/attention", upload),
    "admin": ("#/admin", wait("section[aria-label=Audit] tbody")),
    "docs": ("docs", call),
    "nowhere": ("#/nowhere", wait("h1")),
}


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    target = Path(sys.argv[3])
    target.mkdir(parents=True, exist_ok=True)
    main(Path(sys.argv[1]), Path(sys.argv[2]), target, sys.argv[4:])
