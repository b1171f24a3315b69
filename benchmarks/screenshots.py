"""Take screenshots of all views of the web page: `make screenshots`.

    python -m benchmarks.screenshots INDEX PICTURE OUT

INDEX is an index, for example that of `make example`. PICTURE is an edited copy of one of its pictures. Writes PNG
files to OUT, and small JPEG files of the two views that the README shows.
"""

import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
from PIL import Image
from playwright.sync_api import Page, sync_playwright

VIEWS = {
    "search": ("search", ".answer .card"),
    "attention": ("attention", "canvas"),
    "clusters": ("clusters", ".heap"),
    "collection": ("collection", ".card img"),
}
README = {"search": "page-search.jpg", "compare": "page-compare.jpg"}
CONTEXTS: dict[str, Any] = {
    "": {"viewport": {"width": 1180, "height": 820}},
    "-dark": {"viewport": {"width": 1180, "height": 820}, "color_scheme": "dark"},
    "-phone": {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2},
}


def main(index: Path, picture: Path, out: Path) -> None:
    """Start a server, take all screenshots, stop the server."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen([sys.executable, "-m", "cli", "serve", "--index", str(index), "--port", str(port)])
    try:
        wait_until_ready(f"http://127.0.0.1:{port}/healthz")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
            for suffix, context in CONTEXTS.items():
                page = browser.new_context(**context).new_page()
                for name, (view, ready) in VIEWS.items():
                    capture_view(page, f"http://127.0.0.1:{port}/#/{view}", ready, picture, out / f"{name}{suffix}.png")
                capture_comparison(page, f"http://127.0.0.1:{port}/#/search", picture, out / f"compare{suffix}.png")
            browser.close()
        for name, small in README.items():
            with Image.open(out / f"{name}.png") as shot:
                shot.convert("RGB").resize((944, 656), Image.Resampling.LANCZOS).save(out / small, quality=85)
    finally:
        server.terminate()
        server.wait()


def wait_until_ready(address: str) -> None:
    """Wait up to 30 seconds until the server answers."""
    for _ in range(300):
        try:
            httpx.get(address)
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            return
    sys.exit("the server did not start within 30 s")


def capture_view(page: Page, address: str, ready: str, picture: Path, file: Path) -> None:
    """Take a screenshot of one view. Upload the picture if the view needs one."""
    page.goto(address)
    page.locator("h1").wait_for()
    if ready in (".answer .card", "canvas"):
        page.locator("input[type=file]").set_input_files(picture)
    page.locator(ready).first.wait_for()
    page.wait_for_load_state("networkidle")
    page.screenshot(path=file)


def capture_comparison(page: Page, address: str, picture: Path, file: Path) -> None:
    """Take a screenshot of the comparison of the query with its best match."""
    page.goto(address)
    page.reload()
    page.locator("input[type=file]").set_input_files(picture)
    page.locator(".answer .card").first.click()
    page.wait_for_load_state("networkidle")
    page.screenshot(path=file)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    target = Path(sys.argv[3])
    target.mkdir(parents=True, exist_ok=True)
    main(Path(sys.argv[1]), Path(sys.argv[2]), target)
